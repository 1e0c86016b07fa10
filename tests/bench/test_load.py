"""What is counted of a number of cameras: every look that was due, and of each fire its first alert."""

from __future__ import annotations

from math import inf

from bench.load import Heard, Level, dropped_share, latencies, rightly
from bench.load_source import HAZARD

LIT = 1000.0


def fire(camera: int, after: float) -> Heard:
    return Heard(camera, "fire", LIT + after - 0.5, LIT + after)


def level(*told: float, dropped: float = 0.0) -> Level:
    return Level(50, dropped, told, 0, 1.0, 1.0, 0.1)


def test_of_each_fire_the_first_alert_counts_and_one_that_is_told_twice_stands_for_no_other() -> None:
    heard = [fire(HAZARD, 6.0), fire(HAZARD, 40.0), fire(HAZARD + 20, 9.0)]

    assert latencies(heard, 30, LIT) == (6.0, inf, 9.0)


def test_what_another_camera_tells_or_what_was_told_before_the_fire_is_wrong() -> None:
    assert rightly(fire(HAZARD, 5.0), LIT)
    assert not rightly(fire(HAZARD + 1, 5.0), LIT)
    assert not rightly(Heard(HAZARD, "crowd", LIT + 5, LIT + 5), LIT)
    assert not rightly(fire(HAZARD, -5.0), LIT)


def test_a_camera_that_is_never_looked_at_has_dropped_all_its_looks() -> None:
    assert dropped_share({"one": 150.0, "two": 0.0}, 0.0, 300.0) == 0.5


def test_one_camera_that_is_looked_at_more_often_makes_up_for_no_other() -> None:
    assert dropped_share({"burning": 600.0, "quiet": 135.0}, 0.0, 300.0) == 0.05


def test_no_look_is_free_and_those_without_an_answer_are_dropped() -> None:
    assert dropped_share({"one": 149.0}, 0.0, 301.9) == 1 / 150
    assert dropped_share({"one": 150.0}, 3.0, 300.0) == 3 / 150


def test_carried_is_what_tells_every_fire_in_time() -> None:
    assert level(5.0, 7.0, 9.9).carried
    assert not level(5.0, 5.0, 5.0, 5.0, 10.1).carried
    assert not level(5.0, inf).carried
    assert not level().carried
    assert not level(5.0, dropped=0.011).carried


def test_the_time_to_an_alert_is_none_where_a_fire_of_a_few_is_never_told() -> None:
    assert level(5.0, inf).figures["alert_latency_p95_s_50"] is None
    assert level(5.0, inf).figures["fires_told_50"] == 1.0
    assert level(5.0, 8.24).figures["alert_latency_p95_s_50"] == 8.2
