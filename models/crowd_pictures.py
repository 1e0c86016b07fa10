"""Pictures of crowds with a point for each head, and crops of them to learn from: of all sizes, as cameras show them.

A hundred pictures are few: the same crowd is shown at other sizes, mirrored, softer or sharper, brighter or duller,
without colour and compressed, so that the counter learns people and not these streets, nor one camera's focus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.sample_data import Split, read_samples
from models.sample_files import heads_px, read_picture

LONGEST_SIDE = 1024
"""Pictures come in with their longer side at this many px: ShanghaiTech B's own size."""
STRIDE = 8
"""Pixels of the input for one cell of the density map, each way."""
CROP = (384, 512)
"""Height and width in px."""
SIZES = (0.5, 1.4)
"""How much smaller or larger than at LONGEST_SIDE a crop shows people."""
SPREAD = 0.8
"""Standard deviation, in cells, of what one head spreads over its neighbours."""
WEIGHTS = {"shtB": 1.0, "ind": 0.8, "shtA": 0.6}
"""How often a picture is drawn, by the beginning of its name: web photos of hundreds of people are no camera's view."""


@dataclass(frozen=True, slots=True)
class CrowdPicture:
    """``picture`` BGR H×W×3; ``places`` N×2, x and y of each head, normalised."""

    name: str
    picture: NDArray[np.uint8]
    places: NDArray[np.float64]
    licence: str = "unknown"

    @property
    def source(self) -> str:
        """The beginning of the name."""
        return self.name.partition("_")[0]


def crowd_pictures(folder: Path, split: Split) -> list[CrowdPicture]:
    """Every picture of the split with points. Raises ``DataRefused``; ``FileNotFoundError`` where points
    are missing."""
    made = []
    for sample in read_samples(folder):
        if sample.folder == "crowd" and sample.split == split:
            picture = read_picture(sample.path)
            height, width = picture.shape[:2]
            places = heads_px(sample) / (width, height)
            made.append(CrowdPicture(sample.path.stem, picture, places, sample.licence))
    return made


def drawn(
    pictures: Sequence[CrowdPicture], number: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``number`` crops of pictures drawn by their WEIGHTS: ``[n, 3, h, w]`` RGB 0..1 and their ``[n, h/8, w/8]``
    people in each cell."""
    weights = np.array([WEIGHTS.get(one.source, 1.0) for one in pictures])
    chosen = random.choice(len(pictures), number, p=weights / weights.sum())
    crops = [crop(pictures[int(one)], random) for one in chosen]
    return np.stack([one[0] for one in crops]), np.stack([one[1] for one in crops])


def crop(picture: CrowdPicture, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A piece at a drawn place and size, ``[3, h, w]`` RGB 0..1, and ``[h/8, w/8]`` people in each cell; black where
    the picture ends."""
    height, width = picture.picture.shape[:2]
    scale = LONGEST_SIDE / max(height, width) * float(np.exp(random.uniform(*np.log(SIZES))))
    rows, columns = min(height, round(CROP[0] / scale)), min(width, round(CROP[1] / scale))
    top, left = int(random.integers(height - rows + 1)), int(random.integers(width - columns + 1))
    size = (min(CROP[1], round(columns * scale)), min(CROP[0], round(rows * scale)))
    piece = picture.picture[top : top + rows, left : left + columns]
    piece = np.asarray(cv2.resize(piece, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
    # As far as the picture's own border, people are those inside; a cell is placed where its pixels went.
    places = (picture.places * (width, height) - (left, top)) * (size[0] / columns, size[1] / rows) / STRIDE
    density = cells(places, (CROP[0] // STRIDE, CROP[1] // STRIDE), (size[0] / STRIDE, size[1] / STRIDE))
    shown = np.zeros((*CROP, 3), np.uint8)
    shown[: size[1], : size[0]] = disturbed(piece, random)
    if random.random() < 0.5:
        shown, density = shown[:, ::-1], density[:, ::-1]
    return np.ascontiguousarray(shown[:, :, ::-1].transpose(2, 0, 1), np.float32) / np.float32(255), density


def cells(places: NDArray[np.float64], shape: tuple[int, int], within: tuple[float, float]) -> NDArray[np.float32]:
    """``shape`` rows × columns: people in each cell. ``places`` N×2, x and y in cells; those count that lie inside
    ``within`` (width, height in cells)."""
    counted = np.zeros(shape, np.float32)
    inside = places[((places >= 0) & (places < within)).all(axis=1)].astype(np.int64)
    np.add.at(counted, (inside[:, 1], inside[:, 0]), 1)
    # The sum stays, as at the border the rest is mirrored in.
    return np.asarray(cv2.GaussianBlur(counted, (0, 0), SPREAD, borderType=cv2.BORDER_REFLECT), np.float32)


def disturbed(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """As another camera, or another hour of the day, would show it."""
    gamma, gain, offset = np.exp(random.uniform(-0.4, 0.4)), random.uniform(0.8, 1.15), random.uniform(-13, 13)
    levels = 255 * (np.arange(256) / 255) ** gamma * gain + offset
    shown = np.asarray(cv2.LUT(picture, np.clip(levels, 0, 255).astype(np.uint8)), np.uint8)
    if random.random() < 0.2:
        shown = np.asarray(cv2.cvtColor(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    shown = focused_anew(shown, random)
    if random.random() < 0.3:
        coded = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 70))])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return shown


def focused_anew(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """At times softer, sharper or grainier."""
    shown: NDArray[Any] = picture
    focus = random.random()
    if focus < 0.3:
        shown = cv2.GaussianBlur(shown, (0, 0), float(random.uniform(0.4, 1.4)))
    elif focus < 0.45:
        edges = float(random.uniform(0.2, 0.8))
        shown = cv2.addWeighted(shown, 1 + edges, cv2.GaussianBlur(shown, (0, 0), 1.5), -edges, 0)
    if random.random() < 0.15:
        grain = random.normal(0, random.uniform(2, 8), shown.shape)
        shown = np.clip(shown + grain, 0, 255)
    return np.asarray(shown, np.uint8)
