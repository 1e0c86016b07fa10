"""All rules of a camera together: the most impatient sets the pace, and a change of one leaves the others alone."""

from __future__ import annotations

import pytest

from detectors.observation import Box, Detection, Look
from detectors.rules.config import DEFAULT_RULES, CrowdRuleConfig, FireRuleConfig, StallRuleConfig
from detectors.watch import CameraWatch, RuleKey

FIRE, CROWD, STALL = (RuleKey(rule.kind, rule.zone) for rule in DEFAULT_RULES)


def burning(at: float) -> Look:
    return Look(at, (Detection("fire", 0.7, Box(0.4, 0.4 - 0.02 * (round(at * 2) % 3), 0.5, 0.6)),))


def phases(watch: CameraWatch, look: Look) -> dict[RuleKey, str]:
    return {key: verdict.phase for key, verdict in watch.observe(look)}


def test_a_new_watch_wants_to_look_at_once_and_then_at_the_pace_of_its_most_impatient_rule() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    assert watch.next_look_within == 0
    watch.observe(Look(0, ()))
    assert watch.next_look_within == 2
    watch.observe(burning(2))
    assert watch.next_look_within == 0.5


def test_a_camera_is_the_more_urgent_the_nearer_a_rule_is_to_firing_and_no_more_once_it_has_fired() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    watch.observe(Look(0, ()))
    idle = watch.urgency
    urgencies = []
    for number in range(1, 12):
        fired = phases(watch, burning(number / 2))[FIRE] == "firing"
        urgencies.append((fired, watch.urgency))
    near = [urgency for fired, urgency in urgencies if not fired]
    assert near == sorted(near)
    assert near[0] > 3 * idle  # the second sighting makes the fire, and it is wanted four times as soon
    assert {urgency for fired, urgency in urgencies if fired} == {idle}


def test_every_rule_says_something_of_every_look() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    assert phases(watch, burning(0)) == {FIRE: "candidate", CROWD: "idle", STALL: "idle"}


def test_two_zones_of_one_hazard_are_watched_apart() -> None:
    left = FireRuleConfig(zone="左", polygon=((0, 0), (0.3, 0), (0.3, 1), (0, 1)))
    right = FireRuleConfig(zone="右", polygon=((0.35, 0), (1, 0), (1, 1), (0.35, 1)))
    said = phases(CameraWatch([left, right]), burning(0))
    assert said == {RuleKey("fire", "左"): "idle", RuleKey("fire", "右"): "candidate"}


def test_a_rule_that_is_turned_off_says_nothing() -> None:
    watch = CameraWatch([FireRuleConfig(), CrowdRuleConfig(enabled=False)])
    assert watch.keys == (FIRE,)


def test_without_rules_a_camera_is_hardly_looked_at() -> None:
    watch = CameraWatch([])
    assert watch.observe(burning(0)) == []
    assert watch.next_look_within == 10


def test_changing_one_rule_leaves_the_others_where_they_are() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    for number in range(10):
        watch.observe(burning(number / 2))
    gone = watch.replace([FireRuleConfig(), CrowdRuleConfig(people=5), StallRuleConfig()])
    assert gone == ()
    assert phases(watch, burning(5.0))[FIRE] == "firing"


def test_a_rule_that_changed_begins_anew() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    for number in range(10):
        watch.observe(burning(number / 2))
    watch.replace([FireRuleConfig(seen_seconds=4)])
    assert watch.next_look_within == 0
    assert phases(watch, burning(5.0))[FIRE] == "candidate"


def test_the_rules_that_are_gone_are_named_so_that_their_alerts_can_end() -> None:
    watch = CameraWatch(DEFAULT_RULES)
    assert set(watch.replace([FireRuleConfig()])) == {CROWD, STALL}
    assert watch.keys == (FIRE,)


def test_people_are_counted_with_care_in_the_hours_of_a_rule_that_counts_them_and_not_beyond() -> None:
    """All night the network for dense crowds was asked about pictures that no rule would count."""
    noon, night = 4 * 3600.0, 16 * 3600.0  # 12:00 and 24:00 in the city
    square = CrowdRuleConfig(hours=(("08:00", "18:00"),))
    assert CameraWatch([square, FireRuleConfig()]).counts_people(noon)
    assert not CameraWatch([square, FireRuleConfig()]).counts_people(night)
    assert CameraWatch([square, CrowdRuleConfig(zone="东门")]).counts_people(night)
    assert not CameraWatch([FireRuleConfig(), StallRuleConfig()]).counts_people(noon)


def test_parts_of_stalls_are_looked_for_in_the_zones_of_rules_that_watch_for_them_at_that_hour() -> None:
    noon, night = 4 * 3600.0, 16 * 3600.0  # 12:00 and 24:00 in the city
    day = (("08:00", "18:00"),)
    pavement = StallRuleConfig(zone="路沿", polygon=((0.5, 0.6), (0.7, 0.6), (0.7, 0.9), (0.5, 0.9)), hours=day)
    within = CameraWatch([pavement]).stalls_within(noon)
    assert within is not None
    assert (within.x1, within.y1, within.x2, within.y2) == pytest.approx((0.45, 0.3, 0.75, 0.95))
    assert CameraWatch([pavement]).stalls_within(night) is None
    assert CameraWatch([FireRuleConfig()]).stalls_within(noon) is None
    assert CameraWatch([pavement, StallRuleConfig()]).stalls_within(noon) == Box(0, 0, 1, 1)
