"""Pictures judged: each fault for what it is, and neither weather nor crowds nor a passing lorry for any of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
import pytest

from camera_registry.picture_quality import Picture, PictureJudge, Sight, sharpness
from camera_registry.scene import Scene, edges
from gateway.virtual.spoiling import WEATHERS, Change, changed
from models.scenes import Scene as Drawn
from models.scenes import SceneKind

SIZE = (640, 360)
EVERY = 2.0
HAZARD_FROM = 40.0


@cache
def pictures(kind: SceneKind, change: Change, count: int, begin: float = 0.0) -> tuple[Sight, ...]:
    """Looks two seconds apart at a drawn street."""
    drawn = Drawn(kind, 45, pieces="demo", size=SIZE, hazard_from=HAZARD_FROM)
    # 2.03 s apart: the grain of drawn scenes repeats itself.
    frames: Iterator[Picture] = (drawn.frame(begin + 2.03 * number) for number in range(count))
    return tuple(Sight.of(picture, "main") for picture in changed(frames, change, 1 / EVERY))


def told(*runs: tuple[Sight, ...], judge: PictureJudge | None = None, still: bool = False) -> list[str | None]:
    """What the judge says of the last run's pictures. ``still``: within a group of the stream nothing changes."""
    judge = judge or PictureJudge()
    at, said = 1_000.0, []
    for run in runs:
        said = []
        for sight in run:
            group = (sight, sight) if still else None
            said.append(judge.judge(sight, at, "", lambda group=group: group))
            at += EVERY
    return [str(one) if one else None for one in said]


USUAL = 12


@pytest.mark.parametrize("fault", ["dark", "covered", "blurred", "moved"])
def test_each_fault_is_told_for_what_it_is_and_gone_with_its_cure(fault: Change) -> None:
    well = pictures("quiet", "clean", USUAL)
    judge = PictureJudge()
    said = told(well, pictures("quiet", fault, 6, begin=30.0), judge=judge)
    # Sharpness is measured every few seconds, so its loss is told one look later.
    assert said[1:] == [fault] * 5
    assert told(pictures("quiet", "clean", 6, begin=60.0), judge=judge)[1:] == [None] * 5


def test_a_picture_that_hangs_is_frozen_though_its_clock_runs_on() -> None:
    said = told(pictures("quiet", "clean", USUAL), pictures("quiet", "frozen", 8), still=True)
    assert said == [None] * 4 + ["frozen"] * 4


def test_a_short_loop_seen_at_the_same_moment_is_not_frozen() -> None:
    same, other = pictures("quiet", "clean", 2)
    judge = PictureJudge()
    assert all(judge.judge(same, EVERY * number, "", lambda: (same, other)) is None for number in range(12))


def test_what_cannot_be_seen_twice_is_not_called_frozen() -> None:
    (same,) = pictures("quiet", "clean", 1)
    judge = PictureJudge()
    assert all(judge.judge(same, EVERY * number, "", lambda: None) is None for number in range(12))


@pytest.mark.parametrize("weather", WEATHERS)
def test_weather_is_no_fault(weather: Change) -> None:
    judge = PictureJudge()
    clear = pictures("quiet", "clean", USUAL)
    bad = pictures("quiet", weather, 8, begin=30.0)
    assert told(clear, bad, judge=judge) == [None] * 8
    assert told(clear, judge=judge) == [None] * USUAL
    assert told(bad) == [None] * 8, "nor for a camera that was registered in it"


def test_a_gathering_hides_a_part_of_the_scene_only() -> None:
    before = pictures("gathering", "clean", USUAL)
    assert told(before, pictures("gathering", "clean", 8, begin=HAZARD_FROM + 4)) == [None] * 8


def test_fire_and_smoke_are_no_fault_of_the_camera() -> None:
    assert told(pictures("fire", "clean", USUAL), pictures("fire", "clean", 8, begin=HAZARD_FROM)) == [None] * 8


def test_a_camera_registered_with_its_lens_covered_or_out_of_focus_says_so() -> None:
    assert told(pictures("quiet", "covered", 3)) == ["covered"] * 3
    assert told(pictures("quiet", "blurred", 3)) == ["blurred"] * 3


def test_a_head_that_was_turned_on_purpose_has_not_been_moved() -> None:
    judge = PictureJudge()
    told(pictures("quiet", "clean", USUAL), judge=judge)
    judge.turned()
    at = 5_000.0
    for number, sight in enumerate(pictures("quiet", "moved", 8)):
        assert judge.judge(sight, at + EVERY * number, "gate", lambda: None) is None
    judge.turned()
    for number, sight in enumerate(pictures("quiet", "clean", 8)):
        assert judge.judge(sight, 6_000 + EVERY * number, "", lambda: None) is None
    assert set(judge.scenes) == {"", "gate"}


def test_a_head_on_a_tour_of_its_own_is_called_moved_at_first_and_no_more() -> None:
    judge = PictureJudge()
    told(pictures("quiet", "clean", USUAL), judge=judge)
    at, said = 2_000.0, []
    for number in range(4):
        for change in ("moved", "clean"):
            views = pictures("quiet", change, 6, begin=40.0 + 12.0 * number)
            said.append({judge.judge(sight, (at := at + EVERY), "", lambda: None) for sight in views})
    assert said[0] == {"moved"}
    assert said[1:] == [{None}, {"moved"}, *[{None}] * 5]
    assert judge.patrol.moves_by_itself(at)
    away = pictures("quiet", "moved", 40, begin=100.0)
    last = [judge.judge(sight, (at := at + EVERY), "", lambda: None) for sight in away]
    assert last[0] is None
    assert last[-1] == "moved", "it was turned away from its tour"


def test_a_move_while_nobody_looked_is_told_by_the_scene_of_before() -> None:
    first = PictureJudge()
    told(pictures("quiet", "clean", USUAL), judge=first)
    packed = Scene.unpacked(first.scenes[""].packed())
    assert packed is not None
    assert packed.known
    moved, same = (pictures("quiet", change, 1, begin=30.0)[0].edges for change in ("moved", "night"))
    shown = packed.seen_in(moved), packed.seen_in(same)
    assert shown[0] is not None
    assert shown[1] is not None
    assert shown[0] < 0.35 < 0.8 < shown[1]


def test_a_white_wall_cannot_be_recognised_and_is_never_called_moved() -> None:
    wall = np.full((360, 640, 3), 200, np.uint8)
    assert (
        Scene.first(edges(np.full((90, 160), 200, np.float32))).seen_in(edges(np.zeros((90, 160), np.float32))) is None
    )
    assert sharpness(np.asarray(cv2.cvtColor(wall, cv2.COLOR_BGR2GRAY), np.uint8)) is None


def test_a_scene_of_another_version_is_learned_anew() -> None:
    assert Scene.unpacked(b"") is None
    assert Scene.unpacked(b"SC00" + bytes(28_804)) is None
