"""A street stall stands in its zone for five minutes though people walk past; what moves on or is allowed is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.observation import Box, Detection, Look
from detectors.rules.config import StallRuleConfig
from detectors.rules.replay import Hazard, hazards, replay
from detectors.rules.rule import LONGEST_GAP, Verdict
from detectors.rules.stall import MOST_STANDS, StallRule

Seen = Callable[[float], tuple[Detection, ...]]


def stall(x: float = 0.4, *, score: float = 0.6, jitter: float = 0.0) -> Detection:
    return Detection("stall", score, Box(x + jitter, 0.4, x + 0.2 - jitter / 2, 0.6 + jitter))


def person(x: float, foot: float = 0.62) -> Detection:
    return Detection("person", 0.8, Box(x - 0.02, foot - 0.2, x + 0.02, foot))


def looks(seen: Seen, until: float, every: float = 5.0, start: float = 0.0) -> list[Look]:
    return [Look(start + n * every, seen(start + n * every)) for n in range(int((until - start) / every) + 1)]


def rule(**config: object) -> StallRule:
    return StallRule(StallRuleConfig.model_validate(config))


def judged(looks_: list[Look], **config: object) -> tuple[Hazard, ...]:
    return hazards(replay(rule(**config), looks_))


def verdicts(looks_: list[Look], **config: object) -> list[Verdict]:
    return [one.verdict for one in replay(rule(**config), looks_)]


def test_a_stall_that_stands_for_five_minutes_is_told_within_fifteen_seconds() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),) if at >= 60 else (), 600))
    assert hazard.hazard_from == 60
    assert 360 <= hazard.fired_at <= 375
    assert hazard.released_at is None


def test_a_stall_that_leaves_in_time_is_none() -> None:
    assert judged(looks(lambda at: (stall(),) if at <= 290 else (), 900)) == ()


def test_half_the_dwell_is_half_way() -> None:
    said = list(replay(rule(), looks(lambda at: (stall(),), 400)))
    assert next(one.at for one in said if one.verdict.phase == "half_way") == pytest.approx(150, abs=5)
    assert said[0].verdict.phase == "candidate"


def test_a_box_that_trembles_still_stands() -> None:
    assert judged(looks(lambda at: (stall(jitter=0.02 * (round(at / 5) % 2)),), 400))


def test_a_vending_tricycle_that_rides_through_does_not_stand() -> None:
    assert judged(looks(lambda at: (stall((at * 0.004) % 0.8),), 900)) == ()


def test_a_stall_that_moves_on_begins_anew() -> None:
    (hazard,) = judged(looks(lambda at: (stall(0.2 if at < 200 else 0.6),), 600))
    assert hazard.hazard_from == 200


def test_passers_by_who_hide_it_do_not_stop_the_dwell() -> None:
    (hazard,) = judged(looks(lambda at: () if at % 60 in (30, 35, 40) else (stall(),), 600))
    assert hazard.fired_at <= 315


def test_a_stall_that_is_seen_poorly_still_counts() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),) if round(at / 5) % 2 == 0 else (), 600))
    assert hazard.fired_at <= 315


def test_chance_sightings_do_not_make_a_stall() -> None:
    assert judged(looks(lambda at: (stall(),) if round(at / 2) % 10 == 0 else (), 900, every=2.0)) == ()


def test_a_stall_that_is_hidden_for_longer_begins_anew() -> None:
    (hazard,) = judged(looks(lambda at: () if 200 <= at < 230 else (stall(),), 900))
    assert hazard.hazard_from == 230


def test_a_hidden_stall_does_not_fire_at_the_end_of_its_dwell() -> None:
    (hazard,) = judged(looks(lambda at: () if 290 <= at < 310 else (stall(),), 600))
    assert hazard.fired_at == 310


def test_a_stall_that_drove_off_is_over_once() -> None:
    seen = looks(lambda at: (stall(),) if at <= 400 else (), 900)
    (hazard,) = judged(seen)
    assert hazard.released_at == pytest.approx(425, abs=5)
    assert [verdict.phase for verdict in verdicts(seen)].count("released") == 1


def test_two_stalls_in_a_zone_are_one_hazard_until_the_last_has_gone() -> None:
    def two(at: float) -> tuple[Detection, ...]:
        return tuple(one for one, until in ((stall(0.1), 400), (stall(0.6), 800)) if at <= until)

    (hazard,) = judged(looks(two, 1200))
    assert hazard.released_at == pytest.approx(825, abs=5)


def test_two_boxes_of_one_stall_are_one_stand() -> None:
    verdict = verdicts(looks(lambda at: (stall(), stall(jitter=0.01)), 400))[-1]
    assert verdict.why["stalls"] == 1
    assert verdict.why["seen"][-1] == {"at": 400.0, "score": 0.6, "box": verdict.why["box"]}


def test_a_stall_beside_the_zone_is_none() -> None:
    right = [[0.7, 0.0], [1.0, 0.0], [1.0, 1.0], [0.7, 1.0]]
    assert judged(looks(lambda at: (stall(),), 600), polygon=right) == ()


def test_a_stall_in_an_exclusion_is_none() -> None:
    market = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    assert judged(looks(lambda at: (stall(),), 600), exclusions=[market]) == ()


def test_a_stall_on_a_permitted_point_is_allowed_and_its_neighbour_is_not() -> None:
    permitted = [{"x": 0.5, "y": 0.55}]
    assert judged(looks(lambda at: (stall(),), 600), permitted=permitted) == ()
    assert judged(looks(lambda at: (stall(), stall(0.7)), 600), permitted=permitted)


def test_a_breakfast_cart_is_allowed_until_its_hours_end() -> None:
    # The epoch began at 08:00 in Shanghai.
    permitted = [{"x": 0.5, "y": 0.55, "hours": [["05:00", "08:05"]]}]
    (hazard,) = judged(looks(lambda at: (stall(),), 900), permitted=permitted)
    assert hazard.hazard_from == 300


def test_outside_its_hours_a_stall_is_none_and_their_end_releases_it() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),), 1800), hours=[["08:00", "08:10"]])
    assert hazard.released_at == 600
    assert judged(looks(lambda at: (stall(),), 1800), hours=[["22:00", "06:00"]]) == ()


def test_a_parked_tricycle_without_its_vendor_is_none_where_attendance_is_asked_for() -> None:
    alone = looks(lambda at: (stall(), person(0.1)), 600)
    attended = looks(lambda at: (stall(), person(0.63)), 600)
    assert judged(alone, attended_only=True) == ()
    assert judged(alone) != ()
    assert judged(attended, attended_only=True) != ()


def test_a_parked_tricycle_without_its_vendor_is_not_about_to_fire_all_day() -> None:
    said = verdicts(looks(lambda at: (stall(), person(0.1)), 900), attended_only=True)
    assert {verdict.phase for verdict in said} == {"idle"}


def test_a_vendor_who_comes_after_the_dwell_makes_it_a_stall() -> None:
    (hazard,) = judged(looks(lambda at: (stall(), person(0.63)) if at >= 500 else (stall(),), 900), attended_only=True)
    assert hazard.fired_at == 500
    assert hazard.hazard_from == 0


def test_a_weak_sighting_below_the_operators_score_is_left_out() -> None:
    assert judged(looks(lambda at: (stall(score=0.4),), 600), min_score=0.5) == ()


def test_without_a_dwell_the_first_look_is_enough() -> None:
    assert verdicts(looks(lambda at: (stall(),), 0), dwell_seconds=0)[0].phase == "firing"


def test_a_gap_between_looks_is_no_dwell() -> None:
    seen = [*looks(lambda at: (stall(),), 200), *looks(lambda at: (stall(),), 2000, start=1000)]
    (hazard,) = judged(seen)
    assert hazard.hazard_from == 1000


def test_looks_as_rare_as_an_occlusion_may_last_are_enough() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),), 900, every=20.0))
    assert hazard.fired_at == 300
    assert LONGEST_GAP < 20


def test_a_stall_that_fired_is_over_only_when_seen_to_be() -> None:
    seen = [*looks(lambda at: (stall(),), 400), *looks(lambda at: (), 1000, start=900)]
    (hazard,) = judged(seen)
    assert hazard.released_at == pytest.approx(925, abs=5)


def test_a_stall_that_stands_there_again_the_next_morning_is_another_one() -> None:
    """It was told on the first day and never again."""
    days = [looks(lambda at: (stall(),), begin + 3600, start=begin) for begin in (0, 86_400, 2 * 86_400)]
    told = judged([look for day in days for look in day])
    assert [(one.hazard_from, one.fired_at) for one in told] == [(day, day + 300) for day in (0, 86_400, 2 * 86_400)]
    assert [one.released_at for one in told] == [86_400, 2 * 86_400, None]


@pytest.mark.parametrize("every", [21.0, 30.0, 55.0])
def test_a_look_that_misses_a_stall_takes_no_more_of_its_dwell_where_looks_come_slowly(every: float) -> None:
    """Half a minute apart, each look that missed it began the dwell anew."""
    (hazard,) = judged(looks(lambda at: (stall(),) if round(at / every) % 5 != 3 else (), 3000, every))
    assert hazard.hazard_from == 0
    assert hazard.fired_at <= 300 / 20 * every + every
    assert hazard.released_at is None


def test_a_stall_that_two_slow_looks_missed_has_left() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),) if at <= 600 else (), 900, 30.0))
    assert hazard.released_at == 660


def test_of_the_time_between_slow_looks_no_more_is_believed_than_a_stall_may_be_hidden() -> None:
    (hazard,) = judged(looks(lambda at: (stall(),), 3600, every=40.0))
    assert hazard.fired_at == 600


def place(number: int) -> Detection:
    left, top = 0.16 * (number % 6), 0.1 + 0.12 * (number // 6)
    return Detection("stall", 0.6, Box(left, top, left + 0.1, top + 0.1))


def test_stalls_that_nobody_attends_hide_none_that_somebody_does() -> None:
    """Sixteen parasols of a market street took all the room there was."""
    new, seller = Detection("stall", 0.6, Box(0.8, 0.85, 0.95, 0.98)), person(0.87, foot=0.97)
    parasols = tuple(place(number) for number in range(30))
    (hazard,) = judged(looks(lambda at: (*parasols, new, seller) if at >= 60 else parasols, 600), attended_only=True)
    assert hazard.hazard_from == 60


def test_however_many_stalls_do_not_count_what_is_new_has_room() -> None:
    parasols = tuple(
        Detection("stall", 0.6, Box(x / 11, y / 11, x / 11 + 0.06, y / 11 + 0.06)) for x in range(8) for y in range(8)
    )
    assert len(parasols) > MOST_STANDS
    new, seller = Detection("stall", 0.6, Box(0.8, 0.85, 0.95, 0.98)), person(0.87, foot=0.97)
    (hazard,) = judged(looks(lambda at: (*parasols, new, seller) if at >= 60 else parasols, 600), attended_only=True)
    assert hazard.hazard_from == 60


def test_a_clock_that_is_set_back_loses_no_dwell_and_makes_none() -> None:
    seen = [*looks(lambda at: (stall(),), 10_150, start=10_000), *looks(lambda at: (stall(),), 400)]
    (hazard,) = judged(seen)
    assert hazard.fired_at == pytest.approx(150, abs=10)
    assert hazard.hazard_from == pytest.approx(-150)


def test_a_market_of_stalls_is_bounded() -> None:
    crowded = tuple(
        Detection("stall", 0.5, Box(x / 10, y / 10, x / 10 + 0.08, y / 10 + 0.08)) for x in range(9) for y in range(9)
    )
    state, _ = rule().step(rule().initial(), Look(0, crowded))
    assert len(state.stands) == MOST_STANDS


@given(
    st.lists(st.tuples(st.sampled_from([(), (0.1,), (0.6,), (0.1, 0.6)]), st.floats(0.5, 40)), max_size=60),
    st.floats(0, 200),
)
def test_it_fires_only_after_a_stall_stood_for_the_dwell_and_releases_once(
    seen: list[tuple[tuple[float, ...], float]], dwell: float
) -> None:
    at, looks_ = 0.0, []
    for places, step in seen:
        looks_.append(Look(at, tuple(stall(x) for x in places)))
        at += step
    before = "idle"
    for look, verdict in zip(looks_, verdicts(looks_, dwell_seconds=dwell), strict=True):
        assert 0 <= verdict.progress <= 1
        assert (verdict.progress == 1) == (verdict.phase == "firing")
        if verdict.phase == "firing":
            if before != "firing":
                assert verdict.hazard_from is not None
                assert look.at - verdict.hazard_from >= dwell - 1e-6
                assert look.detections
        else:
            assert (verdict.phase == "released") == (before == "firing")
        before = verdict.phase


def test_two_cues_that_touch_are_a_stall_and_one_alone_is_none() -> None:
    umbrella, cart = (
        Detection("umbrella", 0.6, Box(0.4, 0.3, 0.6, 0.45)),
        Detection("cart", 0.5, Box(0.42, 0.4, 0.58, 0.6)),
    )
    assert judged(looks(lambda _at: (umbrella, cart), 400))
    assert not judged(looks(lambda _at: (cart,), 400))


def test_a_parked_vehicle_that_looks_like_a_stall_is_a_vehicle() -> None:
    van = Detection("car", 0.8, Box(0.4, 0.4, 0.6, 0.6))
    assert not judged(looks(lambda _at: (stall(), van), 400))
    beside = Detection("car", 0.8, Box(0.6, 0.4, 0.8, 0.6))
    assert judged(looks(lambda _at: (stall(), beside), 400))


def test_a_cafes_own_terrace_is_none_where_it_is_drawn_as_excluded_and_a_cart_in_front_of_it_is() -> None:
    table, parasol = (
        Detection("table", 0.6, Box(0.1, 0.4, 0.3, 0.6)),
        Detection("umbrella", 0.6, Box(0.12, 0.2, 0.28, 0.45)),
    )
    terrace = [[0.05, 0.5], [0.35, 0.5], [0.35, 0.7], [0.05, 0.7]]
    assert judged(looks(lambda _at: (table, parasol), 400)), "what stands there is what a stall is made of"
    assert judged(looks(lambda _at: (table, parasol), 400), exclusions=[terrace]) == ()
    assert judged(looks(lambda _at: (table, parasol, stall(0.5)), 400), exclusions=[terrace])
