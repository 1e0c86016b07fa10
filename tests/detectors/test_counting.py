"""People counted in tiles: everybody once, however the tiles cut them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.card import Counting
from detectors.counting import people, tiles
from detectors.observation import Box, Detection

COUNTING = Counting(3, 2, 0.2, 4, 0.4)


def seen_in(tile: Box, crowd: list[Box]) -> list[Detection]:
    """What a detector sees of a crowd in a tile: each person as far as the tile shows it, at least a third of it."""
    found = []
    for box in crowd:
        shown = Box(max(box.x1, tile.x1), max(box.y1, tile.y1), min(box.x2, tile.x2), min(box.y2, tile.y2))
        if shown.width > 0 and shown.height > 0 and shown.area > box.area / 3:
            found.append(
                Detection(
                    "person",
                    0.5 + 0.4 * shown.area / box.area,
                    Box(
                        *((shown.x1 - tile.x1) / tile.width, (shown.y1 - tile.y1) / tile.height),
                        *((shown.x2 - tile.x1) / tile.width, (shown.y2 - tile.y1) / tile.height),
                    ),
                )
            )
    return found


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0, 0.5))
def test_the_tiles_cover_the_picture_and_no_more(columns: int, rows: int, overlap: float) -> None:
    found = tiles(Counting(columns, rows, overlap, 0, 0.5))
    assert len(found) == columns * rows
    assert min(one.x1 for one in found) == 0
    assert max(one.y2 for one in found) == 1
    for x in (0.0, 0.21, 0.5, 0.77, 1.0):
        assert any(one.x1 <= x <= one.x2 and one.y1 <= x <= one.y2 for one in found)


def test_everybody_is_counted_once_though_tiles_overlap_and_cut_people() -> None:
    crowd = [Box(0.02 + 0.08 * n, 0.1 + 0.2 * m, 0.04 + 0.08 * n, 0.2 + 0.2 * m) for n in range(12) for m in range(4)]
    looked = [(tile, seen_in(tile, crowd)) for tile in tiles(COUNTING)]
    assert sum(len(found) for _, found in looked) > len(crowd)
    assert len(people([], looked, COUNTING)) == len(crowd)


def test_who_is_seen_in_the_whole_picture_and_in_a_tile_is_one_person() -> None:
    box = Box(0.1, 0.1, 0.14, 0.3)
    looked = [(tile, seen_in(tile, [box])) for tile in tiles(COUNTING)]
    (one,) = people([Detection("person", 0.6, box)], looked, COUNTING)
    assert one.score == pytest.approx(0.9)


def one_by_one(everybody: list[Box]) -> list[Box]:
    """The slow way: each, the best first, against all that are kept."""
    kept: list[Box] = []
    for one in everybody:
        if not any(one.iou(other) >= 0.5 or half(one, other) for other in kept):
            kept.append(one)
    return kept


def half(one: Box, other: Box) -> bool:
    both, (smaller, larger) = one.intersection(other), sorted((one.area, other.area))
    return both > 0 and both >= 0.8 * smaller and smaller >= 0.3 * larger


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 1, 90, 300)), st.floats(0.02, 0.4))
def test_boxes_compared_by_blocks_are_counted_as_one_by_one(seed: int, number: int, large: float) -> None:
    random = np.random.default_rng(seed)
    sides = random.uniform(0.3 * large, large, (number, 2))
    corners = random.uniform(0, 1 - sides)
    boxes = [Box(*map(float, (*at, *(at + side)))) for at, side in zip(corners, sides, strict=True)]
    seen = [Detection("person", 0.9 - 0.001 * at, box) for at, box in enumerate(boxes)]
    assert [one.box for one in people(seen, [], COUNTING)] == one_by_one(boxes)


def test_a_full_square_is_counted_in_a_moment() -> None:
    """Looks of fifty cameras wait for the loop meanwhile: 2100 boxes once took a second and a half."""
    random = np.random.default_rng(7)

    def seen(high: float) -> list[Detection]:
        found = random.uniform(0, 1 - high, (300, 2)).tolist()
        return [Detection("person", 0.5, Box(x, y, x + 0.4 * high, y + high)) for x, y in found]

    looked = [(tile, seen(0.1)) for tile in tiles(COUNTING)]
    begun = time.thread_time()
    assert len(people(seen(0.05), looked, COUNTING)) > 1000
    assert time.thread_time() - begun < 0.4


def test_faint_boxes_and_other_things_in_a_tile_do_not_count() -> None:
    tile = Box(0, 0, 0.5, 0.5)
    found = [Detection("person", 0.39, Box(0.1, 0.1, 0.2, 0.4)), Detection("fire", 0.9, Box(0.5, 0.5, 0.6, 0.6))]
    assert people([], [(tile, found)], COUNTING) == ()
