"""Where in a picture a market scene lies: goods laid out to be bought, as one of ImageNet's classes knows them. Pure.

A network that was taught by ImageNet says for each part of a picture how likely that class (582, "grocery store,
grocery, food market, market") is among all thousand, and how strongly it speaks for it. Where the class is likely a
stall is, and it reaches as far as the class is spoken for: class activation mapping (Zhou et al. 2016), which takes a
share of the strongest activation, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.answers import check_numbers, check_scores, shape_differs
from detectors.letterbox import Placement
from detectors.observation import Detection

CELL = 32
"""Px of the input, a side, that one place of a map stands for."""
FINER = 8
"""By how much a map is made finer, so that boxes do not jump by whole places."""
EXTENT = 0.15
"""Share of the strongest activation from which a place belongs to it. On nine pictures of stalls that count in no
figure (boxes are drawn into them) a tenth and this place seven boxes well, a fifth to three tenths five."""
SAME = 0.5
"""Share of the smaller box in another from which both are the same stall."""
MOST = 20

Corners = tuple[int, int, int, int]


def stalls(maps: NDArray[np.float32], least: float, placement: Placement) -> tuple[Detection, ...]:
    """``maps`` is ``[2, h, w]``: how likely the class is, 0..1, and its activation. A stall wherever it is likely by
    ``least``, the likeliest first; boxes normalised to the picture. Raises ``AnswerUnusable``."""
    if maps.ndim != 3 or len(maps) != 2 or not maps.size:
        raise shape_differs(maps.shape, "market scenes")
    likely, activation = maps
    check_scores(likely)
    check_numbers(activation)
    if likely.max() < least:  # nearly always
        return ()
    regions = list(_regions(_finer(likely), _finer(activation), least))
    corners = np.array([corners for _, corners in regions], np.float32).reshape(-1, 4) * (CELL / FINER)
    found = [
        Detection("stall", score, box)
        for (score, _), box in zip(regions, placement.boxes(corners), strict=True)
        if box.area > 0
    ]
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(one.box.intersection(other.box) > SAME * min(one.box.area, other.box.area) for other in kept):
            kept.append(one)
    return tuple(kept[:MOST])


def _regions(
    likely: NDArray[np.float32], activation: NDArray[np.float32], least: float
) -> Iterator[tuple[float, Corners]]:
    """Of each place where it is likely the score, and the corners of as far as it reaches."""
    number, places = cv2.connectedComponents((likely >= least).astype(np.uint8))
    for place in range(1, number):
        within = np.where(places == place, likely, -1)
        y, x = np.unravel_index(int(within.argmax()), within.shape)
        reach = (activation >= EXTENT * activation[y, x]) | (places == place)
        _, parts = cv2.connectedComponents(reach.astype(np.uint8))
        left, top, width, height = cv2.boundingRect((parts == parts[y, x]).astype(np.uint8))
        yield min(1.0, float(within[y, x])), (left, top, left + width, top + height)


def _finer(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape
    size = (width * FINER, height * FINER)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
