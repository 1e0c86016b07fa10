"""Pictures stand where they do not hide each other, whatever their number."""

from __future__ import annotations

import pytest

from gateway.rooms.consultation import LAYOUTS
from gateway.rooms.layouts import Tile, fitted, most, tiles


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pictures", [1, 2, 3, 5, 9, 16, 40])
def test_tiles_lie_inside_the_canvas_are_even_and_never_overlap(layout: str, pictures: int) -> None:
    places = tiles(layout, pictures, 1280, 720)
    assert len(places) == min(pictures, most(layout))
    taken: set[tuple[int, int]] = set()
    for tile in places:
        assert not any(side % 2 for side in (tile.x, tile.y, tile.width, tile.height))
        assert 0 <= tile.x <= tile.x + tile.width <= 1280
        assert 0 <= tile.y <= tile.y + tile.height <= 720
        cells = {
            (x, y) for x in range(tile.x, tile.x + tile.width, 20) for y in range(tile.y, tile.y + tile.height, 20)
        }
        assert not cells & taken
        taken |= cells


def test_nobody_is_no_tile_and_a_picture_keeps_its_proportions() -> None:
    assert tiles("9", 0, 1280, 720) == ()
    assert fitted(Tile(0, 0, 640, 360), 480, 480) == Tile(140, 0, 360, 360)
    assert fitted(Tile(100, 100, 320, 180), 1920, 1080) == Tile(100, 100, 320, 180)
