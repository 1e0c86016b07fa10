"""Where each picture stands in a composed one. Pure; in pixels of a canvas whose sides are even."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    """Upper left corner and size; all even, since chroma has half the resolution."""

    x: int
    y: int
    width: int
    height: int


SPEAKER_SIDE = 4
"""Small pictures beside the speaker's."""


def tiles(layout: str, pictures: int, width: int, height: int) -> tuple[Tile, ...]:
    """Places for at most ``pictures`` pictures in a ``layout`` of ``consultation.LAYOUTS``, in order.

    A grid is no larger than its pictures need: nine places for two people would waste the picture.
    """
    if pictures <= 0:
        return ()
    if layout == "speaker":
        return _speaker(pictures, width, height)
    if layout == "2" and pictures >= 2:
        half = _even(width // 2)
        return tuple(Tile(at * half, height // 4 // 2 * 2, half, _even(height // 2)) for at in range(2))
    side = min(math.isqrt(int(layout)), math.ceil(math.sqrt(pictures)))
    side = max(1, side)
    across, down = _even(width // side), _even(height // side)
    places = [Tile(column * across, row * down, across, down) for row in range(side) for column in range(side)]
    return tuple(places[: min(pictures, side * side)])


def _speaker(pictures: int, width: int, height: int) -> tuple[Tile, ...]:
    if pictures == 1:
        return (Tile(0, 0, width, height),)
    across, down = _even(width // SPEAKER_SIDE), _even(height // SPEAKER_SIDE)
    large = Tile(0, (height - _even(height * 3 // 4)) // 2 // 2 * 2, width - across, _even(height * 3 // 4))
    small = [Tile(width - across, row * down, across, down) for row in range(SPEAKER_SIDE)]
    return (large, *small[: pictures - 1])


def most(layout: str) -> int:
    """Pictures that a layout shows at the most."""
    return SPEAKER_SIDE + 1 if layout == "speaker" else int(layout)


def fitted(tile: Tile, width: int, height: int) -> Tile:
    """The largest place inside ``tile`` that keeps a picture's proportions."""
    scale = min(tile.width / width, tile.height / height)
    across, down = max(2, _even(int(width * scale))), max(2, _even(int(height * scale)))
    x = tile.x + (tile.width - across) // 2 // 2 * 2
    y = tile.y + (tile.height - down) // 2 // 2 * 2
    return Tile(x, y, across, down)


def _even(size: int) -> int:
    return size // 2 * 2
