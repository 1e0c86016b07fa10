"""A picture laid into the network's input and boxes brought back: nothing is stretched, nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.letterbox import PADDING, letterbox


def picture(height: int, width: int, grey: int = 200) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((height, width, 3), grey, np.uint8)


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1280, 720), (64, 64), (1, 500), (500, 1), (31, 17)])
def test_any_picture_fills_the_input_whole(height: int, width: int) -> None:
    tensor, placement = letterbox(picture(height, width), (384, 640))
    assert tensor.shape == (1, 3, 384, 640)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert placement.width <= 640
    assert placement.height <= 384
    assert placement.width == 640 or placement.height == 384


def test_blue_green_red_becomes_red_green_blue_between_0_and_1() -> None:
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[:, :, 0] = 255
    tensor, _ = letterbox(blue, (32, 32))
    assert tensor[0, 2].min() == pytest.approx(1)
    assert tensor[0, :2].max() == 0


def test_what_is_left_over_is_grey_on_both_sides() -> None:
    tensor, placement = letterbox(picture(32, 64), (64, 64))
    assert (placement.left, placement.top, placement.height) == (0, 16, 32)
    assert tensor[0, :, :16].max() == pytest.approx(PADDING / 255)
    assert tensor[0, :, 48:].max() == pytest.approx(PADDING / 255)
    assert tensor[0, :, 16:48].min() == pytest.approx(200 / 255)


def test_a_picture_that_is_no_contiguous_block_is_read_as_it_looks() -> None:
    wide = picture(64, 128)
    wide[:, ::2] = 10
    tensor, _ = letterbox(wide[:, ::2], (64, 64))
    assert tensor.max() == pytest.approx(10 / 255)


def test_a_picture_much_larger_than_the_input_is_averaged_and_not_picked_from() -> None:
    stripes = picture(512, 512, 0)
    stripes[:, ::4] = 200
    tensor, _ = letterbox(stripes, (64, 64))
    assert tensor.min() == pytest.approx(tensor.max())
    assert tensor.max() == pytest.approx(50 / 255)


@given(
    height=st.integers(8, 1200),
    width=st.integers(8, 2000),
    x=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    y=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_box_goes_there_and_back(height: int, width: int, x: tuple[float, float], y: tuple[float, float]) -> None:
    _, placement = letterbox(picture(height, width), (384, 640))
    there = [placement.left + side * placement.width for side in sorted(x)]
    down = [placement.top + side * placement.height for side in sorted(y)]
    box = placement.boxes(np.array([[there[0], down[0], there[1], down[1]]], np.float32))[0]
    assert (box.x1, box.x2) == pytest.approx(tuple(sorted(x)), abs=1e-6)
    assert (box.y1, box.y2) == pytest.approx(tuple(sorted(y)), abs=1e-6)


def test_a_box_that_reaches_into_the_padding_is_cut_to_the_picture() -> None:
    _, placement = letterbox(picture(32, 64), (64, 64))
    box = placement.boxes(np.array([[-5, 0, 70, 64]], np.float32))[0]
    assert (box.x1, box.y1, box.x2, box.y2) == (0, 0, 1, 1)
