"""What a place in the picture looks like, in a few numbers: enough to tell a rejected lantern from a flame beside it.

A histogram of hue and brightness over the box, in 256ths, written by hand because it must stay the same for as long as
a rejection lasts, across versions of everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.observation import Box

HUES, SHADES = 6, 4
GREY_BELOW = 50
"""Saturation (of 255) below which a pixel has no hue."""
LENGTH = HUES * SHADES + SHADES
ALIKE = 0.7
"""Least overlap of two appearances taken for the same thing. A first value, unjudged."""


def appearance(picture: NDArray[np.uint8], box: Box) -> tuple[int, ...]:
    """``LENGTH`` numbers that add up to about 256; empty where the box holds no pixel of the picture (BGR H×W×3)."""
    height, width = picture.shape[:2]
    part = picture[
        int(box.y1 * height) : max(int(box.y1 * height) + 1, int(box.y2 * height)),
        int(box.x1 * width) : max(int(box.x1 * width) + 1, int(box.x2 * width)),
    ]
    if not part.size:
        return ()
    hue, saturation, value = cv2.split(cv2.cvtColor(part, cv2.COLOR_BGR2HSV))
    shade = value.astype(np.int32) * SHADES // 256
    # Red lies at both ends of the hue circle: it is turned by half a bin.
    coloured = ((hue.astype(np.int32) + 90 // HUES) % 180) * HUES // 180 * SHADES + shade
    bins = np.where(saturation < GREY_BELOW, HUES * SHADES + shade, coloured)
    counts = np.bincount(bins.ravel(), minlength=LENGTH)
    return tuple(round(256 * count / bins.size) for count in counts)


def alike(one: Sequence[int], other: Sequence[int]) -> float:
    """Overlap of two appearances, 0..1; unknown ones overlap with nothing."""
    if len(one) != LENGTH or len(other) != LENGTH:
        return 0.0
    return sum(min(a, b) for a, b in zip(one, other, strict=True)) / 256
