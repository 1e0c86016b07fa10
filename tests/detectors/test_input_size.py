"""Pictures of all proportions get an input that fits them, and none a larger one than the weights were judged at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.input_size import input_for

USUAL, STRIDE = (384, 640), 32


def scale(height: int, width: int, size: tuple[int, int]) -> float:
    return min(size[0] / height, size[1] / width)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(1080, 1920, (384, 640)), (1920, 1080, (640, 384)), (960, 1280, (416, 576)), (600, 600, (480, 480))],
)
def test_the_input_has_the_proportions_of_the_camera(height: int, width: int, expected: tuple[int, int]) -> None:
    assert input_for(height, width, USUAL, STRIDE) == expected


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_no_input_costs_more_than_the_usual_one_or_shows_the_picture_smaller(height: int, width: int) -> None:
    size = input_for(height, width, USUAL, STRIDE)
    assert size[0] % STRIDE == size[1] % STRIDE == 0
    assert size[0] * size[1] <= USUAL[0] * USUAL[1]
    assert scale(height, width, size) >= scale(height, width, USUAL) * 0.999
