"""New weights beside the old ones: what differs is kept, a person promotes them, and can take that back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.card import Card, Cues, Density
from detectors.differences import differences
from detectors.networks import Networks
from detectors.observation import Box, Detection
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.inference.shadow import EVERY, MOST_KEPT, Shadow, forget_past, kept_differences

BOX, ELSEWHERE = Box(0.1, 0.1, 0.3, 0.3), Box(0.6, 0.6, 0.8, 0.8)
PICTURE = np.zeros((36, 64, 3), np.uint8)


FULL = np.zeros((1080, 1920, 3), np.uint8)


def glimpse(at: float) -> Glimpse:
    return Glimpse(PICTURE, (1920, 1080), at, "main", lambda: FULL)


def pictures(folder: Path) -> list[str]:
    return [str(path) for path in folder.glob("*.jpg")]


def seen(label: str, box: Box = BOX, score: float = 0.6) -> Detection:
    return Detection(label, score, box)


class Sees:
    """Weights that always see the same."""

    thresholds: ClassVar = {"person": 0.2, "fire": 0.5, "stall": 0.5}
    density = Density("crowds.onnx", "ef" * 32, from_people=5, smaller_than=0.4, longest_side=1024)
    cues = Cues("cues.onnx", "ef" * 32, ("goods",), {"goods": 0.2}, (64, 64))
    card = Card("new", "cd" * 32, tuple(thresholds), (64, 64), 32, thresholds, "fp32", "", density=density, cues=cues)
    at_once = 1
    precision = "fp32"

    def __init__(self, *found: Detection) -> None:
        self.found = found

    def detect(
        self, _picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], **_how: object
    ) -> tuple[Detection, ...]:
        return self.found


def test_what_only_one_of_the_two_sees_is_a_difference() -> None:
    old = [seen("fire"), seen("stall", ELSEWHERE)]
    new = [seen("fire", score=0.9), seen("smoke", ELSEWHERE, 0.7)]
    assert [(one.seen_by, one.label) for one in differences(old, new)] == [("new", "smoke"), ("old", "stall")]
    assert differences(old, old) == ()


def test_people_are_compared_by_their_number() -> None:
    crowd = [seen("person", Box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.4)) for n in range(9)]
    (one,) = differences(crowd, crowd[:4])
    assert (one.seen_by, one.label, one.score) == ("old", "person", 5.0)
    assert differences(crowd, crowd[:7]) == ()


@pytest.mark.parametrize(
    ("input_size", "looked_at"), [((736, 1280), (720, 1280)), ((384, 640), (360, 640)), ((32, 64), (36, 64))]
)
async def test_weights_of_a_larger_input_are_shown_pictures_as_large_as_once_they_are_in_force(
    tmp_path: Path, input_size: tuple[int, int], looked_at: tuple[int, int]
) -> None:
    """They were shown those made for the smaller input, blown up: what they were to see better they could not see."""
    shapes: list[tuple[int, ...]] = []

    class Looks(Sees):
        card = replace(Sees.card, input_size=input_size)

        def detect(self, picture: NDArray[np.uint8], **_how: object) -> tuple[Detection, ...]:
            shapes.append(picture.shape[:2])
            return ()

    await Shadow(Networks(Looks()), tmp_path).compare("camera", glimpse(1), [])
    assert shapes == [looked_at]


async def test_differences_are_kept_with_their_picture_and_their_number_is_bounded(tmp_path: Path) -> None:
    shadow = Shadow(Networks(Sees(seen("stall"))), tmp_path)
    for number in range(MOST_KEPT + 5):
        await shadow.compare("camera", glimpse(number), [])
    await shadow.compare("camera", glimpse(1e6), [seen("stall")])
    kept = list(kept_differences(tmp_path))
    assert len(kept) == MOST_KEPT
    assert kept[0]["at"] == MOST_KEPT + 4
    assert kept[0]["differences"][0]["seen_by"] == "new"
    assert kept[0]["picture"] in pictures(tmp_path)
    assert len(pictures(tmp_path)) == MOST_KEPT
    assert (shadow.looks, shadow.differing) == (MOST_KEPT + 6, MOST_KEPT + 5)


class Says:
    """A judge of always the same mind."""

    def __init__(self, fire: float) -> None:
        self.views: list[tuple[str, int]] = []
        self._fire = fire

    def judged(self, picture: NDArray[np.uint8], view: str) -> dict[str, float]:
        self.views.append((view, picture.shape[1]))
        return {"fire": self._fire}


class Counts:
    """A counter of crowds."""

    def __init__(self, *people: Detection) -> None:
        self._people = people

    def people(self, _picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        return self._people


async def test_a_fire_that_the_new_judge_doubts_away_is_none_and_the_crop_is_of_the_full_picture(
    tmp_path: Path,
) -> None:
    doubtful, sure = Says(0.01), Says(0.99)
    for judge in (doubtful, sure):
        await Shadow(Networks(Sees(seen("fire")), judge=judge), tmp_path).compare("camera", glimpse(1), [])  # type: ignore[arg-type]
        assert bool(list(kept_differences(tmp_path))) == (judge is sure)
        # Half of 1920 px, no more than the input takes; of the small picture it would be 32.
        assert judge.views == [("whole", 64), ("crop", 64)]


async def test_a_crowd_is_compared_as_it_is_counted(tmp_path: Path) -> None:
    boxes = [seen("person", Box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.2)) for n in range(8)]
    shadow = Shadow(Networks(Sees(*boxes), density=Counts(*(boxes * 8)[:60])), tmp_path)  # type: ignore[arg-type]
    await shadow.compare("camera", glimpse(1), [seen("person")] * 60, counts=True)
    await shadow.compare("camera", glimpse(2), boxes, counts=False)
    assert (shadow.looks, shadow.differing) == (2, 0)
    await shadow.compare("camera", glimpse(3), boxes, counts=True)
    (kept,) = kept_differences(tmp_path)
    assert [(one["seen_by"], one["label"], one["score"]) for one in kept["differences"]] == [("new", "person", 52.0)]


class Fruit:
    """A finder of parts that sees fruit side by side."""

    def find(self, _picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        return tuple(seen("goods", Box(0.1 * n, 0.4, 0.1 * n + 0.1, 0.5)) for n in (3, 4, 5))


async def test_a_stall_that_is_told_by_its_parts_is_compared_where_a_rule_watches_for_one(tmp_path: Path) -> None:
    shadow = Shadow(Networks(Sees(), cues=Fruit()), tmp_path)  # type: ignore[arg-type]
    await shadow.compare("camera", glimpse(1), [])
    await shadow.compare("camera", glimpse(2), [seen("stall", Box(0.15, 0.35, 0.75, 0.55))], stalls=Box(0, 0, 1, 1))
    assert (shadow.looks, shadow.differing) == (2, 0)
    await shadow.compare("camera", glimpse(3), [], stalls=Box(0, 0, 1, 1))
    (kept,) = kept_differences(tmp_path)
    assert [(one["seen_by"], one["label"]) for one in kept["differences"]] == [("new", "stall")]


@pytest.mark.parametrize("waits_from", [0, 1])
async def test_once_a_look_waits_for_the_engine_the_shadow_gives_way_and_half_a_comparison_is_none(
    tmp_path: Path, waits_from: int
) -> None:
    asked = iter(range(9))
    judge = Says(0.99)
    shadow = Shadow(Networks(Sees(seen("fire")), judge=judge), tmp_path)  # type: ignore[arg-type]
    await shadow.compare("camera", glimpse(1), [], idle=lambda: next(asked) < waits_from)
    assert (shadow.looks, shadow.given_way, len(judge.views)) == (0, 1, waits_from)
    assert list(kept_differences(tmp_path)) == []


def test_some_looks_are_compared_and_each_with_a_hazard(tmp_path: Path) -> None:
    shadow = Shadow(Networks(Sees()), tmp_path)
    assert sum(shadow.wants([]) for _ in range(10 * EVERY)) == 10
    assert all(shadow.wants([seen("fire")]) for _ in range(5))


async def test_pictures_that_a_killed_process_left_without_their_facts_are_counted_and_go(tmp_path: Path) -> None:
    """Nobody was shown them, and nothing ever removed them."""
    for number in range(MOST_KEPT):
        (tmp_path / f"{number:015}-camera.jpg").write_bytes(b"left")
    await Shadow(Networks(Sees(seen("stall"))), tmp_path).compare("camera", glimpse(1e6), [])
    assert len(pictures(tmp_path)) == MOST_KEPT
    assert len(list(kept_differences(tmp_path))) == 1


async def test_differences_with_weights_that_are_in_shadow_no_more_are_kept_no_longer(tmp_path: Path) -> None:
    """Their pictures lay there for good: no newer one pushed them out."""
    forget_past(tmp_path / "none", None)
    shadow = Shadow(Networks(Sees(seen("stall"))), tmp_path)
    await shadow.compare("camera", glimpse(1), [])
    (kept,) = kept_differences(tmp_path)
    (tmp_path / "000000000000009-camera.jpg").write_bytes(b"left")
    forget_past(tmp_path, kept["new_card"])
    assert pictures(tmp_path) == [kept["picture"]]
    forget_past(tmp_path, "ab" * 16)
    assert pictures(tmp_path) == list(kept_differences(tmp_path)) == []
