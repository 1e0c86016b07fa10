"""How much a place in the picture changes from one look to the next: flames stir, lamps and posters do not.

Looks are half a second and more apart, so no flicker frequency can be read off them; but two pictures of a flame taken
at any distance differ, and two of a lamp do not. Pictures are compared by their brightness, small and with the change
of the whole picture taken off: a camera that adapts to the light, or shakes, is no fire.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.observation import Box

LONGEST_SIDE = 320
LEAST_SIDE = 3
"""Pixels; a smaller box is widened to this, or it would be noise alone."""

Luma = NDArray[np.uint8]


def luma(picture: NDArray[np.uint8]) -> Luma:
    """Brightness of a picture (BGR H×W×3), at most ``LONGEST_SIDE`` px long, a little blurred against noise."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return np.asarray(cv2.blur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (3, 3)), np.uint8)


def change(before: Luma | None, now: Luma) -> NDArray[np.uint8] | None:
    """Difference of each pixel, less what the whole picture changed by (its median); None where they do not compare."""
    if before is None or before.shape != now.shape:
        return None
    difference = np.asarray(cv2.absdiff(before, now), np.uint8)
    return np.asarray(cv2.subtract(difference, np.full_like(difference, int(np.median(difference)))), np.uint8)


def stir(changed: NDArray[np.uint8], box: Box) -> float:
    """Mean change within a box, 0..1 of the whole range of brightness."""
    height, width = changed.shape
    x1, x2 = _span(box.x1, box.x2, width)
    y1, y2 = _span(box.y1, box.y2, height)
    return float(changed[y1:y2, x1:x2].mean()) / 255


def _span(start: float, end: float, side: int) -> tuple[int, int]:
    low, high = int(start * side), int(np.ceil(end * side))
    missing = max(0, LEAST_SIDE - (high - low))
    low = max(0, min(low - missing // 2, side - LEAST_SIDE))
    return low, max(low + 1, min(side, max(high, low + LEAST_SIDE)))
