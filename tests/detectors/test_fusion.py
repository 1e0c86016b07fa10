"""Several looks at one picture as one answer: means of place and score, by hand."""

from __future__ import annotations

import pytest

from detectors.fusion import fused
from detectors.observation import Box, Detection


def fire(score: float, x1: float, x2: float) -> Detection:
    return Detection("fire", score, Box(x1, 0.2, x2, 0.4))


def test_a_flame_that_both_looks_show_lies_where_the_surer_one_says_more() -> None:
    (found,) = fused(([fire(0.6, 0.10, 0.30)], [fire(0.2, 0.14, 0.34)]))
    assert found.score == pytest.approx(0.4)
    assert (found.box.x1, found.box.x2, found.box.y1) == pytest.approx((0.11, 0.31, 0.2))


def test_what_one_look_alone_shows_counts_half() -> None:
    first, second = fused(([fire(0.8, 0.1, 0.3)], [fire(0.5, 0.6, 0.9)]))
    assert (first.score, second.score) == pytest.approx((0.4, 0.25))
    assert (first.box, second.box) == (Box(0.1, 0.2, 0.3, 0.4), Box(0.6, 0.2, 0.9, 0.4))


def test_fire_and_smoke_at_one_place_are_two_things() -> None:
    smoke = Detection("smoke", 0.7, Box(0.1, 0.2, 0.3, 0.4))
    assert {one.label for one in fused(([fire(0.8, 0.1, 0.3)], [smoke]))} == {"fire", "smoke"}


def test_two_boxes_of_one_look_on_a_box_of_the_other_make_no_score_above_theirs() -> None:
    one = [fire(0.9, 0.10, 0.30), fire(0.9, 0.12, 0.32)]
    (found,) = fused((one, [fire(0.9, 0.11, 0.31)]))
    assert found.score == pytest.approx(0.9)


def test_nothing_seen_is_nothing() -> None:
    assert fused(((), ())) == ()
