"""Looks a second and how late their answers come."""

from __future__ import annotations

import pytest

from gateway.workers.camera.pace import Pace


def test_the_rate_is_that_of_the_last_minute_and_the_delay_follows_the_newest_looks() -> None:
    pace = Pace(began=0.0)
    for number in range(120):
        pace.answered(arrival=2.0 * number, now=2.0 * number + 0.3)
    assert pace.rate(240.0) == pytest.approx(0.5, abs=0.02)
    assert pace.delay == pytest.approx(0.3)
    pace.answered(arrival=240.0, now=242.3)
    assert 0.5 < pace.delay < 1.0
    assert pace.rate(400.0) == 0.0


def test_a_camera_that_has_just_come_is_judged_by_its_own_time() -> None:
    pace = Pace(began=100.0)
    for at in (102.0, 104.0, 106.0, 108.0, 110.0):
        pace.answered(at, at)
    assert pace.rate(110.0) == pytest.approx(0.5)
