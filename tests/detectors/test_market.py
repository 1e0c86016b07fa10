"""Where a market scene lies, from how likely it is at each place and how strongly it is spoken for there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.answers import AnswerUnusable
from detectors.letterbox import Placement
from detectors.market import CELL, stalls
from detectors.observation import Box

ROWS, COLUMNS = 6, 10
WHOLE = Placement(COLUMNS * CELL, ROWS * CELL, 0, 0)


def maps(*places: tuple[int, int, float], spoken_for: tuple[slice, slice] | None = None) -> NDArray[np.float32]:
    """Likely at these places (row, column), with an activation of ten there and of five where it is ``spoken_for``."""
    made = np.zeros((2, ROWS, COLUMNS), np.float32)
    if spoken_for is not None:
        made[1][spoken_for] = 5
    for row, column, likely in places:
        made[:, row, column] = likely, 10
    return made


def test_a_stall_reaches_as_far_as_a_market_is_spoken_for_and_is_as_sure_as_its_likeliest_place() -> None:
    (alone,) = stalls(maps((3, 4, 0.9)), 0.5, WHOLE)
    assert (alone.label, alone.score) == ("stall", pytest.approx(0.9, abs=0.12))
    (wide,) = stalls(maps((3, 4, 0.9), spoken_for=(slice(2, 5), slice(2, 8))), 0.5, WHOLE)
    assert wide.box.iou(Box(0.2, 2 / 6, 0.8, 5 / 6)) > 0.75
    assert wide.box.area > 3 * alone.box.area


def test_what_is_less_likely_than_asked_for_is_none() -> None:
    assert stalls(maps((3, 4, 0.49), spoken_for=(slice(0, 6), slice(0, 10))), 0.5, WHOLE) == ()


def test_two_stalls_apart_are_two_and_two_places_of_one_are_one() -> None:
    apart = stalls(maps((1, 1, 0.7), (4, 8, 0.9)), 0.5, WHOLE)
    assert [one.score for one in apart] == sorted((one.score for one in apart), reverse=True)
    assert len(apart) == 2
    assert len(stalls(maps((3, 2, 0.7), (3, 7, 0.9), spoken_for=(slice(2, 5), slice(1, 9))), 0.5, WHOLE)) == 1


def test_boxes_are_of_the_picture_and_what_lies_in_the_padding_alone_is_left_out() -> None:
    upper_half = Placement(COLUMNS * CELL, ROWS * CELL // 2, 0, 0)
    (one,) = stalls(maps((1, 4, 0.9)), 0.5, upper_half)
    assert one.box.y1 < 0.5 < one.box.y2
    assert one.box.height > 0.3
    assert stalls(maps((5, 4, 0.9)), 0.5, upper_half) == ()


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((3, ROWS, COLUMNS), np.float32),
        np.zeros((2, 0, COLUMNS), np.float32),
        np.zeros((2, ROWS), np.float32),
        np.full((2, ROWS, COLUMNS), np.nan, np.float32),
        np.full((2, ROWS, COLUMNS), 1.5, np.float32),
    ],
)
def test_what_is_no_answer_about_market_scenes_is_refused(answer: NDArray[np.float32]) -> None:
    """A comparison with NaN is false: it would pass for an empty street."""
    with pytest.raises(AnswerUnusable):
        stalls(answer, 0.5, WHOLE)
