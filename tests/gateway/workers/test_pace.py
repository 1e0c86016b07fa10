"""Looks a second and how late their answers come."""

from __future__ import annotations

import pytest

from gateway.workers.camera.pace import Pace


def test_the_rate_is_that_of_the_last_minute_and_the_delay_follows_the_newest_looks() -> None:
    pace = Pace(began=0.0)
    for number in range(120):
        pace.answered(arrival=2.0 * number, now=2.0 * number + 0.3)
    assert pace.rate(240.0) == pytest.approx(0.5, abs=0.02)
    assert pace.delay(240.0) == pytest.approx(0.3)
    pace.answered(arrival=240.0, now=242.3)
    delay = pace.delay(243.0)
    assert delay is not None
    assert 0.5 < delay < 1.0
    assert pace.rate(400.0) == 0.0


def test_no_delay_is_told_before_a_look_nor_long_after_the_last_one() -> None:
    """It said 0 s where nobody had looked, and of an engine that was away for hours how quick it had been."""
    pace = Pace(began=0.0)
    assert pace.delay(0.0) is None
    pace.answered(arrival=1.0, now=5.0)
    assert pace.delay(64.0) == pytest.approx(4.0)
    assert pace.delay(66.0) is None
    pace.answered(arrival=99.8, now=100.0)
    assert pace.delay(100.0) == pytest.approx(0.2), "nor does that of then count any more"


def test_a_camera_that_has_just_come_is_judged_by_its_own_time() -> None:
    pace = Pace(began=100.0)
    for at in (102.0, 104.0, 106.0, 108.0, 110.0):
        pace.answered(at, at)
    assert pace.rate(110.0) == pytest.approx(0.5)


def test_pictures_that_the_engine_leaves_out_are_counted_and_said_until_it_has_caught_up() -> None:
    pace = Pace(began=0.0)
    for number in range(9):
        pace.left_out(2.0 * number)
    assert (pace.unanswered, pace.left_out_share(16.0), pace.behind) == (9, 1.0, False)
    pace.left_out(18.0)
    assert pace.behind
    for number in range(10, 50):
        pace.answered(2.0 * number, 2.0 * number)
        assert pace.behind == (pace.left_out_share(2.0 * number) >= 0.1)
    assert (pace.behind, pace.left_out_share(98.0), pace.unanswered) == (False, 0.0, 10)


def test_what_was_left_out_before_the_clock_was_set_back_is_said_no_longer_than_a_minute() -> None:
    pace = Pace(began=4000.0)
    for number in range(20):
        pace.left_out(4000.0 + number)
    assert pace.behind
    for number in range(70):
        pace.answered(400.0 + number, 400.0 + number)
    assert not pace.behind
    assert pace.left_out_share(469.0) == 0.0
    assert pace.rate(469.0) == pytest.approx(1.0)


def test_one_picture_in_ten_left_out_is_shown_and_is_no_alarm() -> None:
    pace = Pace(began=0.0)
    for number in range(60):
        if number % 10 == 0:
            pace.left_out(float(number))
        else:
            pace.answered(float(number), float(number))
        assert not pace.behind
    assert pace.left_out_share(59.0) == pytest.approx(0.1)
