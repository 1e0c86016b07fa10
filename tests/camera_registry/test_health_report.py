"""The report over many cameras' changes: seconds in each state, by platform and day, and the rates made of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from camera_registry.health_report import HealthChange, report

SHANGHAI = timezone(timedelta(hours=8))
MIDNIGHT = datetime(2026, 5, 1, 16, tzinfo=UTC)
"""Of the second of May in Shanghai."""
MAY_2, MAY_3 = date(2026, 5, 2), date(2026, 5, 3)
HOUR = timedelta(hours=1)


def change(code: str, state: str, hours: float, reason: str = "", platform: str = "west") -> HealthChange:
    return HealthChange(code, platform, state, reason or state, MIDNIGHT + hours * HOUR)


def test_a_day_is_told_in_seconds_of_each_state() -> None:
    changes = [
        change("1", "live", -5), change("1", "offline", 6), change("1", "live", 12),
        change("2", "live", -5), change("2", "dark", 18),
    ]  # fmt: skip
    (day,) = report(changes, MIDNIGHT, MIDNIGHT + 24 * HOUR, SHANGHAI)
    assert (day.platform, day.day, day.cameras) == ("west", MAY_2, 2)
    assert {state: seconds / 3600 for state, seconds in day.seconds.items()} == {"live": 36, "offline": 6, "dark": 6}
    assert day.online_rate == pytest.approx(42 / 48)
    assert day.good_picture_rate == pytest.approx(36 / 42)
    assert day.affected == {"live": 2, "offline": 1, "dark": 1}
    assert day.changes == {"offline": 1, "live": 1, "dark": 1}


def test_midnight_is_that_of_the_place_and_a_state_goes_on_over_it() -> None:
    days = report([change("1", "live", 20)], MIDNIGHT, MIDNIGHT + 30 * HOUR, SHANGHAI)
    assert [(day.day, day.seconds["live"] / 3600) for day in days] == [(MAY_2, 4), (MAY_3, 6)]


def test_what_was_stopped_or_taken_out_counts_in_no_rate() -> None:
    changes = [change("1", "live", 0), change("1", "offline", 2, "stopped"), change("2", "offline", 1, "removed")]
    (day,) = report(changes, MIDNIGHT, MIDNIGHT + 24 * HOUR, SHANGHAI)
    assert (day.cameras, day.watched, day.online_rate) == (1, 7200, 1.0)


def test_platforms_are_told_apart_and_an_empty_period_is_empty() -> None:
    days = report([change("1", "live", 1), change("2", "live", 1, platform="east")], MIDNIGHT, MIDNIGHT + 2 * HOUR, UTC)
    assert [day.platform for day in days] == ["east", "west"]
    assert report([], MIDNIGHT, MIDNIGHT + HOUR, UTC) == ()
