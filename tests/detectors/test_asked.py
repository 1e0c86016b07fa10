"""What a rule needs beyond the picture, and whether a look of other rules' time had it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors.asked import NOTHING_MORE, Asked, falls_short
from detectors.card import Card, Counting, Cues, Density
from detectors.observation import Box, Detection, Look
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig, StallRuleConfig
from detectors.watch import CameraWatch

CUES = Cues("cues.onnx", "ab" * 32, ("umbrella", "cart"), {"umbrella": 0.5, "cart": 0.5}, (96, 160))
DENSITY = Density("density.onnx", "ab" * 32, 5, 0.4, 1024)
PLAIN = Card("made", "ab" * 32, ("person", "fire", "stall"), (96, 160), 32, {"person": 0.5}, "fp32", "")
CARD = replace(PLAIN, density=DENSITY, cues=CUES)
GATE = ((0.4, 0.5), (0.6, 0.5), (0.6, 0.7), (0.4, 0.7))


def people(number: int, high: float = 0.1) -> Look:
    return Look(
        0.0, tuple(Detection("person", 0.9, Box(0.05 * n, 0.5, 0.05 * n + 0.02, 0.5 + high)) for n in range(number))
    )


@pytest.mark.parametrize(
    ("look", "rule", "card", "short"),
    [
        (people(8), CrowdRuleConfig(people=15), CARD, True),
        (people(8, high=0.45), CrowdRuleConfig(people=15), CARD, False),  # too near for a density: boxes tell
        (people(4), CrowdRuleConfig(people=15), CARD, False),
        (people(8), CrowdRuleConfig(people=6), CARD, False),  # as many as it waits for
        (people(8), CrowdRuleConfig(people=6, polygon=GATE), CARD, True),  # of whom two stand in its zone
        (people(8), CrowdRuleConfig(people=15), PLAIN, False),
        (people(8, high=0.45), CrowdRuleConfig(people=15), replace(PLAIN, counting=Counting(2, 1, 0.1, 6, 0.5)), True),
        (people(8), CrowdRuleConfig(people=15, hours=(("20:00", "21:00"),)), CARD, False),
        (people(8), FireRuleConfig(), CARD, False),
    ],
)
def test_a_rule_for_people_needs_a_count_with_care_only_of_many_and_only_while_boxes_show_too_few(
    look: Look, rule: RuleConfig, card: Card, short: bool
) -> None:
    assert falls_short(NOTHING_MORE, rule, look, card) is short
    assert not falls_short(Asked(counted=True), rule, look, card)


@pytest.mark.parametrize(
    ("zone", "short"),
    [
        (GATE, False),
        (tuple((x + 0.04, y - 0.04) for x, y in GATE), False),  # redrawn by a little
        (tuple((x + 0.2, y) for x, y in GATE), True),
        (tuple((x, y - 0.2) for x, y in GATE), True),
        (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), True),
    ],
)
def test_a_rule_for_stalls_needs_their_parts_to_be_looked_for_where_it_lies(
    zone: tuple[tuple[float, float], ...], short: bool
) -> None:
    rule, look = StallRuleConfig(polygon=zone), Look(0.0, ())
    live = Asked(stalls=CameraWatch([StallRuleConfig(polygon=GATE)]).stalls_within(0.0))
    assert falls_short(live, rule, look, CARD) is short
    assert falls_short(NOTHING_MORE, rule, look, CARD)
    assert not falls_short(NOTHING_MORE, rule, look, PLAIN), "these weights look for no parts"
