"""Rules as an operator sends them: kept whole, or refused with the field named in Chinese and English."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from detectors.rules.config import (
    DEFAULT_RULES,
    CrowdRuleConfig,
    FireRuleConfig,
    StallRuleConfig,
    default_rules,
)
from detectors.rules.parsing import MOST_CORNERS, RulesRefused, as_json, parse_kept, parse_rules
from detectors.rules.zones import WHOLE

TRIANGLE = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
ALONG_THE_TOP = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.002], [0.0, 0.002]]
EVERYTHING = [list(corner) for corner in WHOLE]


def refusal(*rules: Any) -> RulesRefused:
    with pytest.raises(RulesRefused) as caught:
        parse_rules(list(rules))
    assert any("一" <= letter <= "鿿" for letter in caught.value.zh)
    assert not any("一" <= letter <= "鿿" for letter in caught.value.en)
    return caught.value


def test_the_kind_decides_what_a_rule_is() -> None:
    rules = parse_rules([{"kind": "fire"}, {"kind": "crowd", "people": 20}, {"kind": "stall", "zone": "校门"}])
    assert [type(rule) for rule in rules] == [FireRuleConfig, CrowdRuleConfig, StallRuleConfig]


def test_the_first_values_are_those_of_the_domain() -> None:
    fire, crowd, stall = DEFAULT_RULES
    assert isinstance(fire, FireRuleConfig)
    assert isinstance(crowd, CrowdRuleConfig)
    assert isinstance(stall, StallRuleConfig)
    assert (fire.seen_seconds, fire.window_seconds) == (3, 5)
    assert (crowd.people, crowd.dwell_seconds, crowd.release_share) == (15, 60, 0.7)
    assert stall.dwell_seconds == 300
    assert all(rule.enabled and rule.polygon == WHOLE and not rule.hours for rule in DEFAULT_RULES)


@pytest.mark.parametrize("fire_seconds", [0.0, 0.5, 3.0, 10.0, 30.0])
def test_an_installation_may_have_other_first_values_that_can_all_fire(fire_seconds: float) -> None:
    rules = default_rules(fire_seconds=fire_seconds, crowd_people=4, crowd_dwell=0, stall_dwell=5)
    assert parse_rules(as_json(rules)) == rules


def test_rules_survive_json() -> None:
    rules = parse_rules(
        [
            {"kind": "fire", "polygon": TRIANGLE, "exclusions": [TRIANGLE[::-1][:3]], "zone": "锅炉"}
            | {"exclusions": [[[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]]},
            {"kind": "stall", "hours": [["22:00", "06:00"]], "permitted": [{"x": 0.5, "y": 0.5}]},
        ]
    )
    assert parse_rules(json.loads(json.dumps(as_json(rules)))) == rules


def test_a_ring_that_ends_where_it_began_is_the_same_zone() -> None:
    (closed,) = parse_rules([{"kind": "fire", "polygon": [*TRIANGLE, TRIANGLE[0]]}])
    assert len(closed.polygon) == 3


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "rules.0.kind"),
        ({"kind": "flood"}, "rules.0.kind"),
        ({"kind": "fire", "polygon": TRIANGLE[:2]}, "rules.0.polygon"),
        ({"kind": "fire", "polygon": [[0.1, 0.1], [1.5, 0.1], [0.5, 0.9]]}, "rules.0.polygon"),
        ({"kind": "fire", "polygon": [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]}, "rules.0.polygon"),
        ({"kind": "fire", "polygon": [[0.1, "left"], [0.9, 0.9], [0.9, 0.1]]}, "rules.0.polygon.0.1"),
        ({"kind": "fire", "polygon": [[0.1, float("nan")], [0.9, 0.9], [0.9, 0.1]]}, "rules.0.polygon.0.1"),
        ({"kind": "fire", "polygon": None}, "rules.0.polygon"),
        ({"kind": "fire", "exclusions": [[[0.1, 0.1]]]}, "rules.0.exclusions"),
        ({"kind": "fire", "exclusions": [EVERYTHING]}, "rules.0.exclusions"),
        ({"kind": "fire", "seen_seconds": 6, "window_seconds": 5}, "rules.0.seen_seconds"),
        ({"kind": "fire", "seen_seconds": -1}, "rules.0.seen_seconds"),
        ({"kind": "fire", "min_score": 1}, "rules.0.min_score"),
        ({"kind": "fire", "zone": "  "}, "rules.0.zone"),
        ({"kind": "fire", "zone": "区" * 51}, "rules.0.zone"),
        ({"kind": "fire", "hours": [["6:00", "9:00"]]}, "rules.0.hours"),
        ({"kind": "fire", "people": 3}, "rules.0.people"),
        ({"kind": "crowd", "people": 301}, "rules.0.people"),
        ({"kind": "crowd", "people": 1}, "rules.0.people"),
        ({"kind": "crowd", "people": 2.5}, "rules.0.people"),
        ({"kind": "crowd", "release_share": 1.1}, "rules.0.release_share"),
        ({"kind": "crowd", "dwell_seconds": 1e9}, "rules.0.dwell_seconds"),
        ({"kind": "stall", "occlusion_seconds": 0}, "rules.0.occlusion_seconds"),
        ({"kind": "stall", "permitted": [{"x": 2, "y": 0}]}, "rules.0.permitted.0.x"),
        ({"kind": "stall", "permitted": [{"x": 0, "y": 0, "hours": [["1", "2"]]}]}, "rules.0.permitted.0.hours"),
        ({"kind": "stall", "attended_only": "perhaps"}, "rules.0.attended_only"),
        ({"kind": "stall", "dwell_seconds": 1800, "hours": [["07:00", "07:30"]]}, "rules.0.hours"),
        ({"kind": "crowd", "dwell_seconds": 600, "hours": [["23:57", "00:03"], ["06:00", "06:05"]]}, "rules.0.hours"),
        ({"kind": "crowd", "polygon": ALONG_THE_TOP}, "rules.0.polygon"),
        ({"kind": "stall", "polygon": ALONG_THE_TOP}, "rules.0.polygon"),
        ({"kind": "stall", "exclusions": [[[0, 0.01], [1, 0.01], [1, 1], [0, 1]]]}, "rules.0.polygon"),
        ("fire", "rules.0"),
        (None, "rules.0"),
    ],
)
def test_a_rule_that_cannot_be_names_its_field(rule: Any, field: str) -> None:
    refused = refusal(rule)
    assert refused.field == field
    assert field in refused.zh
    assert field in refused.en


def test_hours_that_join_are_one_stretch_in_which_a_dwell_may_end() -> None:
    joined = {"kind": "crowd", "dwell_seconds": 600, "hours": [["23:50", "00:00"], ["00:00", "00:10"]]}
    always = {"kind": "stall", "dwell_seconds": 86_400, "hours": [["00:00", "12:00"], ["12:00", "24:00"]]}
    assert len(parse_rules([joined, always])) == 2


def test_what_burns_at_the_upper_edge_is_watched_and_people_as_soon_as_feet_can_be_there() -> None:
    street = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.05], [0.0, 0.05]]
    assert len(parse_rules([{"kind": "fire", "polygon": ALONG_THE_TOP}, {"kind": "crowd", "polygon": street}])) == 2


def test_a_rule_that_was_armed_before_is_read_though_it_never_fires() -> None:
    (kept,) = parse_kept([{"kind": "stall", "dwell_seconds": 1800, "hours": [["07:00", "07:10"]]}]).usable
    assert kept.hours == (("07:00", "07:10"),)
    assert parse_kept([{"kind": "crowd", "polygon": ALONG_THE_TOP}]).usable


def test_of_rules_that_were_armed_before_those_that_cannot_be_used_are_told_beside_the_others() -> None:
    past = {"kind": "crowd", "zone": "校门", "people": 0}
    kept = parse_kept([{"kind": "fire"}, past, "nonsense", {"kind": "stall"}])
    assert [rule.kind for rule in kept.usable] == ["fire", "stall"]
    assert [(one.rule, one.why.field) for one in kept.unusable] == [(past, "rules.1.people"), ("nonsense", "rules.2")]


def test_the_number_of_the_wrong_rule_is_named() -> None:
    assert refusal({"kind": "fire"}, {"kind": "crowd", "people": 0}).field == "rules.1.people"


def test_two_zones_of_one_hazard_have_two_names() -> None:
    assert refusal(*({"kind": kind, "zone": "gate"} for kind in ("fire", "crowd", "fire"))).field == "rules.2.zone"


@pytest.mark.parametrize("name", ["gate\0", "gate\u200b", "\u200b", "\u202etag"])
def test_a_name_with_signs_that_nobody_sees_is_refused(name: str) -> None:
    """One of them no database keeps: the rules were refused with no reason at all."""
    assert refusal({"kind": "fire", "zone": "gate"}, {"kind": "fire", "zone": name}).field == "rules.1.zone"
    assert parse_rules([{"kind": "fire", "zone": "东门　广场"}])


def test_zones_of_two_hazards_may_share_a_name() -> None:
    assert len(parse_rules([{"kind": "fire", "zone": "东门"}, {"kind": "crowd", "zone": "东门"}])) == 2


@pytest.mark.parametrize("rules", [None, "fire", {"kind": "fire"}, 3])
def test_what_is_no_list_is_refused(rules: object) -> None:
    with pytest.raises(RulesRefused) as caught:
        parse_rules(rules)
    assert caught.value.field == "rules"


def test_rules_of_more_corners_than_a_look_can_be_held_against_are_refused_and_kept_ones_watch_on() -> None:
    """Those of one camera held up the look at all others, for a quarter of a second and more."""
    outline = [[round(0.5 + 0.4 * math.cos(n / 32), 6), round(0.5 + 0.4 * math.sin(n / 32), 6)] for n in range(200)]
    large = [
        {
            "kind": "fire",
            "zone": str(number),
            "polygon": outline[number::4][:50],
            "exclusions": [outline[::4][:40]] * 16,
        }
        for number in range(4)
    ]
    assert len(parse_rules(large[:2])) == 2
    refused = refusal(*large)
    assert (refused.reason, refused.field) == ("rules_too_large", "rules")
    assert str(MOST_CORNERS) in refused.zh
    assert len(parse_kept(large).usable) == 4


def test_rules_without_end_are_refused() -> None:
    assert refusal(*({"kind": "fire", "zone": str(number)} for number in range(33))).reason == "rules_too_many"
