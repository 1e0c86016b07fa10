"""A gathering: enough people in the zone for the whole dwell; over well below; never by one look alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.observation import Box, Detection, Look
from detectors.rules.config import CrowdRuleConfig
from detectors.rules.crowd import CrowdRule
from detectors.rules.replay import Hazard, hazards, replay
from detectors.rules.rule import LONGEST_ABSENCE, LONGEST_GAP, Verdict


def people(number: int, *, label: str = "person", score: float = 0.7) -> tuple[Detection, ...]:
    """So many people in rows, their feet at y 0.5 to 0.9."""
    return tuple(
        Detection(label, score, Box(x, y - 0.2, x + 0.02, y))
        for x, y in ((0.03 * (n % 30), 0.5 + 0.04 * (n // 30)) for n in range(number))
    )


def looks(count: Callable[[float], int], until: float, every: float = 2.0, start: float = 0.0) -> list[Look]:
    return [Look(start + n * every, people(count(start + n * every))) for n in range(int((until - start) / every) + 1)]


def rule(**config: object) -> CrowdRule:
    return CrowdRule(CrowdRuleConfig.model_validate(config))


def judged(looks_: list[Look], **config: object) -> tuple[Hazard, ...]:
    return hazards(replay(rule(**config), looks_))


def verdicts(looks_: list[Look], **config: object) -> list[Verdict]:
    return [one.verdict for one in replay(rule(**config), looks_)]


def test_fifteen_people_for_a_minute_are_a_gathering() -> None:
    (hazard,) = judged(looks(lambda at: 15 if at >= 10 else 3, 200))
    assert hazard.hazard_from == 10
    assert 70 <= hazard.fired_at <= 80


def test_fourteen_people_never_are() -> None:
    assert {verdict.phase for verdict in verdicts(looks(lambda at: 14, 300))} == {"idle"}


def test_fifteen_people_for_less_than_a_minute_are_not() -> None:
    assert judged(looks(lambda at: 15 if at < 50 else 3, 300)) == ()


def test_a_group_that_only_passes_is_forgotten() -> None:
    said = verdicts(looks(lambda at: 20 if at < 20 else 0, 60))
    assert said[0].phase == "candidate"
    assert said[-1].phase == "idle"


def test_half_the_dwell_is_half_way() -> None:
    said = list(replay(rule(), looks(lambda at: 15, 100)))
    half = next(one.at for one in said if one.verdict.phase == "half_way")
    assert half == pytest.approx(30, abs=2)


def test_what_it_says_can_be_read() -> None:
    verdict = verdicts(looks(lambda at: 18, 100))[-1]
    assert verdict.why["people"] == 18
    assert verdict.why["threshold"] == 15
    assert verdict.why["seen"][-1] == {"at": 100.0, "people": 18, "score": 0.7}
    assert len(verdict.why["boxes"]) == 18
    assert verdict.score == pytest.approx(0.7)


def test_somebody_missed_in_single_looks_does_not_stop_the_dwell() -> None:
    (hazard,) = judged(looks(lambda at: 9 if at % 10 == 6 else 15, 200))
    assert hazard.fired_at <= 70


def test_one_crowded_look_does_not_begin_a_gathering() -> None:
    said = verdicts(looks(lambda at: 30 if at == 20 else 4, 60))
    assert {verdict.phase for verdict in said} == {"idle"}


def test_between_the_number_and_the_release_number_the_dwell_stands_still() -> None:
    (hazard,) = judged(looks(lambda at: 12 if 30 <= at < 60 else 15, 200))
    assert 86 <= hazard.fired_at <= 100


def test_below_the_release_number_the_dwell_begins_anew() -> None:
    (hazard,) = judged(looks(lambda at: 10 if 30 <= at < 60 else 15, 200))
    assert hazard.hazard_from == 60
    assert hazard.fired_at >= 120


def test_a_gathering_lasts_until_fewer_than_seven_tenths_are_left() -> None:
    (hazard,) = judged(looks(lambda at: 15 if at < 100 else 11, 400))
    assert hazard.released_at is None


def test_a_gathering_that_thins_out_is_over_once() -> None:
    seen = looks(lambda at: 15 if at < 100 else 10, 400)
    (hazard,) = judged(seen)
    assert hazard.released_at is not None
    assert 110 <= hazard.released_at <= 120
    assert [verdict.phase for verdict in verdicts(seen)].count("released") == 1


def test_a_bus_that_hides_people_for_a_moment_neither_ends_it_nor_begins_it_anew() -> None:
    (hazard,) = judged(looks(lambda at: 0 if at % 60 in (20, 22, 24) else 16, 600))
    assert hazard.hazard_from == 0
    assert hazard.fired_at <= 75
    assert hazard.released_at is None


def test_only_feet_in_the_zone_count() -> None:
    lower = [[0.0, 0.6], [1.0, 0.6], [1.0, 1.0], [0.0, 1.0]]
    assert judged(looks(lambda at: 30, 200)) != ()
    assert judged(looks(lambda at: 30, 200), polygon=lower) == ()


def test_feet_in_an_exclusion_do_not_count() -> None:
    bus_stop = [[0.0, 0.4], [1.0, 0.4], [1.0, 0.55], [0.0, 0.55]]
    assert judged(looks(lambda at: 30, 200), exclusions=[bus_stop]) == ()


def test_stalls_and_weak_sightings_are_no_people() -> None:
    stalls = [Look(at, people(20, label="stall")) for at in range(0, 200, 2)]
    weak = [Look(at, people(20, score=0.3)) for at in range(0, 200, 2)]
    assert judged(stalls) == ()
    assert judged(weak, min_score=0.5) == ()


def test_without_a_dwell_the_first_look_is_enough() -> None:
    assert verdicts(looks(lambda at: 15, 0), dwell_seconds=0)[0].phase == "firing"


def test_outside_its_hours_a_gathering_is_none_and_their_end_releases_it() -> None:
    # The epoch began at 08:00 in Shanghai.
    (hazard,) = judged(looks(lambda at: 20, 400), hours=[["08:00", "08:02"]])
    assert hazard.released_at == 120
    assert judged(looks(lambda at: 20, 400), hours=[["09:00", "10:00"]]) == ()


def test_a_gap_between_looks_is_no_dwell() -> None:
    seen = [*looks(lambda at: 15, 40), *looks(lambda at: 15, 700, start=400)]
    (hazard,) = judged(seen)
    assert hazard.hazard_from == 400
    assert hazard.fired_at >= 460


def test_slow_looks_within_the_longest_gap_are_a_dwell() -> None:
    (hazard,) = judged(looks(lambda at: 15, 300, every=LONGEST_GAP))
    assert hazard.fired_at == 60


def test_a_gathering_that_fired_is_over_only_when_seen_to_be() -> None:
    seen = [*looks(lambda at: 15, 80), *looks(lambda at: 0, 200, start=130)]
    (hazard,) = judged(seen)
    assert hazard.released_at == pytest.approx(140, abs=2)


@pytest.mark.parametrize("there", [0, 30])
def test_who_stands_there_after_hours_in_which_nobody_looked_is_another_gathering(there: int) -> None:
    """Its first looks said that the gathering of ten hours ago went on, were there nobody at all."""
    first, *others = judged([*looks(lambda at: 15, 80), *looks(lambda at: there, 36_100, start=36_000)])
    assert first.released_at == 36_000
    assert [(one.hazard_from, one.fired_at) for one in others] == ([(36_000, 36_060)] if there else [])


def test_of_the_time_between_slow_looks_no_more_is_believed_than_between_any() -> None:
    """Where looks came more than a quarter of a minute apart no gathering was ever told; two looks a minute apart are
    none yet."""
    (hazard,) = judged(looks(lambda at: 15, 3600, every=20.0))
    assert (hazard.hazard_from, hazard.fired_at, hazard.released_at) == (0, 80, None)
    (hazard,) = judged(looks(lambda at: 15 if at else 3, 3600, every=60.0))
    assert (hazard.hazard_from, hazard.fired_at) == (60, 60 + 4 * 60)
    assert judged(looks(lambda at: 15, 7200, every=LONGEST_ABSENCE + 1)) == ()


def test_a_clock_that_is_set_back_loses_no_dwell_and_makes_none() -> None:
    seen = [*looks(lambda at: 15, 1030, start=1000), *looks(lambda at: 15, 200)]
    (hazard,) = judged(seen)
    assert hazard.fired_at == pytest.approx(30, abs=4)
    assert hazard.hazard_from == pytest.approx(-30)


def test_late_looks_change_nothing() -> None:
    seen = looks(lambda at: 15, 40)
    said = verdicts([*seen, Look(39.0, ()), Look(40.0, ())])
    assert said[-1] == said[-3]


@given(
    st.lists(st.tuples(st.integers(0, 24), st.floats(0.1, 30)), max_size=80),
    st.integers(2, 20),
    st.floats(0, 60),
)
def test_it_fires_only_after_enough_people_for_the_dwell_and_releases_once(
    counted: list[tuple[int, float]], number: int, dwell: float
) -> None:
    at, looks_ = 0.0, []
    for count, step in counted:
        looks_.append(Look(at, people(count)))
        at += step
    before = "idle"
    for look, verdict in zip(looks_, verdicts(looks_, people=number, dwell_seconds=dwell), strict=True):
        assert 0 <= verdict.progress <= 1
        assert (verdict.progress == 1) == (verdict.phase == "firing")
        if verdict.phase == "firing":
            assert verdict.hazard_from is not None
            if before != "firing":
                assert look.at - verdict.hazard_from >= dwell - 1e-6
        else:
            assert (verdict.phase == "released") == (before == "firing")
        before = verdict.phase
