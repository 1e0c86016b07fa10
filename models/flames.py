"""Flames cut out of training pictures and laid into real streets: small fires as a street camera would see them.

Nearly every training picture is a photo of a large fire; what a camera sees is small, in a scene that is quiet but for
it. A flame shines: where what surrounds it is darker than it, its brightness says what belongs to it, and the cut needs
no outline drawn by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.evaluate import labels_of
from models.sample_data import Sample
from models.sample_files import read_picture

TIGHT = ("xia_", "liu_fire-image_")
"""Beginnings of the names of pictures whose boxes lie close round the flame."""
LEAST_SIDE = 40
"""Px; a smaller flame is too coarse to be laid in anywhere."""
ROOM = 0.15
"""Share of its sides by which a piece reaches beyond the box, to see what surrounds it."""
DARK = 130
"""Grey level of red below which most of the piece's border must lie."""
SOLID = 0.35
"""Opacity from which a pixel belongs to the box of what was laid in."""
SIZES = (0.04, 0.3)
"""Height of a flame, as a share of the street's."""


@dataclass(frozen=True, slots=True)
class Flame:
    """``pixels`` h×w×3 BGR and ``opacity`` h×w, 0..1."""

    pixels: NDArray[np.float32]
    opacity: NDArray[np.float32]


def cut_flames(samples: Iterable[Sample]) -> list[Flame]:
    """Every flame of the samples that stands out from what surrounds it."""
    found = []
    for sample in samples:
        if not sample.path.name.startswith(TIGHT):
            continue
        picture = read_picture(sample.path)
        height, width = picture.shape[:2]
        for label in labels_of(sample):
            if label.label != "fire" or min(label.box.width * width, label.box.height * height) < LEAST_SIDE:
                continue
            dx, dy = ROOM * label.box.width, ROOM * label.box.height
            x1, y1 = max(0, int((label.box.x1 - dx) * width)), max(0, int((label.box.y1 - dy) * height))
            x2, y2 = int((label.box.x2 + dx) * width), int((label.box.y2 + dy) * height)
            flame = _cut(picture[y1:y2, x1:x2].astype(np.float32))
            found += [flame] if flame is not None else []
    return found


def _cut(piece: NDArray[np.float32]) -> Flame | None:
    red = piece[:, :, 2]
    border = np.concatenate([red[:3].ravel(), red[-3:].ravel(), red[:, :3].ravel(), red[:, -3:].ravel()])
    if np.percentile(border, 85) > DARK:
        return None
    brighter = np.clip((red - np.percentile(border, 90) - 10) / 60, 0, 1)
    warm = np.clip((red - piece[:, :, 0]) / 40 + 0.6, 0, 1)
    opacity = np.asarray(cv2.GaussianBlur(brighter * warm, (0, 0), 1), np.float32)
    rows, columns = np.nonzero(opacity > SOLID)
    if len(rows) < 0.03 * opacity.size:
        return None
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    return Flame(piece[top:bottom, left:right], opacity[top:bottom, left:right])


def lay_in(
    street: NDArray[np.uint8], flame: Flame, random: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """A copy of ``street`` with the flame somewhere in its lower two thirds, and the flame's box: x1, y1, x2, y2,
    normalised."""
    height, width = street.shape[:2]
    tall = float(np.exp(random.uniform(*np.log(SIZES)))) * height
    scale = min(tall / flame.opacity.shape[0], 0.5 * width / flame.opacity.shape[1])
    size = (max(4, round(flame.opacity.shape[1] * scale)), max(4, round(flame.opacity.shape[0] * scale)))
    pixels = cv2.resize(flame.pixels, size, interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(flame.opacity, size, interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:
        pixels, opacity = pixels[:, ::-1], opacity[:, ::-1]
    blur = float(random.uniform(0.3, 1.2))
    pixels = cv2.GaussianBlur(np.ascontiguousarray(pixels), (0, 0), blur)
    opacity = cv2.GaussianBlur(np.ascontiguousarray(opacity), (0, 0), blur)
    left = int(random.integers(0, max(1, width - size[0])))
    top = int(random.integers(int(0.3 * (height - size[1])), max(1, height - size[1]) + 1))
    lit = _lit(street, (left + size[0] / 2, top + size[1] / 2), 2.5 * max(size), float(random.uniform(0, 0.5)))
    part = lit[top : top + size[1], left : left + size[0]]
    alpha = opacity[: part.shape[0], : part.shape[1], None]
    part[:] = part * (1 - alpha) + pixels[: part.shape[0], : part.shape[1]] * alpha
    box = (left / width, top / height, (left + size[0]) / width, (top + size[1]) / height)
    return np.clip(lit, 0, 255).astype(np.uint8), box


def _lit(street: NDArray[np.uint8], centre: tuple[float, float], reach: float, strength: float) -> NDArray[np.float32]:
    """The street as the flame lights what is round it, warm and fading."""
    height, width = street.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    near = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * reach**2))[:, :, None] * strength
    return np.asarray(street * (1 + near * np.array([0.0, 0.35, 0.8], np.float32)), np.float32)
