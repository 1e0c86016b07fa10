"""People counted where they are many and small: tiles of the picture at its full size, their boxes put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detectors.card import Counting
from detectors.closer import placed
from detectors.observation import Box, Detection

SAME = 0.5
"""Overlap (IoU), and share of the smaller box, from which two boxes of two tiles are one person."""
EDGE = 0.004
"""Share of the picture within which a box touches its tile's edge: it may be half a person."""


def tiles(counting: Counting) -> tuple[Box, ...]:
    """The tiles, row by row, each reaching into its neighbours; together they are the picture."""
    found = []
    for row in range(counting.rows):
        for column in range(counting.columns):
            x1, x2 = _side(column, counting.columns, counting.overlap)
            y1, y2 = _side(row, counting.rows, counting.overlap)
            found.append(Box(x1, y1, x2, y2))
    return tuple(found)


def people(
    whole: Sequence[Detection], looked: Sequence[tuple[Box, Sequence[Detection]]], counting: Counting
) -> tuple[Detection, ...]:
    """Everybody seen in the whole picture or in a tile, once. Others than persons in the tiles are left out."""
    everybody = [(one, False) for one in whole if one.label == "person"]
    for tile, found in looked:
        for one in found:
            if one.label == "person" and one.score >= counting.threshold:
                box = placed(one.box, tile)
                everybody.append((replace(one, box=box), _cut(box, tile)))
    # Whole ones first, by score: what a tile's edge cut off falls beside the same person seen whole.
    everybody.sort(key=lambda pair: (pair[1], -pair[0].score))
    kept: list[Detection] = []
    for one, _ in everybody:
        if not any(_same(one.box, other.box) for other in kept):
            kept.append(one)
    return tuple(kept)


def _same(one: Box, other: Box) -> bool:
    both = one.intersection(other)
    if both <= 0:
        return False
    smaller, larger = sorted((one.area, other.area))
    # A child before a grown-up is no cut-off half: it must fill a good part of the other's area to be one.
    return one.iou(other) >= SAME or (both >= 0.8 * smaller and smaller >= 0.3 * larger)


def _cut(box: Box, tile: Box) -> bool:
    """Whether a box ends at an edge of its tile that is none of the picture's."""
    return (
        (tile.x1 > 0 and box.x1 - tile.x1 < EDGE)
        or (tile.y1 > 0 and box.y1 - tile.y1 < EDGE)
        or (tile.x2 < 1 and tile.x2 - box.x2 < EDGE)
        or (tile.y2 < 1 and tile.y2 - box.y2 < EDGE)
    )


def _side(number: int, parts: int, overlap: float) -> tuple[float, float]:
    length = 1 / (parts - (parts - 1) * overlap)
    start = number * length * (1 - overlap)
    return start, 1.0 if number == parts - 1 else start + length
