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
from detectors.watch import CameraWatch, RuleKey

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


def beside(at: float) -> Detection:
    """A flame that reaches out of the lantern's box."""
    top = 0.32 + 0.03 * math.sin(at * 5.1)
    return Detection("fire", 0.8, Box(0.4, top, 0.6, 0.6), 0.8, 0.05, FLAME)


def test_a_fire_beside_a_rejected_lantern_that_has_hung_there_for_minutes_is_told_as_fast_as_any() -> None:
    """The lantern's looks outweighed those of the flames, and three times the proof was asked of them."""
    hung = [Look(n / 2, (glow(n / 2),) if n % 12 < 2 else ()) for n in range(400)]
    burns = [Look(n / 2, (beside(n / 2),)) for n in range(400, 600)]
    told = hazards(judged(FireRuleConfig(), hung + burns, REJECTED))
    assert [one.fired_at for one in told] == [pytest.approx(203, abs=1)]


def rejected_while(rule: RuleConfig, before: list[Look], rejection: Suppression, after: list[Look]) -> list[float]:
    """When it fires for another hazard than the one that was rejected while it fired."""
    watch = CameraWatch([rule])
    said = [verdict for look in before for _, verdict in watch.observe(look)]
    assert said[-1].phase == "firing"
    watch.replace([rule], (rejection,))
    watch.dismiss(RuleKey(rule.kind, rule.zone), before[-1].at)
    return [look.at for look in after for _, verdict in watch.observe(look) if verdict.phase == "firing"]


def test_what_was_rejected_while_it_burnt_is_judged_no_more_and_a_fire_near_it_is() -> None:
    """One run of a hazard went on over both, and nobody was told of the fire."""
    lantern = [Look(n / 2, (glow(n / 2),)) for n in range(40)]
    stays = [Look(n / 2, (glow(n / 2),) if n % 40 < 20 else ()) for n in range(40, 600)]
    assert rejected_while(FireRuleConfig(), lantern, REJECTED, stays) == []
    far = Detection("fire", 0.8, Box(0.1, 0.1, 0.2, 0.2), 0.8, 0.05, FLAME)
    apart = [Look(n / 2, (glow(n / 2), far)) for n in range(40, 60)]
    touching = [Look(n / 2, (glow(n / 2), beside(n / 2))) for n in range(40, 60)]
    for burns in (apart, touching):
        assert rejected_while(FireRuleConfig(), lantern, REJECTED, burns)[0] == pytest.approx(23, abs=1)
    longer = [Look(n / 2, (glow(n / 2),)) for n in range(40, 100)]
    lapsing = replace(REJECTED, until=30.0)
    assert rejected_while(FireRuleConfig(), lantern, lapsing, longer)[0] == pytest.approx(33, abs=1)


def test_a_lantern_rejected_while_it_fired_keeps_no_camera_awake_and_a_flame_beside_it_does() -> None:
    watch = CameraWatch([FireRuleConfig()])
    for n in range(40):
        watch.observe(Look(n / 2, (glow(n / 2),)))
    watch.replace([FireRuleConfig()], (REJECTED,))
    watch.dismiss(RuleKey("fire", FireRuleConfig().zone), 19.5)
    ((_, verdict),) = watch.observe(Look(20.0, (glow(20.0),)))
    assert (verdict.phase, watch.next_look_within) == ("idle", 2)
    ((_, verdict),) = watch.observe(Look(22.0, (glow(22.0), beside(22.0))))
    assert (verdict.phase, watch.next_look_within) == ("candidate", 0.5)


def test_a_fire_rejected_while_it_burnt_that_is_there_still_is_told_again_after_half_an_hour() -> None:
    """It was silent for a day: an officer's slip would have been the end of it."""
    begun = [Look(n / 2, (glow(n / 2),)) for n in range(40)]
    burns_on = [Look(20 + float(n), (glow(float(n)),)) for n in range(2000)]
    told = rejected_while(FireRuleConfig(), begun, REJECTED, burns_on)
    assert told[0] == pytest.approx(20 + 1800, abs=2)


def test_a_fire_that_had_outgrown_what_was_rejected_goes_on_as_another_one() -> None:
    small = [Look(n / 2, (glow(n / 2),)) for n in range(20)]
    grown = [Look(n / 2, (glow(n / 2, grown=0.3),)) for n in range(20, 30)]
    assert rejected_while(FireRuleConfig(), small + grown, REJECTED, [Look(15.0, (glow(15.0, grown=0.3),))]) == [15.0]


def test_a_stall_rejected_while_it_stood_is_held_back_and_another_one_is_told() -> None:
    config = StallRuleConfig(dwell_seconds=60)
    rejection = Suppression("r3", "stall", "全画面", until=9000.0, box=BOX, appearance=LANTERN)

    def stall(box: Box) -> Detection:
        return Detection("stall", 0.8, box, appearance=LANTERN)

    before = [Look(5.0 * n, (stall(BOX),)) for n in range(20)]
    trembling = [Box(0.4, 0.4, 0.515, 0.6) if n % 3 == 0 else BOX for n in range(60)]
    stays = [Look(100 + 5.0 * n, (stall(box),)) for n, box in enumerate(trembling)]
    assert rejected_while(config, before, rejection, stays) == []
    other = [Look(100 + 5.0 * n, (stall(BOX), stall(Box(0.7, 0.4, 0.8, 0.6)))) for n in range(20)]
    assert rejected_while(config, before, rejection, other)[0] == 160.0


STALL_REJECTED = Suppression("r3", "stall", "全画面", until=9000.0, box=BOX, appearance=LANTERN)
TALLER = Box(0.4, 0.36, 0.5, 0.6)
"""The same stall as a detector sees it now and then; the rejection does not cover it."""


def stall_looks(boxes: list[Box], begin: int = 0) -> list[Look]:
    return [
        Look(5.0 * n, (Detection("stall", 0.8, box, appearance=LANTERN),)) for n, box in enumerate(boxes, start=begin)
    ]


def test_a_stall_whose_box_trembled_at_the_moment_of_its_rejection_is_held_back_all_the_same() -> None:
    """It fired again at the next look, and the rejection never took hold."""
    before = stall_looks([*[BOX] * 19, TALLER])
    assert rejected_while(StallRuleConfig(dwell_seconds=60), before, STALL_REJECTED, stall_looks([BOX] * 60, 20)) == []


def test_a_stall_that_is_seen_again_as_it_was_rejected_fires_no_more_though_it_was_seen_larger_for_a_while() -> None:
    before = stall_looks([*[BOX] * 15, *[TALLER] * 5])
    again = rejected_while(StallRuleConfig(dwell_seconds=60), before, STALL_REJECTED, stall_looks([BOX] * 60, 20))
    assert again == []


def test_what_is_held_back_keeps_no_camera_awake_and_no_clip_going() -> None:
    """A rejected stall, and a rejected gathering, were as good as about to fire for as long as they stayed."""
    crowd = tuple(Detection("person", 0.8, Box(0.1 * n, 0.2, 0.1 * n + 0.05, 0.5)) for n in range(5))
    gathering = [Look(2.0 * n, crowd) for n in range(60)]
    for config, looks, rejection in (
        (StallRuleConfig(dwell_seconds=60), stall_looks([BOX] * 60), STALL_REJECTED),
        (
            CrowdRuleConfig(people=3, dwell_seconds=10),
            gathering,
            Suppression("r2", "crowd", "全画面", until=9000.0, people=5),
        ),
    ):
        watch, idle = CameraWatch([config], (rejection,)), CameraWatch([config])
        idle.observe(Look(0.0, ()))
        said = [verdict for look in looks for _, verdict in watch.observe(look)]
        assert {(one.phase, one.progress) for one in said} == {("idle", 0.0)}
        assert said[-1].held_back == (rejection.id,)
        assert (watch.next_look_within, watch.urgency) == (idle.next_look_within, idle.urgency)


def test_a_stall_beside_one_that_is_held_back_comes_as_near_to_firing_as_any() -> None:
    config = StallRuleConfig(dwell_seconds=60)
    beside_it = Detection("stall", 0.8, Box(0.7, 0.4, 0.8, 0.6), appearance=LANTERN)
    looks = [
        *stall_looks([BOX] * 20),
        *(Look(n * 5.0, (*stall_looks([BOX])[0].detections, beside_it)) for n in range(20, 40)),
    ]
    said = judged(config, looks, STALL_REJECTED)
    assert [one.at for one in said if one.verdict.phase == "half_way"][:1] == [130.0]
    assert hazards(said)[0].fired_at == 160.0


def test_a_gathering_rejected_while_it_lasted_is_told_again_once_it_has_grown() -> None:
    config = CrowdRuleConfig(people=3, dwell_seconds=10)
    rejection = Suppression("r2", "crowd", "全画面", until=1000.0, people=5)

    def looks(people: int, begin: int) -> list[Look]:
        crowd = tuple(Detection("person", 0.8, Box(0.1 * n, 0.2, 0.1 * n + 0.05, 0.5)) for n in range(people))
        return [Look(2.0 * n, crowd) for n in range(begin, begin + 20)]

    assert rejected_while(config, looks(5, 0), rejection, looks(5, 20)) == []
    assert rejected_while(config, looks(5, 0), rejection, looks(8, 20))[0] == pytest.approx(42, abs=4)


@pytest.mark.parametrize("window", [5.0, 30.0])
def test_what_is_dead_still_and_rejected_is_asked_for_three_minutes_and_not_silenced_by_any_rule(window: float) -> None:
    """A rule of five out of five seconds threw away the look by which they would have been whole, at every look."""
    at, looks_ = 0.0, []
    for number in range(800):
        glowing = replace(glow(0.0), score=0.95, closer=0.95, stir=0.0005, judged=0.95)
        looks_.append(Look(at, (glowing,)))
        at += (0.45, 0.7, 0.55, 0.4, 0.65)[number % 5]
    (hazard,) = hazards(judged(FireRuleConfig(seen_seconds=window, window_seconds=window), looks_, REJECTED))
    assert hazard.fired_at == pytest.approx(180, abs=2)


def test_a_rule_that_asks_for_no_time_asks_for_three_times_as_much_of_what_was_rejected() -> None:
    """It fired at the first look, whatever an officer had said."""
    config = FireRuleConfig(seen_seconds=0)
    (plain,), (rejected,) = (hazards(judged(config, fire_looks(20), *some)) for some in ((), (REJECTED,)))
    assert (plain.fired_at, rejected.fired_at) == (1.0, 3.0)


def test_stalls_that_were_rejected_hide_no_new_one() -> None:
    """Sixteen of them took all the room there was."""
    boxes = [Box(0.16 * (n % 6), 0.1 + 0.12 * (n // 6), 0.16 * (n % 6) + 0.1, 0.2 + 0.12 * (n // 6)) for n in range(20)]
    rejections = [
        Suppression(f"r{n}", "stall", "全画面", until=10_000.0, box=box, appearance=LANTERN)
        for n, box in enumerate(boxes)
    ]
    stalls = tuple(Detection("stall", 0.6, box, appearance=LANTERN) for box in boxes)
    new = Detection("stall", 0.6, Box(0.8, 0.85, 0.95, 0.98), appearance=FLAME)
    looks_ = [Look(5.0 * n, stalls if n < 12 else (*stalls, new)) for n in range(100)]
    (hazard,) = hazards(judged(StallRuleConfig(), looks_, *rejections))
    assert hazard.hazard_from == 60
