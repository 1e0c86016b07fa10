"""Which input a picture of some shape is laid into: as many pixels as the weights were judged at, little of it padding.

A network that takes any size is given a rectangle by the camera's own proportions: a 4:3 picture in a 16:9 input
wastes a quarter of the work on grey.
"""

from __future__ import annotations

from functools import lru_cache

MOST_ELONGATED = 4.0
"""Longer pictures (a strip, a doctored stream) come out no larger than in an input of these proportions."""


@lru_cache(maxsize=256)
def input_for(height: int, width: int, usual: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width (px, multiples of ``stride``) for a picture of ``height`` × ``width`` px.

    Of all inputs with no more pixels than ``usual`` the one in which the picture comes out largest, then the smallest.
    """
    budget = usual[0] * usual[1]
    best, best_rank = usual, _rank(height, width, usual)
    for to_width in range(stride, budget // stride + 1, stride):
        to_height = budget // to_width // stride * stride
        if to_height < stride or not 1 / MOST_ELONGATED <= to_width / to_height <= MOST_ELONGATED:
            continue
        # Rows and columns that would be padding alone are left out.
        scale = min(to_height / height, to_width / width)
        size = (_up(height * scale, stride), _up(width * scale, stride))
        rank = _rank(height, width, size)
        if rank > best_rank:
            best, best_rank = size, rank
    return best


def _rank(height: int, width: int, size: tuple[int, int]) -> tuple[float, int]:
    scale = min(size[0] / height, size[1] / width)
    return round(scale, 6), -size[0] * size[1]


def _up(side: float, stride: int) -> int:
    return max(stride, -(-round(side) // stride) * stride)
