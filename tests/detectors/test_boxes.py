"""From raw output to detections: thresholds by class, suppression within a class, the best ones first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.answers import AnswerUnusable
from detectors.boxes import IOU, MOST, PEOPLE_IOU, detections, suppressed
from detectors.letterbox import Placement
from detectors.observation import Box

CLASSES = ("person", "fire")
LIMITS = {"person": 0.5, "fire": 0.3}
WHOLE = Placement(100, 100, 0, 0)


def output(
    *boxes: tuple[float, float, float, float, float, float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(boxes, np.float32).reshape(-1, 6).T


def test_each_class_has_its_own_threshold() -> None:
    raw = output((20, 20, 10, 10, 0.4, 0.0), (60, 60, 10, 10, 0.0, 0.4))
    found = detections(raw, CLASSES, LIMITS, WHOLE)
    assert [(one.label, round(one.score, 2)) for one in found] == [("fire", 0.4)]
    assert found[0].box.x1 == pytest.approx(0.55)


def test_of_two_boxes_of_one_thing_the_better_one_is_kept() -> None:
    raw = output((50, 50, 20, 20, 0.6, 0), (51, 50, 20, 20, 0.9, 0))
    assert [round(one.score, 2) for one in detections(raw, CLASSES, LIMITS, WHOLE)] == [0.9]


def test_people_may_stand_closer_before_one_another_than_flames() -> None:
    """Two flames whose boxes lie half over one another are mostly one fire; two people are mostly two."""
    assert IOU < (20 * 14) / (20 * 26) < PEOPLE_IOU
    both = ((50, 50, 20, 20), (50, 56, 20, 20))
    raw = output(*((*box, score, score) for box, score in zip(both, (0.9, 0.6), strict=True)))
    found = [one.label for one in detections(raw, CLASSES, LIMITS, WHOLE)]
    assert (found.count("person"), found.count("fire")) == (2, 1)


def test_a_box_of_another_class_at_the_same_place_is_kept() -> None:
    raw = output((50, 50, 20, 20, 0.6, 0), (50, 50, 20, 20, 0, 0.9))
    assert {one.label for one in detections(raw, CLASSES, LIMITS, WHOLE)} == {"person", "fire"}


def test_one_box_with_two_classes_is_two_detections() -> None:
    assert len(detections(output((50, 50, 20, 20, 0.6, 0.6)), CLASSES, LIMITS, WHOLE)) == 2


def test_a_box_in_the_padding_alone_is_nothing() -> None:
    raw = output((50, 5, 20, 8, 0.9, 0))
    assert detections(raw, CLASSES, LIMITS, Placement(100, 50, 0, 25)) == ()


def test_no_box_above_its_threshold_is_nothing() -> None:
    assert detections(output((50, 50, 20, 20, 0.1, 0.1)), CLASSES, LIMITS, WHOLE) == ()
    assert detections(np.zeros((6, 0), np.float32), CLASSES, LIMITS, WHOLE) == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 7.0])
def test_scores_that_are_no_scores_are_an_error_and_not_nothing_seen(score: float) -> None:
    with pytest.raises(AnswerUnusable):
        detections(output((50, 50, 20, 20, score, 0.1)), CLASSES, LIMITS, WHOLE)


def test_an_answer_with_a_class_too_many_is_an_error() -> None:
    with pytest.raises(AnswerUnusable):
        detections(output((50, 50, 20, 20, 0.5, 0.1)), (*CLASSES, "cart"), {**LIMITS, "cart": 0.5}, WHOLE)


def test_a_picture_full_of_boxes_keeps_the_best_ones() -> None:
    raw = output(*((x + 0.5, y + 0.5, 1, 1, 0.5 + (x * 100 + y) / 20_001, 0) for x in range(100) for y in range(100)))
    found = detections(raw, CLASSES, LIMITS, WHOLE)
    assert len(found) == MOST
    assert min(one.score for one in found) > 0.97


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=60)
@given(st.lists(st.tuples(corners, st.integers(1, 9)), min_size=1, max_size=25), st.sampled_from((PEOPLE_IOU, IOU)))
def test_what_is_kept_does_not_overlap_and_what_falls_is_covered_by_something_better(
    boxes: list[tuple[tuple[int, int, int, int], int]], allowed: float
) -> None:
    sides = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in boxes], np.float32)
    scores = np.array([score / 10 for _, score in boxes], np.float32)
    kept = suppressed(sides, scores, allowed).tolist()
    assert [scores[one] for one in kept] == sorted((scores[one] for one in kept), reverse=True)

    def shared(first: int, second: int) -> float:
        one, other = (Box(*(float(side) for side in sides[number])) for number in (first, second))
        return one.iou(other)

    assert all(shared(a, b) <= allowed + 1e-6 for a in kept for b in kept if a != b)
    for fallen in set(range(len(boxes))) - set(kept):
        assert any(scores[one] >= scores[fallen] and shared(one, fallen) > allowed - 1e-6 for one in kept)


def test_of_equal_scores_the_first_is_kept_so_that_every_run_gives_the_same_list() -> None:
    sides = np.array([(5, 0, 15, 10), (4, 0, 14, 10), (40, 0, 50, 10)], np.float32)
    assert suppressed(sides, np.full(3, 0.5, np.float32), IOU).tolist() == [0, 2]
