"""The second look: where it is taken, and what it says of a candidate."""

from __future__ import annotations

import pytest

from detectors.closer import Crop, crops, placed, still_seen, with_second_look
from detectors.observation import Box, Detection

SMALL = Box(0.4, 0.4, 0.44, 0.46)


def fire(box: Box = SMALL, score: float = 0.5, label: str = "fire") -> Detection:
    return Detection(label, score, box)


def test_a_crop_shows_the_candidate_with_its_surroundings() -> None:
    (crop,) = crops([fire()])
    assert crop.intersection(SMALL) == pytest.approx(SMALL.area)
    assert crop.width == pytest.approx(0.15)
    assert 0 <= crop.x1 < crop.x2 <= 1


def test_people_are_not_looked_at_closer_nor_is_what_fills_the_picture() -> None:
    assert crops([fire(label="person"), fire(Box(0, 0, 1, 1))]) == ()


def test_of_many_candidates_the_best_are_looked_at_and_neighbours_share_a_crop() -> None:
    beside = Box(0.41, 0.41, 0.45, 0.47)
    assert len(crops([fire(), fire(beside)])) == 1
    assert len(crops([fire(Box(0.1 * n, 0.1, 0.1 * n + 0.02, 0.12)) for n in range(1, 10)])) == 2


def test_what_the_crop_shows_at_the_same_place_confirms_the_candidate_and_smoke_speaks_for_fire() -> None:
    (crop,) = crops([fire()])
    inside = Box(
        *((SMALL.x1 - crop.x1) / crop.width, (SMALL.y1 - crop.y1) / crop.height),
        *((SMALL.x2 - crop.x1) / crop.width, (SMALL.y2 - crop.y1) / crop.height),
    )
    assert placed(inside, crop).iou(SMALL) == pytest.approx(1)
    (seen,) = with_second_look([fire()], [Crop(crop, [fire(inside, 0.7, "smoke")])])
    assert seen.closer == 0.7


def test_what_the_crop_does_not_show_is_refuted_and_what_has_no_crop_is_left_open() -> None:
    (crop,) = crops([fire()])
    elsewhere = fire(Box(0.8, 0.8, 0.82, 0.82))
    refuted, unseen = with_second_look([fire(), elsewhere], [Crop(crop, [])])
    assert refuted.closer == 0.0
    assert unseen.closer is None


def test_what_crop_and_picture_both_doubt_falls_below_its_threshold_and_what_one_of_them_believes_stays() -> None:
    (crop,) = crops([fire()])
    thresholds = {"fire": 0.3}

    def left(of_crop: float, of_whole: float, score: float = 0.5) -> list[float]:
        looked = with_second_look([fire(score=score)], [Crop(crop, [], {"fire": of_crop})], {"fire": of_whole})
        return [round(one.score, 2) for one in still_seen(looked, thresholds)]

    assert left(0.02, 0.1) == []
    assert left(0.98, 0.02) == [0.38]
    assert left(0.98, 0.9) == [0.5]
    assert left(0.0, 0.0, score=0.95) == [0.49]


def test_without_a_judge_no_score_changes_and_nothing_is_lost() -> None:
    (seen,) = still_seen(with_second_look([fire(score=0.1)], []), {"fire": 0.3})
    assert seen == fire(score=0.1)


def test_what_has_no_crop_is_judged_by_the_picture_alone_and_people_by_nobody() -> None:
    large, person = fire(Box(0, 0, 1, 1)), fire(label="person")
    judged = with_second_look([large, person], [], {"fire": 0.1, "smoke": 0.1})
    assert (judged[0].judged, judged[0].closer) == (pytest.approx(0.1), None)
    assert judged[1] == person
