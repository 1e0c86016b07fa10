"""What may be fire is looked at once more, mirrored and smaller; what is quiet costs one look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import augmented
from detectors.answers import AnswerUnusable
from detectors.card_facts import card_of
from detectors.engine import EngineName, open_detector
from detectors.networks import WHOLE, crop_part, open_networks
from detectors.observation import Box, Detection

MakeWeights = Callable[..., Path]
Picture = NDArray[np.uint8]
AGAIN = {"input_size": [32, 32], "from_score": 0.1}
LEFT, RIGHT = Box(0.0, 0.2, 0.25, 0.4), Box(0.75, 0.2, 1.0, 0.4)
PICTURE = np.zeros((40, 60, 3), np.uint8)


class Told:
    """A detector that answers as told, and remembers what it was asked."""

    precision = "fp32"
    at_once = 1

    def __init__(self, *answers: Sequence[Detection] | AnswerUnusable, again: dict[str, Any] | None = AGAIN) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[Picture, float, tuple[int, int] | None]] = []
        classes = ("person", "fire", "smoke")
        self.card = card_of(
            {
                "name": "told", "sha256": "ab" * 32, "classes": classes, "input_size": [64, 64], "stride": 32,
                "thresholds": dict.fromkeys(classes, 0.4), "precision": "fp32", "licence": "", "augmented": again,
            }
        )  # fmt: skip

    def detect(
        self,
        picture: Picture,
        *,
        thresholds: Mapping[str, float] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> tuple[Detection, ...]:
        least = thresholds or self.card.thresholds
        self.asked.append((picture, least["fire"], input_size))
        answer = self._answers[len(self.asked) - 1]
        if isinstance(answer, AnswerUnusable):
            raise answer
        return tuple(one for one in answer if one.score >= least[one.label])


def test_a_quiet_street_is_looked_at_once() -> None:
    quiet = Told([Detection("person", 0.9, LEFT), Detection("fire", 0.09, LEFT)])
    assert augmented.look(quiet, PICTURE) == (Detection("person", 0.9, LEFT),)
    assert len(quiet.asked) == 1


def test_a_candidate_below_its_threshold_is_looked_at_mirrored_and_small_and_stands_where_it_was() -> None:
    picture = PICTURE.copy()
    picture[:, :10] = 200
    detector = Told([Detection("fire", 0.3, LEFT)], [Detection("fire", 0.6, RIGHT)])
    (found,) = augmented.look(detector, picture)
    assert found.score == pytest.approx(0.45)
    assert (found.box.x1, found.box.x2) == pytest.approx((0.0, 0.25))
    mirrored, lowest, size = detector.asked[1]
    assert (mirrored[:, -10:] == 200).all()
    assert not mirrored[:, :-10].any()
    assert (lowest, size) == (augmented.LEAST, (32, 32))


def test_what_one_view_hardly_shows_scores_the_same_live_as_where_the_weights_are_judged() -> None:
    views = [Detection("fire", 0.78, LEFT)], [Detection("fire", 0.04, RIGHT)]
    (live,) = augmented.look(Told(*views), PICTURE)
    (judged,) = augmented.look(Told(*views), PICTURE, lowest=0.02)
    assert live.score == judged.score == pytest.approx(0.41)


def test_what_the_other_look_does_not_show_falls_below_its_threshold() -> None:
    assert augmented.look(Told([Detection("fire", 0.7, LEFT)], []), PICTURE) == ()


def test_people_are_those_of_the_first_look() -> None:
    person, ghost = Detection("person", 0.5, LEFT), Detection("person", 0.9, RIGHT)
    detector = Told([person, Detection("smoke", 0.9, RIGHT)], [ghost, Detection("smoke", 0.9, LEFT)])
    assert augmented.look(detector, PICTURE) == (Detection("smoke", pytest.approx(0.9), RIGHT), person)


def test_weights_whose_card_does_not_ask_for_it_are_looked_with_once() -> None:
    once = Told([Detection("fire", 0.7, LEFT)], again=None)
    assert augmented.look(once, PICTURE) == (Detection("fire", 0.7, LEFT),)


def test_whoever_judges_gets_low_scores_fused_too() -> None:
    detector = Told([Detection("fire", 0.12, LEFT)], [Detection("fire", 0.04, RIGHT)])
    (found,) = augmented.look(detector, PICTURE, lowest=0.02)
    assert found.score == pytest.approx(0.08)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_network_bound_to_its_input_is_shown_the_mirrored_picture_in_that(
    make_weights: MakeWeights, engine: EngineName
) -> None:
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[0:32, 64:96, 2] = 255
    (found,) = augmented.look(open_detector(engine, make_weights(augmented=AGAIN), threads=1), picture)
    assert (found.box.x1, found.box.y1, found.box.x2, found.box.y2) == pytest.approx((0.5, 0.0, 0.75, 0.5), abs=1e-6)
    assert found.score > 0.99


def test_the_service_looks_again_at_whole_pictures_and_not_at_crops(make_weights: MakeWeights) -> None:
    networks = open_networks("openvino", make_weights(augmented=AGAIN), threads=1)
    picture = np.full((64, 64, 3), 90, np.uint8)
    picture[0:16, 0:16] = (0, 0, 255)
    detector = _Counted(networks.detector)
    looking = type(networks)(detector)
    looking.look(picture, WHOLE)
    assert detector.looks == 2
    looking.look(picture, crop_part(0))
    assert detector.looks == 3


class _Counted:
    def __init__(self, of: Any) -> None:
        self._of = of
        self.card, self.precision, self.at_once = of.card, of.precision, of.at_once
        self.looks = 0

    def detect(self, picture: Picture, **how: Any) -> tuple[Detection, ...]:
        self.looks += 1
        answer: tuple[Detection, ...] = self._of.detect(picture, **how)
        return answer


def test_a_fire_is_not_silenced_by_a_second_view_that_the_network_answers_with_nothing_usable() -> None:
    """NaN at the size of the second view alone: no look at a fire ever had an answer, those at quiet streets all."""
    seen = [Detection("fire", 0.9, LEFT), Detection("smoke", 0.3, RIGHT)]
    detector = Told(seen, AnswerUnusable("含 NaN", "NaN"))
    assert augmented.look(detector, PICTURE) == (Detection("fire", 0.9, LEFT),)


def test_a_first_view_that_is_answered_with_nothing_usable_is_no_look() -> None:
    with pytest.raises(AnswerUnusable):
        augmented.look(Told(AnswerUnusable("含 NaN", "NaN")), PICTURE)
