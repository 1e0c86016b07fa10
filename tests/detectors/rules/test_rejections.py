"""What an officer rejected: that place and appearance alone, for a while; a fire is never silenced by it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from detectors.appearance import alike, appearance
from detectors.observation import Box, Detection, Look
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig, StallRuleConfig
from detectors.rules.making import make_rule
from detectors.rules.replay import Judgement, hazards, replay
from detectors.suppression import Suppression, of_view, parse

BOX = Box(0.4, 0.4, 0.5, 0.6)
LANTERN, FLAME = (200, *[0] * 26, 56), (0, 0, 200, *[0] * 24, 56)
REJECTED = Suppression("r1", "fire", "全画面", until=10_000.0, box=BOX, appearance=LANTERN)


def glow(at: float, look: tuple[int, ...] = LANTERN, grown: float = 0.0) -> Detection:
    top = 0.42 + 0.02 * math.sin(at * 7.3) - grown
    return Detection("fire", 0.6, Box(0.4, top, 0.5, 0.6), 0.6, 0.05, look)


def judged(config: RuleConfig, looks: list[Look], *rejections: Suppression) -> list[Judgement]:
    return list(replay(make_rule(config, rejections), looks))


def fire_looks(until: float, **changes: object) -> list[Look]:
    return [Look(n / 2, (glow(n / 2, **changes),)) for n in range(int(until * 2))]  # type: ignore[arg-type]


def fired_at(*rejections: Suppression, **changes: object) -> float:
    (hazard,) = hazards(judged(FireRuleConfig(), fire_looks(60, **changes), *rejections))
    return hazard.fired_at


def test_a_rejected_fire_needs_three_times_as_long_and_is_not_silenced() -> None:
    assert fired_at() == pytest.approx(3, abs=0.5)
    assert 8 <= fired_at(REJECTED) <= 10


def test_what_it_held_back_is_said_while_it_does() -> None:
    said = judged(FireRuleConfig(), fire_looks(12), REJECTED)
    held = [one.at for one in said if one.verdict.held_back == ("r1",)]
    assert held
    assert min(held) == pytest.approx(3, abs=0.5)
    assert max(held) < fired_at(REJECTED)


@pytest.mark.parametrize(
    ("rejection", "changes"),
    [
        (REJECTED, {"look": FLAME}),
        (REJECTED, {"grown": 0.15}),
        (replace(REJECTED, box=Box(0.1, 0.1, 0.2, 0.3)), {}),
        (replace(REJECTED, zone="别处"), {}),
        (replace(REJECTED, until=0.0), {}),
    ],
    ids=["other appearance", "larger", "elsewhere", "other zone", "lapsed"],
)
def test_anything_else_alerts_as_ever(rejection: Suppression, changes: dict[str, object]) -> None:
    assert fired_at(rejection, **changes) == fired_at(**changes)


def test_a_rejected_gathering_is_held_back_until_it_has_grown() -> None:
    config = CrowdRuleConfig(people=3, dwell_seconds=10)
    rejection = Suppression("r2", "crowd", "全画面", until=1000.0, people=5)

    def looks(people: int) -> list[Look]:
        crowd = tuple(Detection("person", 0.8, Box(0.1 * n, 0.2, 0.1 * n + 0.05, 0.5)) for n in range(people))
        return [Look(2.0 * n, crowd) for n in range(20)]

    held = judged(config, looks(5), rejection)
    assert hazards(held) == ()
    assert held[-1].verdict.held_back == ("r2",)
    assert hazards(judged(config, looks(7), rejection))


def test_a_rejected_stall_is_held_back_at_its_place_and_another_one_is_told() -> None:
    config = StallRuleConfig(dwell_seconds=60)
    rejection = Suppression("r3", "stall", "全画面", until=1000.0, box=BOX, appearance=LANTERN)

    def looks(box: Box) -> list[Look]:
        return [Look(5.0 * n, (Detection("stall", 0.8, box, appearance=LANTERN),)) for n in range(20)]

    held = judged(config, looks(BOX), rejection)
    assert hazards(held) == ()
    assert held[-1].verdict.held_back == ("r3",)
    assert hazards(judged(config, looks(Box(0.7, 0.4, 0.8, 0.6)), rejection))


def test_an_appearance_tells_a_red_lantern_from_a_yellow_flame_and_bears_dusk() -> None:
    red, yellow = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    red[:] = (30, 30, 200)
    yellow[:] = (40, 200, 250)
    darker = (red * 0.97).astype(np.uint8)
    whole = Box(0, 0, 1, 1)
    assert alike(appearance(red, whole), appearance(darker, whole)) > 0.9
    assert alike(appearance(red, whole), appearance(yellow, whole)) < 0.1
    assert alike((), appearance(red, whole)) == 0


def test_what_was_rejected_in_one_view_holds_in_that_one_alone() -> None:
    facts = {"id": "r1", "hazard": "fire", "zone": "全画面", "until": 10_000.0}
    at_gate, never_steered, unstored = (parse({**facts, **view}) for view in ({"view": "7"}, {}, {"view": None}))
    every = (at_gate, never_steered, unstored)
    assert [of_view(every, view) for view in ("7", "", None, "8")] == [(at_gate,), (never_steered,), (unstored,), ()]
    with pytest.raises(TypeError):
        parse({**facts, "view": 7})
