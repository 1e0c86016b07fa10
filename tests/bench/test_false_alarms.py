"""What the clips together say of false alarms: each counts, and only what was watched does."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from bench.false_alarms import Judged, false_alerts, figures, upper_bound, watched_seconds
from bench.footage import Clip
from gateway.workers.trial.trial import Trial, TrialAlert

NOTHING = {"fire": 0.0, "crowd": 0.0, "stall": 0.0}


def clip(hazard: str | None = None, begins: float = 0.0, *, learnt: bool = False) -> Clip:
    return Clip(Path(f"{hazard or 'road'}.mp4"), hazard, begins, learnt)


def raised(*alerts: tuple[str, float]) -> Trial:
    return Trial(alerts=[TrialAlert(hazard, "", at, at, 0.9, {}) for hazard, at in alerts])


def test_each_alert_of_a_clip_counts_for_the_bound_and_no_alert_of_a_clip_with_a_hazard_does() -> None:
    day = 86_400.0
    quiet = Judged(clip(), ("fire", "fire", "crowd"), day, NOTHING)
    burning = Judged(clip("fire"), ("crowd",), day, NOTHING, (3.0,))

    found = figures([quiet, burning])

    assert found["false_alerts_in_negative_scenes"] == 3
    assert found["upper_bound_per_camera_day"] == round(upper_bound(3), 1)
    assert found["scenes_with_false_alert"] == 2


def test_what_is_raised_before_the_hazard_begins_is_wrong() -> None:
    trial = raised(("fire", 4.0), ("fire", 14.0), ("crowd", 15.0))

    assert false_alerts(clip("fire", 10.0), trial) == ("fire", "crowd")
    assert false_alerts(clip("fire"), trial) == ("crowd",)
    assert false_alerts(clip(), trial) == ("fire", "fire", "crowd")


def test_what_was_not_seen_or_stood_frozen_is_no_evidence() -> None:
    assert watched_seconds(Trial(seconds=100.0, unseen_seconds=30.0, frozen_seconds=20.0)) == 50.0
    assert figures([Judged(clip(), (), 30.0, {**NOTHING, "fire": 27.0})])["negative_minutes_fire_could_fire"] == 0.45


def test_the_bound_of_a_poisson_mean_is_right_for_none_and_for_thousands() -> None:
    assert upper_bound(0) == pytest.approx(2.996, abs=0.001)
    assert upper_bound(3) == pytest.approx(7.754, abs=0.001)
    assert upper_bound(5000) == pytest.approx(5118, abs=2)


def test_a_fire_that_is_never_told_is_missed_and_its_time_is_none() -> None:
    found = figures(
        [Judged(clip("fire"), (), 30.0, NOTHING, (3.0, inf)), Judged(clip("fire"), (), 9.0, NOTHING, (4.0,))]
    )

    assert (found["hazards"], found["hazards_missed"], found["fire_alert_p95_s"]) == (2, 1, None)


def test_without_footage_nothing_is_said_to_hold() -> None:
    found = figures([], left_out=3)

    assert found["films_left_out"] == 3
    assert found["scenes_with_false_alert"] is found["hazards_missed"] is found["upper_bound_per_camera_day"] is None
