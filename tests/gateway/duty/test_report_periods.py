"""Days, weeks and months are the city's, across the edges of years."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.duty.report_periods import ReportKind, last_ended, period_of


@pytest.mark.parametrize(
    ("kind", "day", "first", "last"),
    [
        ("daily", date(2026, 12, 31), date(2026, 12, 31), date(2026, 12, 31)),
        ("weekly", date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 3)),
        ("monthly", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
        ("monthly", date(2028, 2, 10), date(2028, 2, 1), date(2028, 2, 29)),
    ],
)
def test_a_period_holds_its_day(kind: ReportKind, day: date, first: date, last: date) -> None:
    period = period_of(kind, day)
    assert (period.first, period.last) == (first, last)
    assert period.until - period.since == (last - first + timedelta(days=1))


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    assert period_of("daily", date(2026, 3, 2)).since == datetime(2026, 3, 1, 16, tzinfo=UTC)


def test_a_period_counts_as_ended_so_long_after_its_midnight() -> None:
    just_before, just_after = datetime(2026, 12, 31, 16, 29, tzinfo=UTC), datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
    half_an_hour = timedelta(minutes=30)
    assert last_ended("daily", just_before, half_an_hour).first == date(2026, 12, 30)
    assert last_ended("daily", just_after, half_an_hour).first == date(2026, 12, 31)
    assert last_ended("monthly", just_after, half_an_hour).first == date(2026, 12, 1)
