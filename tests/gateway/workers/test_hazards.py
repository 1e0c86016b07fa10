"""From looks to clips and alerts: what a camera's hazards ask of its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from detectors.observation import Box, Detection, Look
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, StallRuleConfig
from detectors.suppression import Suppression
from gateway.processes.messages import AlertRaised
from gateway.workers.camera.hazards import CameraHazards


@dataclass
class Asked:
    """What was asked of the evidence, in its order."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    over: Callable[[], None] = lambda: None

    def begin_clip(self, alert_id: str, since: float) -> None:
        self.calls.append(("begin", alert_id, since))

    def drop_clip(self, alert_id: str) -> None:
        self.calls.append(("drop", alert_id))

    def raise_alert(self, alert: AlertRaised, _picture: object) -> None:
        self.calls.append(("raise", alert.alert_id, alert))

    def seen(self, alert_id: str, at: float, _score: float, over: Callable[[], None]) -> None:
        self.calls.append(("seen", alert_id, at))
        self.over = over

    def ended(self, alert_id: str, at: float) -> None:
        self.calls.append(("ended", alert_id, at))

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


def people(count: int, at: float) -> Look:
    boxes = [Box(0.02 * n, 0.4, 0.02 * n + 0.015, 0.6) for n in range(count)]
    return Look(at, tuple(Detection("person", 0.9, box) for box in boxes), "ab" * 32, "hazard_n")


@pytest.fixture
def asked() -> Asked:
    return Asked()


def hazards(asked: Asked, *, dwell: float = 60.0, ring: float = 30.0) -> CameraHazards:
    rule = CrowdRuleConfig(zone="广场", people=5, dwell_seconds=dwell)
    return CameraHazards("9" * 20, (rule,), asked, end_after={"crowd": 30.0}, ring_seconds=ring)  # type: ignore[arg-type]  # what it asks of evidence is all there


def watch(watched: CameraHazards, count: int, begin: int, end: int) -> None:
    for at in range(begin, end, 2):
        watched.observe(people(count, float(at)), lambda: b"")


def test_a_clip_begins_before_the_ring_has_lost_the_hazards_beginning(asked: Asked) -> None:
    watched = hazards(asked, dwell=300.0)
    watch(watched, 8, 100, 118)
    assert asked.names == []
    watch(watched, 8, 118, 124)
    assert asked.names == ["begin"]
    assert asked.calls[0][2] == 100.0


def test_an_alert_that_is_long_in_coming_has_a_clip_of_its_last_minutes(asked: Asked) -> None:
    """A dwell of a quarter of an hour had a clip of its first seven minutes."""
    watched = hazards(asked, dwell=900.0)
    watch(watched, 8, 100, 1004)
    assert asked.names == ["begin", "drop", "begin", "drop", "begin", "raise"]
    assert [call[1] for call in asked.calls[-2:]] == [asked.calls[-1][1]] * 2


def test_an_alert_says_where_what_since_when_and_why(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 116)
    assert asked.names[:2] == ["begin", "raise"]
    alert = asked.calls[1][2]
    assert (alert.code, alert.zone, alert.hazard, alert.hazard_from) == ("9" * 20, "广场", "crowd", 100.0)
    assert alert.raised_at >= 110.0
    assert alert.why["view"] == ""
    assert (alert.why["model"], alert.why["weights_sha256"]) == ("hazard_n", "ab" * 32)
    assert (alert.why["rule"]["people"], alert.why["rule"]["dwell_seconds"]) == (5, 10.0)
    watched.replace((CrowdRuleConfig(zone="广场", people=5, dwell_seconds=10.0),), 116.0, view="preset-7")
    watch(watched, 0, 116, 180)
    watch(watched, 8, 180, 196)
    assert asked.calls[-1][2].why["view"] == "preset-7"


def test_a_gathering_that_disperses_in_time_leaves_neither_clip_nor_alert(asked: Asked) -> None:
    watched = hazards(asked, dwell=20.0)
    watch(watched, 8, 100, 114)
    watch(watched, 0, 114, 150)
    assert asked.names == ["begin", "drop"]


def test_a_rule_taken_away_ends_its_alert(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 116)
    watched.replace((), 120.0)
    assert asked.calls[-1][0] == "ended"
    assert asked.calls[-1][2] == 120.0


def test_a_rule_taken_away_half_way_drops_its_clip(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 108)
    assert asked.names == ["begin"]
    watched.replace((), 108.0)
    assert asked.names == ["begin", "drop"]


def test_an_alert_ends_when_its_hazard_has_been_gone_for_the_window(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 116)
    watch(watched, 0, 116, 170)
    assert asked.names[-1] == "ended"
    assert asked.names.count("raise") == asked.names.count("ended") == 1


def test_what_outgrows_an_alert_that_was_rejected_while_it_lasted_is_an_alert_of_its_own(asked: Asked) -> None:
    """It went on as the rejected one, of which nobody was told anything more."""
    watched = hazards(asked, dwell=10.0)
    rule = CrowdRuleConfig(zone="广场", people=5, dwell_seconds=10.0)
    watch(watched, 8, 100, 130)
    first = asked.calls[1][1]
    rejection = Suppression("r1", "crowd", "广场", until=9000.0, people=8, alerts=("another", first))
    watched.replace((rule,), 130.0, (rejection,))
    assert asked.calls[-1] == ("ended", first, 130.0)
    watch(watched, 8, 130, 160)
    assert asked.names.count("raise") == 1
    watched.replace((rule,), 160.0, (rejection,))
    watch(watched, 14, 160, 180)
    assert asked.names.count("raise") == 2
    watched.replace((rule,), 180.0, (rejection,))
    assert asked.names.count("ended") == 1


def test_what_is_seen_in_another_view_is_no_part_of_an_alert_of_the_view_before(asked: Asked) -> None:
    """Where both had the same rules it went on as one hazard, and took a rejection of the first view's along."""
    watched = hazards(asked, dwell=10.0)
    rule = CrowdRuleConfig(zone="广场", people=5, dwell_seconds=10.0)
    watch(watched, 8, 100, 120)
    watched.replace((rule,), 120.0, view="preset-7")
    assert asked.calls[-1] == ("ended", asked.calls[1][1], 120.0)
    watch(watched, 8, 120, 128)
    assert asked.names.count("raise") == 1
    watch(watched, 8, 128, 140)
    assert asked.names.count("raise") == 2
    watched.replace((rule,), 140.0, view="preset-7")
    watch(watched, 8, 140, 150)
    assert (asked.names.count("raise"), asked.names.count("ended")) == (2, 1)


def frozen_with_a_fire_and_a_crowd(asked: Asked) -> CameraHazards:
    rules = (FireRuleConfig(), CrowdRuleConfig(zone="广场", people=5, dwell_seconds=10.0), StallRuleConfig())
    ends = {"fire": 60.0, "crowd": 30.0, "stall": 600.0}
    return CameraHazards("9" * 20, rules, asked, end_after=ends, ring_seconds=30.0)  # type: ignore[arg-type]  # as above


def test_a_wish_says_whether_what_is_in_sight_may_be_a_fire(asked: Asked) -> None:
    watched = frozen_with_a_fire_and_a_crowd(asked)
    watch(watched, 8, 100, 104)
    assert (watched.wish.urgent, watched.wish.fire) == (True, False)
    flame = Detection("fire", 0.8, Box(0.4, 0.4, 0.5, 0.5))
    watched.observe(Look(104.0, (flame,), "ab" * 32, "hazard_n"), lambda: b"")
    assert (watched.wish.urgent, watched.wish.fire) == (True, True)


def test_who_stands_in_a_frozen_picture_is_no_gathering(asked: Asked) -> None:
    """A camera that froze while people passed raised an alert a minute later, which lasted until it was restarted."""
    watched = frozen_with_a_fire_and_a_crowd(asked)
    watch(watched, 8, 100, 108)
    assert watched.wish.urgent
    watched.picture_is(frozen=True)
    assert not watched.wish.urgent
    assert not watched.counts_people(106.0)
    assert watched.stalls_within(106.0) is None
    watch(watched, 8, 108, 300)
    assert asked.names == ["begin"]
    watched.picture_is(frozen=False)
    watch(watched, 0, 300, 310)
    assert asked.names == ["begin", "drop"]


def test_a_gathering_that_was_told_goes_on_once_the_picture_moves_again_and_is_not_told_anew(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 116)
    told = len(asked.calls)
    watched.picture_is(frozen=True)
    assert not watched.watching
    watch(watched, 8, 116, 140)
    assert len(asked.calls) == told
    watched.picture_is(frozen=False)
    watch(watched, 8, 140, 150)
    assert set(asked.names[told:]) == {"seen"}


def test_who_stands_there_after_the_picture_stood_still_for_longer_than_an_alert_lasts_is_told_anew(
    asked: Asked,
) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 116)
    told = len(asked.calls)
    watched.picture_is(frozen=True)
    watch(watched, 8, 116, 400)
    assert len(asked.calls) == told
    watched.picture_is(frozen=False)
    watch(watched, 8, 400, 414)
    assert asked.names[told:] == ["ended", "begin", "raise"]
    assert asked.calls[told][2] <= 116.0 + 30.0, "it ended with its window, and not when that was noticed"


def test_a_fire_in_the_last_picture_of_a_camera_that_froze_is_told_once_and_not_said_to_burn_on(asked: Asked) -> None:
    watched = frozen_with_a_fire_and_a_crowd(asked)
    watched.picture_is(frozen=True)
    assert watched.watching
    for at in range(100, 400):
        fire = Detection("fire", 0.9, Box(0.4, 0.4, 0.6, 0.7), closer=0.9, stir=0.0)
        watched.observe(Look(float(at), (fire,), "ab" * 32, "hazard_n"), lambda: b"")
    assert asked.names == ["begin", "raise"]


def burning(at: float, x: float = 0.4) -> Look:
    return Look(at, (Detection("fire", 0.9, Box(x, 0.4, x + 0.2, 0.7), closer=0.9, stir=0.05),), "ab" * 32, "hazard_n")


def observe_fire(watched: CameraHazards, begin: int, end: int, x: float = 0.4) -> None:
    for at in range(begin, end):
        watched.observe(burning(float(at), x), lambda: b"")


def test_a_fire_that_burns_after_its_camera_was_away_for_longer_than_an_alert_lasts_is_told_anew(asked: Asked) -> None:
    """It was a further sighting of the alert of ten hours ago, which nobody is told of."""
    watched = frozen_with_a_fire_and_a_crowd(asked)
    observe_fire(watched, 100, 110)
    told = len(asked.calls)
    observe_fire(watched, 36_100, 36_105, x=0.1)
    assert [name for name in asked.names[told:] if name != "seen"] == ["ended", "begin", "raise"]
    assert asked.calls[told][2] == 109.0 + 60.0
    raised = [call[1] for call in asked.calls if call[0] == "raise"]
    assert len(set(raised)) == 2


def test_nothing_that_is_there_after_an_absence_says_nothing_of_the_alert_before(asked: Asked) -> None:
    watched = frozen_with_a_fire_and_a_crowd(asked)
    observe_fire(watched, 100, 110)
    told = len(asked.calls)
    for at in range(36_100, 36_110):
        watched.observe(Look(float(at), (), "ab" * 32, "hazard_n"), lambda: b"")
    assert asked.names[told:] == ["ended"]


@pytest.mark.parametrize("burns", [True, False])
def test_a_fire_after_hours_of_a_picture_that_stood_still_is_told_anew_and_only_if_it_burns(
    asked: Asked, burns: bool
) -> None:
    """The rule fires on at each look at the same picture: the alert of hours ago was open again at the first look."""
    watched = frozen_with_a_fire_and_a_crowd(asked)
    observe_fire(watched, 100, 110)
    told = len(asked.calls)
    watched.picture_is(frozen=True)
    observe_fire(watched, 110, 4000)
    assert asked.names[told:] == []
    watched.picture_is(frozen=False)
    for at in range(4000, 4010):
        watched.observe(burning(float(at)) if burns else Look(float(at), (), "ab" * 32, "hazard_n"), lambda: b"")
    assert [name for name in asked.names[told:] if name != "seen"] == (
        ["ended", "begin", "raise"] if burns else ["ended"]
    )
    assert asked.calls[told][2] == 109.0 + 60.0


def test_what_fires_on_though_control_has_ended_its_alert_is_raised_anew_once(asked: Asked) -> None:
    watched = hazards(asked, dwell=10.0)
    watch(watched, 8, 100, 120)
    told, over = len(asked.calls), asked.over
    over()
    over()
    watch(watched, 8, 120, 140)
    assert [name for name in asked.names[told:] if name != "seen"] == ["begin", "raise"]
    over()
    watch(watched, 8, 140, 150)
    assert asked.names.count("raise") == 2, "the word of an alert that is left says nothing of the next"
