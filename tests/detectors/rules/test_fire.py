"""Fire: what burns is told within seconds and once; what passes or blinks is not; a lamp is asked for more proof."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.observation import Box, Detection, Look
from detectors.rules.config import FireRuleConfig
from detectors.rules.fire import FireRule
from detectors.rules.fire_spots import Spot
from detectors.rules.replay import Hazard, hazards, replay
from detectors.rules.rule import LATE, LONGEST_ABSENCE, LONGEST_GAP, Verdict

FLAME = Box(0.4, 0.4, 0.5, 0.6)
Seen = Callable[[float], tuple[Detection, ...]]


def flame(at: float, *, label: str = "fire", score: float = 0.6, x: float = 0.0) -> Detection:
    """A flame whose height changes by a tenth or so, as flames' do."""
    top = 0.4 + 0.02 * math.sin(at * 7.3)
    return Detection(label, score, Box(0.4 + x, top, 0.5 + x, 0.6))


def lamp() -> Detection:
    return Detection("fire", 0.6, FLAME)


def looks(seen: Seen, until: float, every: float = 0.5, start: float = 0.0) -> list[Look]:
    return [Look(start + n * every, seen(start + n * every)) for n in range(int((until - start) / every) + 1)]


def judged(looks_: list[Look], **config: object) -> tuple[Hazard, ...]:
    return hazards(replay(FireRule(FireRuleConfig.model_validate(config)), looks_))


def verdicts(looks_: list[Look], **config: object) -> list[Verdict]:
    return [one.verdict for one in replay(FireRule(FireRuleConfig.model_validate(config)), looks_)]


def test_an_empty_street_is_looked_at_every_two_seconds() -> None:
    (verdict,) = verdicts([Look(0, ())])
    assert (verdict.phase, verdict.progress, verdict.next_look_within) == ("idle", 0, 2)


def test_a_first_flame_makes_the_looks_faster() -> None:
    (verdict,) = verdicts([Look(0, (flame(0),))])
    assert (verdict.phase, verdict.next_look_within, verdict.hazard_from) == ("candidate", 0.5, 0)


def test_a_flame_seen_for_three_seconds_fires_and_the_hazard_begins_with_its_first_look() -> None:
    (hazard,) = judged(looks(lambda at: (flame(at),) if at >= 2 else (), 20))
    assert hazard.hazard_from == 2
    assert hazard.fired_at == pytest.approx(5, abs=0.5)
    assert hazard.released_at is None


def test_half_way_comes_before_firing() -> None:
    phases = [verdict.phase for verdict in verdicts(looks(lambda at: (flame(at),), 4))]
    assert [phase for n, phase in enumerate(phases) if n == 0 or phases[n - 1] != phase] == [
        "candidate",
        "half_way",
        "firing",
    ]


def test_a_fire_that_is_told_is_looked_at_no_more_often_than_an_empty_street() -> None:
    """Five fires on fifty cameras kept five awake for as long as they burnt, and the others' looks were dropped."""
    said = verdicts(looks(lambda at: (flame(at),), 20))
    assert {one.next_look_within for one in said if one.phase == "firing"} == {2}
    assert {one.next_look_within for one in said if one.phase != "firing"} == {0.5}


def test_a_flame_that_is_missed_in_every_third_look_still_fires_in_ten_seconds() -> None:
    (hazard,) = judged(looks(lambda at: () if round(at * 2) % 3 == 2 else (flame(at),), 20))
    assert hazard.fired_at <= 10


def test_what_was_proved_while_it_was_hidden_fires_at_the_next_look_that_sees_it() -> None:
    """The window had moved on by then: flames that two of three looks see were told seconds later."""
    times = {0: True, 1: True, 1.7: True, 3: False, 3.9: True, 5: False, 5.5: False, 5.9: True}
    flames = [Look(at, (flame(at),) if there else ()) for at, there in times.items()]
    said = verdicts(flames)
    assert [verdict.phase for verdict in said][-2:] == ["half_way", "firing"]
    lamp = Detection("fire", 0.6, Box(0.4, 0.4, 0.5, 0.6), stir=0.002)
    steady = [Look(at, (lamp,) if there else ()) for at, there in times.items()]
    assert "firing" not in {verdict.phase for verdict in verdicts(steady)}


@pytest.mark.parametrize("every", [0.5, 0.6, 1.7, 2.0, 2.4, 4.0])
@pytest.mark.parametrize("seconds", [1.5, 5.0, 30.0])
def test_a_flame_asked_for_all_the_time_fires_however_the_looks_come(every: float, seconds: float) -> None:
    """The window began between two looks: of five seconds at most 4.8 were seen, and nothing ever fired."""
    asked = {"seen_seconds": seconds, "window_seconds": seconds, "steady_seconds": 0}
    (hazard,) = judged(looks(lambda at: (flame(at),), 120, every), **asked)
    assert seconds <= hazard.fired_at <= max(seconds, 2 * every) + every
    blinking = looks(lambda at: () if round(at / every) % 3 == 2 else (flame(at),), 120, every)
    assert every > 2 or seconds < 5 or not judged(blinking, **asked)


def test_what_is_seen_in_every_third_look_does_not_fire() -> None:
    assert judged(looks(lambda at: (flame(at),) if round(at * 2) % 3 == 0 else (), 120)) == ()


def test_a_flash_of_a_second_does_not_fire_and_is_forgotten() -> None:
    said = verdicts(looks(lambda at: (flame(at),) if at <= 1 else (), 10))
    assert "firing" not in [verdict.phase for verdict in said]
    assert said[-1].phase == "idle"


def test_three_looks_are_needed_however_long_they_take() -> None:
    assert judged(looks(lambda at: (flame(at),), 4, every=4.0)) == ()


@pytest.mark.parametrize("every", [0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 14.0])
def test_however_slowly_looks_come_a_fire_is_told_within_thirty_seconds(every: float) -> None:
    (hazard,) = judged(looks(lambda at: (flame(at),), 60, every=every))
    assert hazard.fired_at <= 30


def test_smoke_alone_fires_unless_it_is_turned_off() -> None:
    smoke = looks(lambda at: (flame(at, label="smoke"),), 10)
    assert judged(smoke)
    assert not judged(smoke, smoke=False)


def test_people_and_stalls_are_no_fire() -> None:
    assert judged(looks(lambda at: (flame(at, label="person"), flame(at, label="stall")), 20)) == ()


def test_a_flame_in_pieces_with_its_smoke_is_one_place() -> None:
    def pieces(at: float) -> tuple[Detection, ...]:
        return (
            Detection("fire", 0.5, Box(0.40, 0.5, 0.45, 0.6)),
            Detection("fire", 0.6, Box(0.44, 0.45, 0.5, 0.6)),
            Detection("smoke", 0.4, Box(0.38, 0.1, 0.55, 0.46 + 0.03 * math.sin(at * 5))),
        )

    said = verdicts(looks(pieces, 8))
    assert said[-1].phase == "firing"
    assert said[-1].why["spots"] == 1
    assert said[-1].why["labels"] == ["fire", "smoke"]
    assert said[-1].score == 0.6


def test_smoke_and_flame_that_are_seen_in_turn_are_one_hazard() -> None:
    (hazard,) = judged(looks(lambda at: (flame(at, label="fire" if round(at * 2) % 2 else "smoke"),), 10))
    assert hazard.fired_at <= 4


def test_a_red_car_that_drives_through_does_not_fire() -> None:
    def car(at: float) -> tuple[Detection, ...]:
        x = at / 10
        return (Detection("fire", 0.8, Box(x, 0.5, x + 0.12, 0.6 + 0.02 * math.sin(at * 9))),) if x < 0.85 else ()

    assert judged(looks(car, 20)) == ()


def test_blinks_all_over_the_picture_do_not_add_up() -> None:
    def blinks(at: float) -> tuple[Detection, ...]:
        x = (at * 0.37) % 0.9
        return (Detection("fire", 0.9, Box(x, 0.1, x + 0.03, 0.15)),)

    assert judged(looks(blinks, 20)) == ()


def test_a_steady_light_is_asked_for_more_proof_and_still_told_within_thirty_seconds() -> None:
    (hazard,) = judged(looks(lambda at: (lamp(),), 40))
    assert 10 < hazard.fired_at <= 30


def test_a_light_that_burns_for_ten_seconds_does_not_fire() -> None:
    assert judged(looks(lambda at: (lamp(),) if at < 10 else (), 30)) == ()


def test_a_flame_that_grows_without_flicker_is_no_lamp() -> None:
    def growing(at: float) -> tuple[Detection, ...]:
        return (Detection("fire", 0.6, Box(0.4, 0.6 - 0.1 - 0.01 * at, 0.5, 0.6)),)

    (hazard,) = judged(looks(growing, 20))
    assert hazard.fired_at <= 10


def test_a_fire_is_one_hazard_while_it_burns_however_often_smoke_hides_it() -> None:
    (hazard,) = judged(looks(lambda at: () if at % 20 > 16 else (flame(at),), 300))
    assert hazard.released_at is None


def test_a_fire_that_is_out_is_released_once_and_then_idle() -> None:
    phases = [verdict.phase for verdict in verdicts(looks(lambda at: (flame(at),) if at <= 10 else (), 30))]
    assert phases.count("released") == 1
    assert set(phases[phases.index("released") + 1 :]) == {"idle"}


def test_a_fire_that_comes_back_after_its_release_must_prove_itself_again() -> None:
    first, second = judged(looks(lambda at: (flame(at),) if at <= 10 or at >= 40 else (), 60))
    assert first.released_at == pytest.approx(15, abs=1)
    assert second.hazard_from == 40


def test_a_second_fire_elsewhere_keeps_the_hazard_going() -> None:
    def two(at: float) -> tuple[Detection, ...]:
        return (flame(at),) if at < 10 else (flame(at, x=0.4),)

    (hazard,) = judged(looks(two, 30))
    assert hazard.released_at is None or hazard.released_at > 30


def test_a_weak_flame_below_the_operators_score_is_left_out() -> None:
    assert judged(looks(lambda at: (flame(at, score=0.4),), 20), min_score=0.5) == ()


def test_a_fire_that_reaches_into_the_zone_counts() -> None:
    right = [[0.45, 0.0], [1.0, 0.0], [1.0, 1.0], [0.45, 1.0]]
    assert judged(looks(lambda at: (flame(at),), 20), polygon=right)
    far = [[0.6, 0.0], [1.0, 0.0], [1.0, 1.0], [0.6, 1.0]]
    assert not judged(looks(lambda at: (flame(at),), 20), polygon=far)


def test_a_chimney_in_an_exclusion_is_left_out_but_not_what_outgrows_it() -> None:
    chimney = [[0.35, 0.3], [0.55, 0.3], [0.55, 0.7], [0.35, 0.7]]
    assert not judged(looks(lambda at: (flame(at),), 20), exclusions=[chimney])

    def outgrowing(at: float) -> tuple[Detection, ...]:
        return (Detection("fire", 0.6, Box(0.3, 0.2 + 0.03 * math.sin(at * 5), 0.7, 0.7)),)

    assert judged(looks(outgrowing, 20), exclusions=[chimney])


def test_a_light_in_an_exclusion_at_the_edge_of_the_zone_is_left_out_though_it_reaches_beyond_both() -> None:
    left = [[0.0, 0.0], [0.46, 0.0], [0.46, 1.0], [0.0, 1.0]]
    lamp_post = [[0.36, 0.3], [0.46, 0.3], [0.46, 0.7], [0.36, 0.7]]
    assert judged(looks(lambda at: (flame(at),), 20), polygon=left)
    assert not judged(looks(lambda at: (flame(at),), 20), polygon=left, exclusions=[lamp_post])


def test_outside_its_hours_nothing_fires_and_looks_are_rare() -> None:
    # The epoch began at 08:00 in Shanghai.
    said = verdicts(looks(lambda at: (flame(at),), 20), hours=[["09:00", "10:00"]])
    assert {verdict.phase for verdict in said} == {"idle"}
    assert said[0].next_look_within > 2


def test_the_end_of_the_hours_releases_what_fired() -> None:
    seen = looks(lambda at: (flame(at),), 60 + 30, start=0)
    (hazard,) = judged(seen, hours=[["08:00", "08:01"]])
    assert hazard.released_at == 60


def test_a_gap_between_looks_forgets_a_candidate() -> None:
    before = looks(lambda at: (flame(at),), 2)
    after = LONGEST_GAP + 3
    said = verdicts([*before, Look(after, (flame(after),))])
    assert said[-2].phase == "half_way"
    assert said[-1].phase == "candidate"
    assert said[-1].hazard_from == after


def test_a_gap_does_not_release_a_fire_that_nobody_saw_go_out() -> None:
    seen = [*looks(lambda at: (flame(at),), 5), *looks(lambda at: (flame(at),), 60, start=50)]
    (hazard,) = judged(seen)
    assert hazard.released_at is None


def test_after_a_gap_a_fire_that_is_out_is_released_at_the_first_look() -> None:
    (hazard,) = judged([*looks(lambda at: (flame(at),), 5), *looks(lambda at: (), 60, start=50)])
    assert hazard.released_at == 50


@pytest.mark.parametrize("place", [0.0, 0.3])
def test_what_burns_after_hours_in_which_nobody_looked_is_another_fire(place: float) -> None:
    """It was the fire of ten hours ago that burnt on, wherever in the zone it was; nobody was told."""
    back = looks(lambda at: (flame(at, x=place),), 36_010, start=36_000)
    first, second = judged([*looks(lambda at: (flame(at),), 5), *back])
    assert first.released_at == 36_000
    assert (second.hazard_from, second.released_at) == (36_000, None)
    assert second.fired_at == pytest.approx(36_003, abs=0.5)


@pytest.mark.parametrize("every", [16.0, 20.0, LONGEST_ABSENCE])
def test_a_fire_is_told_at_its_third_sighting_though_looks_come_slowly(every: float) -> None:
    """Beyond a quarter of a minute it was never told, whatever burnt."""
    (hazard,) = judged(looks(lambda at: (flame(at),), 3600, every=every))
    assert (hazard.hazard_from, hazard.fired_at, hazard.released_at) == (0, 2 * every, None)


def test_of_what_is_seen_seldom_every_third_look_alone_makes_no_fire() -> None:
    assert judged(looks(lambda at: (flame(at),) if at % 60 == 0 else (), 3600, every=20.0)) == ()


@pytest.mark.parametrize("every", [7.0, 10.0, 30.0])
def test_one_slow_look_that_misses_a_fire_ends_none(every: float) -> None:
    """Ten seconds apart, a fire that one look in ten missed was told every few minutes, as another one each time."""
    (hazard,) = judged(looks(lambda at: (flame(at),) if round(at / every) % 5 != 3 else (), 1800, every))
    assert hazard.released_at is None
    (out,) = judged(looks(lambda at: (flame(at),) if at <= 20 * every else (), 1800, every))
    assert out.released_at == 22 * every


def test_of_looks_more_than_a_minute_apart_nothing_can_be_told() -> None:
    assert judged(looks(lambda at: (flame(at),), 7200, every=LONGEST_ABSENCE + 1)) == ()


def test_of_the_time_between_slow_looks_no_more_is_believed_than_between_any() -> None:
    (slow,) = judged(looks(lambda at: (lamp(),), 3600, every=40.0), steady_seconds=30.0)
    assert slow.fired_at == 80
    proof = judged(looks(lambda at: (replace(lamp(), stir=0.0005, closer=0.9, judged=0.9),), 3600, every=40.0))
    assert [hazard.fired_at for hazard in proof] == [160], "a minute of what is dead still: four times fifteen seconds"


def test_a_rule_that_asks_for_no_time_still_asks_for_three_sightings() -> None:
    """One faint box was a fire at the first look."""
    said = verdicts(looks(lambda at: (flame(at, score=0.3),), 3), seen_seconds=0)
    assert [verdict.phase == "firing" for verdict in said] == [False, False, *[True] * 5]


def test_a_late_look_changes_nothing() -> None:
    seen = looks(lambda at: (flame(at),), 2)
    said = verdicts([*seen, Look(1.0, ()), Look(2.0, ())])
    assert said[-1] == said[-2] == said[-3]


def test_a_clock_that_is_set_back_loses_no_proof_and_makes_none() -> None:
    first = looks(lambda at: (flame(at),), 1002, start=1000)
    second = looks(lambda at: (flame(at),), 605, start=600)
    said = list(replay(FireRule(FireRuleConfig()), [*first, *second]))
    fired = next(one for one in said if one.verdict.phase == "firing")
    assert fired.at == pytest.approx(601, abs=0.5)
    assert fired.verdict.hazard_from == pytest.approx(598)


def test_a_clock_that_is_set_back_does_not_blind_the_rule() -> None:
    back = looks(lambda at: (flame(at),), 100 - LATE, start=100 - LATE - 10)
    (hazard,) = judged([Look(100, ()), *back])
    assert hazard.fired_at - back[0].at < 10


def blinking(pattern: list[bool], every: float) -> Iterator[Look]:
    for number, seen in enumerate(pattern):
        yield Look(number * every, (flame(number * every),) if seen else ())


@given(st.lists(st.booleans(), max_size=80), st.sampled_from([0.2, 0.5, 1.0, 2.0, 5.0]))
def test_whatever_is_seen_a_run_of_firing_ends_with_one_release_and_begins_with_a_sighting(
    pattern: list[bool], every: float
) -> None:
    before = "idle"
    for number, verdict in enumerate(verdicts(list(blinking(pattern, every)))):
        assert 0 <= verdict.progress <= 1
        assert (verdict.progress == 1) == (verdict.phase == "firing")
        assert 0 < verdict.next_look_within <= 2
        if verdict.phase == "firing":
            assert verdict.hazard_from is not None
            assert verdict.hazard_from <= number * every
            assert before == "firing" or pattern[number]
        else:
            assert (verdict.phase == "released") == (before == "firing")
        before = verdict.phase


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 2**40))
def test_when_it_happens_does_not_matter(pattern: list[bool], start: int) -> None:
    here = verdicts(list(blinking(pattern, 0.5)))
    there = verdicts([Look(look.at + start, look.detections) for look in blinking(pattern, 0.5)])
    assert [verdict.phase for verdict in here] == [verdict.phase for verdict in there]


def watched(
    *, closer: float | None, stir: float | None, score: float = 0.5, judged: float | None = None, label: str = "fire"
) -> Seen:
    """A steady glow with what the second look and the comparison of pictures say of it."""
    return lambda _at: (Detection(label, score, FLAME, closer, stir, judged=judged),)


def fired_after(seen: Seen) -> float | None:
    told = judged(looks(seen, 200))
    return told[0].fired_at if told else None


def test_a_flame_that_stirs_and_is_confirmed_by_the_second_look_is_told_at_once() -> None:
    assert fired_after(watched(closer=0.6, stir=0.02)) == pytest.approx(3, abs=0.5)


def test_what_the_second_look_does_not_confirm_is_asked_for_more_and_still_told_within_thirty_seconds() -> None:
    after = fired_after(watched(closer=0.0, stir=0.02))
    assert after is not None
    assert 9 < after <= 30


def test_a_lamp_that_the_second_look_takes_for_fire_too_is_asked_for_more_and_a_dead_still_place_for_most() -> None:
    lamp_, wall = fired_after(watched(closer=0.5, stir=0.002)), fired_after(watched(closer=0.5, stir=0.0002))
    assert lamp_ is not None
    assert wall is not None
    assert 11 < lamp_ < 20
    assert wall > 55


def test_what_neither_stirs_nor_is_confirmed_is_told_only_where_it_is_plain() -> None:
    assert fired_after(watched(closer=0.0, stir=0.002)) is None
    assert fired_after(watched(closer=0.0, stir=0.002, score=0.9)) is not None


PLACE = Box(0.7, 0.7, 0.8, 0.9)
FILLS = Box(0.02, 0.05, 0.98, 0.95)
"""As a covered lens is seen, and smoke that has come over the camera: too large for a second look."""


def filling(label: str = "smoke", *, stir: float, score: float = 0.5, judged: float | None = None) -> Seen:
    return lambda _at: (Detection(label, score, FILLS, None, stir, judged=judged),)


@pytest.mark.parametrize("stir", [0.0005, 0.002])
def test_a_faint_haze_over_a_covered_lens_that_nothing_confirms_is_not_told(stir: float) -> None:
    """A lens under a bag, or in the dark, was a fire event after a minute."""
    assert fired_after(filling(stir=stir)) is None
    assert fired_after(filling("fire", stir=stir, judged=0.3)) is None


def test_smoke_that_fills_the_picture_is_told_at_once_where_it_stirs() -> None:
    assert fired_after(filling(stir=0.01)) == pytest.approx(3, abs=0.5)


def test_a_haze_that_one_look_of_many_shows_smaller_and_confirms_is_not_told() -> None:
    small = Detection("smoke", 0.5, Box(0.3, 0.3, 0.9, 0.9), 0.5, 0.0005)
    assert fired_after(lambda at: (small,) if at == 100 else filling(stir=0.0005)(at)) is None


def test_what_fills_the_picture_without_stirring_is_told_where_it_is_plain_or_the_judge_believes_it() -> None:
    for seen in (filling(stir=0.0005, score=0.8), filling("fire", stir=0.0005, judged=0.9)):
        assert fired_after(seen) == pytest.approx(60, abs=0.5)


def test_smoke_that_came_over_the_camera_little_by_little_is_told_though_it_stands_still_by_then() -> None:
    def coming(at: float) -> tuple[Detection, ...]:
        high = min(0.9, 0.1 + 0.02 * at)
        return (Detection("smoke", 0.5, Box(0.02, 0.95 - high, 0.98, 0.95), 0.4 if high < 0.5 else None, 0.0005),)

    assert fired_after(coming) is not None


def test_a_flame_that_no_second_look_had_time_for_is_told_though_it_hardly_stirs() -> None:
    assert fired_after(watched(closer=None, stir=0.002)) == pytest.approx(12, abs=0.5)


def test_what_the_judge_does_not_believe_is_not_confirmed_though_the_crop_shows_it_again() -> None:
    believed = fired_after(watched(closer=0.6, stir=0.02, judged=0.5))
    doubted = fired_after(watched(closer=0.6, stir=0.02, judged=0.49))
    assert believed == pytest.approx(3, abs=0.5)
    assert doubted is not None
    assert 9 < doubted <= 30


def test_smoke_on_a_wall_that_the_judge_does_not_believe_is_never_told_and_believed_smoke_that_hardly_stirs_is() -> (
    None
):
    wall = fired_after(watched(closer=0.6, stir=0.002, judged=0.1, label="smoke"))
    smoke = fired_after(watched(closer=0.6, stir=0.002, judged=0.9, label="smoke"))
    assert wall is None
    assert smoke is not None


def test_a_judge_confirms_nothing_that_the_crop_does_not_show() -> None:
    after = fired_after(watched(closer=0.0, stir=0.02, judged=0.99))
    assert after is not None
    assert after > 9


def lamps(number: int, *, closer: float = 0.0, score: float = 0.5) -> tuple[Detection, ...]:
    """Faint lights in a row that stay as they are."""
    places = (Box(0.015 * n, 0.1, 0.015 * n + 0.01, 0.2) for n in range(number))
    return tuple(Detection("fire", score, place, closer, 0.002, judged=0.1) for place in places)


def burning(at: float, score: float = 0.6) -> Detection:
    return replace(flame(at, score=score), closer=0.6, stir=0.02, judged=0.9)


@pytest.mark.parametrize("number", [15, 16, 49, 60])
def test_a_street_of_lamps_hides_no_fire(number: int) -> None:
    """From the sixteenth on, a fire was dropped at each look: what had been seen for longest was kept."""
    (hazard,) = judged(looks(lambda at: (*lamps(number), *((burning(at),) if at >= 60 else ())), 90))
    assert (hazard.hazard_from, hazard.fired_at) == (60, 63)


@pytest.mark.parametrize(
    "before",
    [
        watched(closer=0.0, stir=0.002, judged=0.1),
        watched(closer=0.0, stir=0.0005, judged=0.1),
        filling(stir=0.0005),
    ],
    ids=["lamp", "wall", "haze over the whole picture"],
)
def test_a_fire_in_the_place_of_what_was_no_fire_for_minutes_is_told_within_thirty_seconds(before: Seen) -> None:
    """What stirred was outweighed by five minutes in which nothing had: it was told after two and a half."""
    told = judged(looks(lambda at: before(at) if at < 300 else (burning(at),), 400))
    assert [300 < one.fired_at <= 325 for one in told] == [True]


def at_its_own_pace(seen: Seen, until: float) -> list[tuple[float, Verdict]]:
    """Looked at as often as the rule wants."""
    rule, at, said = FireRule(FireRuleConfig()), 0.0, list[tuple[float, Verdict]]()
    state = rule.initial()
    while at < until:
        state, verdict = rule.step(state, Look(at, seen(at)))
        said.append((at, verdict))
        at += verdict.next_look_within
    return said


@pytest.mark.parametrize(
    "lasting", [watched(closer=0.0, stir=0.002, judged=0.1), filling(stir=0.0005)], ids=["lamp", "haze"]
)
def test_what_nothing_backs_is_no_more_urgent_after_a_minute_than_an_empty_street(lasting: Seen) -> None:
    """A lamp that never fires kept its camera awake, first in the queue and a clip going all night."""
    said = at_its_own_pace(lasting, 300)
    first = {verdict.next_look_within for at, verdict in said if at < 60}
    then = {(verdict.phase, verdict.progress, verdict.next_look_within) for at, verdict in said if at >= 60}
    assert first == {0.5}
    assert then == {("idle", 0.0, 2.0)}


def test_a_fire_in_the_place_of_a_lamp_that_was_set_aside_is_looked_at_closely_and_told() -> None:
    lamp_ = watched(closer=0.0, stir=0.002, judged=0.1)
    said = at_its_own_pace(lambda at: lamp_(at) if at < 300 else (burning(at),), 340)
    assert next(at for at, verdict in said if at >= 300 and verdict.next_look_within == 0.5) <= 306
    assert next(at for at, verdict in said if verdict.phase == "firing") <= 320


def test_a_lamp_that_was_set_aside_holds_back_no_other_fire() -> None:
    lamp_ = watched(closer=0.0, stir=0.002, judged=0.1)
    said = at_its_own_pace(lambda at: (*lamp_(at), *((replace(burning(at), box=PLACE),) if at >= 100 else ())), 120)
    after = [(at, verdict.phase) for at, verdict in said if at >= 100]
    assert [phase for _, phase in after[:2]] == ["candidate", "candidate"]
    assert next(at for at, phase in after if phase == "firing") <= 105


def test_reasons_are_put_together_for_what_fires_and_rejections_looked_through_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A street of lamps took 25 ms of each look, in the loop that serves all cameras of a worker."""

    def not_needed(*_: object) -> Any:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(Spot, "beyond", property(not_needed))
    monkeypatch.setattr(FireRule, "_why", not_needed)
    assert "firing" not in {verdict.phase for verdict in verdicts(looks(lambda at: lamps(16), 100))}


def test_slow_smoke_that_hardly_stirs_but_grows_is_not_taken_for_a_lamp() -> None:
    def smoke(at: float) -> tuple[Detection, ...]:
        return (Detection("smoke", 0.5, Box(0.4, 0.6 - 0.05 - 0.03 * at, 0.5, 0.6), 0.5, 0.0005),)

    (hazard,) = judged(looks(smoke, 15))
    assert hazard.fired_at <= 10


def test_an_alert_says_what_it_was_made_of() -> None:
    why = verdicts(looks(watched(closer=0.6, stir=0.02), 6))[-1].why
    assert [one["at"] for one in why["seen"]][:3] == [0, 0.5, 1]
    assert why["seen"][0] == {"at": 0.0, "score": 0.5, "box": [0.4, 0.4, 0.5, 0.6], "closer": True}
    assert why["missed"] == []
    assert (why["confirmed_closer"], why["looked_at_closer"], why["stir"], why["judged"]) == (13, 13, 0.02, None)
    assert verdicts(looks(watched(closer=0.6, stir=0.02, judged=0.8), 6))[-1].why["judged"] == 0.8


def test_an_alert_says_which_looks_missed_it_and_which_the_second_look_refused() -> None:
    def flame(at: float) -> tuple[Detection, ...]:
        return () if at == 2 else watched(closer=0.0 if at == 1 else 0.6, stir=0.02)(at)

    why = verdicts(looks(flame, 6))[-1].why
    assert why["missed"] == [2.0]
    assert {one["at"]: one["closer"] for one in why["seen"]}[1.0] is False
    assert (why["confirmed_closer"], why["looked_at_closer"], why["looks_seen"], why["looks"]) == (11, 12, 12, 13)
