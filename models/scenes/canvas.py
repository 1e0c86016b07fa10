"""Drawing on a BGR picture: polygons, glows and soft blends that all pieces share."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
XY = tuple[float, float]

_SHIFT = 4
"""Fraction bits of OpenCV's drawing calls: sixteenths of a pixel, so that motion is smooth."""


def fixed(points: Sequence[XY]) -> NDArray[np.int32]:
    """Points (px) in OpenCV's fixed-point form."""
    return np.round(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def polygon(picture: Picture, points: Sequence[XY], colour: Colour) -> None:
    cv2.fillPoly(picture, [fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def line(picture: Picture, start: XY, end: XY, colour: Colour, width: float) -> None:
    ends = fixed([start, end])
    cv2.line(
        picture,
        (int(ends[0, 0, 0]), int(ends[0, 0, 1])),
        (int(ends[1, 0, 0]), int(ends[1, 0, 1])),
        colour,
        max(1, round(width)),
        cv2.LINE_AA,
        _SHIFT,
    )


def ellipse(picture: Picture, centre: XY, radii: XY, colour: Colour, *, start: float = 0, end: float = 360) -> None:
    middle = fixed([centre])[0, 0]
    axes = fixed([radii])[0, 0]
    cv2.ellipse(
        picture,
        (int(middle[0]), int(middle[1])),
        (max(1, int(axes[0])), max(1, int(axes[1]))),
        0,
        start,
        end,
        colour,
        -1,
        cv2.LINE_AA,
        _SHIFT,
    )


def blend(picture: Picture, left: int, top: int, patch: NDArray[np.float32], alpha: NDArray[np.float32]) -> None:
    """Lay ``patch`` (H×W×3, 0..255) over the picture at (left, top) with ``alpha`` (H×W, 0..1), cut to the picture."""
    height, width = alpha.shape
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(picture.shape[1], left + width), min(picture.shape[0], top + height)
    if x1 >= x2 or y1 >= y2:
        return
    part = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
    under = picture[y1:y2, x1:x2].astype(np.float32)
    share = alpha[part][:, :, None]
    picture[y1:y2, x1:x2] = np.clip(under * (1 - share) + patch[part] * share, 0, 255).astype(np.uint8)


def glow(picture: Picture, centre: XY, radius: float, colour: Colour, strength: float) -> None:
    """Add light that falls off with distance, as a fire throws on its surroundings."""
    reach = int(radius)
    if reach < 2:
        return
    ys, xs = np.mgrid[-reach:reach, -reach:reach].astype(np.float32)
    fall = np.clip(1 - np.sqrt(xs * xs + ys * ys) / reach, 0, 1) ** 2 * strength
    left, top = int(centre[0]) - reach, int(centre[1]) - reach
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(picture.shape[1], left + 2 * reach), min(picture.shape[0], top + 2 * reach)
    if x1 >= x2 or y1 >= y2:
        return
    light = fall[y1 - top : y2 - top, x1 - left : x2 - left, None] * np.asarray(colour, np.float32)
    picture[y1:y2, x1:x2] = np.clip(picture[y1:y2, x1:x2].astype(np.float32) + light, 0, 255).astype(np.uint8)


def soft_noise(random: np.random.Generator, height: int, width: int, cell: int) -> NDArray[np.float32]:
    """Smooth noise 0..1 with features of about ``cell`` pixels."""
    coarse = random.random((max(2, height // cell + 2), max(2, width // cell + 2)), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)
