"""From verdicts to steps: one alert for one hazard, its clip begun before it, its end after the window."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from detectors.rules.rule import LONGEST_GAP, Phase
from gateway.workers.camera.incident import (
    LONGEST_WAIT,
    BeginClip,
    DropClip,
    End,
    Incident,
    Raise,
    Seen,
    Step,
    advance,
)
from gateway.workers.camera.recording import LONGEST


def play(phases: list[tuple[float, Phase]], end_after: float = 60.0) -> list[Step]:
    ids = count(1)
    incident, steps = Incident(), list[Step]()
    for at, phase in phases:
        incident, taken = advance(incident, phase, at, end_after=end_after, new_id=lambda: f"a{next(ids)}")
        steps.extend(taken)
    return steps


def test_the_clip_begins_half_way_and_the_alert_is_raised_with_the_same_id() -> None:
    assert play([(0, "candidate"), (1, "half_way"), (2, "half_way"), (3, "firing")]) == [BeginClip("a1"), Raise("a1")]


def test_a_rule_that_fires_without_a_half_way_look_still_gets_its_clip() -> None:
    assert play([(0, "firing")]) == [BeginClip("a1"), Raise("a1")]


def test_a_candidate_that_comes_to_nothing_leaves_no_clip() -> None:
    assert play([(0, "half_way"), (1, "candidate"), (2, "idle")]) == [BeginClip("a1"), DropClip("a1")]


def test_a_clip_whose_alert_does_not_come_for_long_gives_way_to_one_that_shows_what_fires_in_the_end() -> None:
    """A lamp was half way for hours, and the fire beside it got the lamp's clip, which was over long before."""
    steps = play([*((float(at), "half_way") for at in range(0, 1000, 10)), (1000.0, "firing")])
    assert steps == [
        *(BeginClip("a1"), DropClip("a1"), BeginClip("a2"), DropClip("a2"), BeginClip("a3"), DropClip("a3")),
        *(BeginClip("a4"), Raise("a4")),
    ]


def test_a_clip_is_not_kept_for_what_has_been_a_mere_candidate_for_long() -> None:
    steps = play([(0, "half_way"), *((float(at), "candidate") for at in range(10, 600, 10)), (600, "firing")])
    assert steps == [BeginClip("a1"), DropClip("a1"), BeginClip("a2"), Raise("a2")]


def test_a_clip_lasts_until_another_one_is_begun_in_its_place() -> None:
    assert LONGEST_WAIT + LONGEST_GAP < LONGEST


def test_a_lasting_hazard_extends_its_alert_every_few_seconds_and_is_never_raised_again() -> None:
    steps = play([(float(at), "firing") for at in range(13)])
    assert steps == [BeginClip("a1"), Raise("a1"), Seen("a1"), Seen("a1")]


def test_an_alert_ends_only_when_its_rule_was_released_for_the_whole_window() -> None:
    assert play([(0, "firing"), (10, "released"), (59, "idle"), (60, "idle")])[2:] == [End("a1", 60)]


def test_a_hazard_that_returns_within_the_window_is_the_same_alert() -> None:
    steps = play([(0, "firing"), (10, "released"), (30, "half_way"), (40, "firing"), (99, "idle"), (101, "idle")])
    assert steps == [BeginClip("a1"), Raise("a1"), Seen("a1"), End("a1", 100)]


def test_a_hazard_that_returns_after_the_end_is_a_new_alert() -> None:
    steps = play([(0, "firing"), (61, "idle"), (70, "firing")])
    assert steps == [BeginClip("a1"), Raise("a1"), End("a1", 60), BeginClip("a2"), Raise("a2")]


def test_an_alert_ends_with_its_window_however_late_that_is_noticed() -> None:
    """A camera that was away for ten hours made an alert of ten hours."""
    assert play([(0, "firing"), (36_000, "released")])[2:] == [End("a1", 60)]


def test_a_hazard_that_lasts_is_told_though_the_clock_was_set_back_an_hour() -> None:
    """Nothing was told of it for that hour, and control took its alert for over."""
    steps = play([(4000, "firing"), (402, "firing"), (404, "firing"), (407, "firing"), (413, "firing")])
    assert steps == [BeginClip("a1"), Raise("a1"), Seen("a1"), Seen("a1")]


def test_an_alert_ends_though_the_clock_was_set_back_and_what_comes_after_it_is_another() -> None:
    """It stayed open for the hour and the window, and took in whatever fired meanwhile."""
    steps = play([(4000, "firing"), (402, "released"), (450, "idle"), (462, "idle"), (500, "firing")])
    assert steps == [BeginClip("a1"), Raise("a1"), End("a1", 462), BeginClip("a2"), Raise("a2")]


def test_a_clip_gives_way_to_another_though_the_clock_was_set_back() -> None:
    steps = play([(4000, "half_way"), (402, "half_way"), (702, "half_way")])
    assert steps == [BeginClip("a1"), DropClip("a1"), BeginClip("a2")]


@given(st.lists(st.sampled_from(["idle", "candidate", "half_way", "firing", "released"]), max_size=60))
def test_whatever_a_rule_says_each_alert_has_one_clip_one_raise_and_at_most_one_end(phases: list[Phase]) -> None:
    steps = play([(at * 7.0, phase) for at, phase in enumerate(phases)], end_after=20)
    for kind in (BeginClip, Raise, End, DropClip):
        named = [step.alert_id for step in steps if isinstance(step, kind)]
        assert len(named) == len(set(named))
    begun = {step.alert_id for step in steps if isinstance(step, BeginClip)}
    raised = {step.alert_id for step in steps if isinstance(step, Raise)}
    dropped = {step.alert_id for step in steps if isinstance(step, DropClip)}
    assert raised <= begun
    assert not raised & dropped
