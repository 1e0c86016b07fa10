"""The four clocks run when they should: over nights, weekends, holidays, shifted workdays and the turn of the year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.clocks import KINDS, ClockKind, Limit, advance, due, elapsed
from gateway.events.local_time import LOCAL_TIME
from gateway.events.working_days import WorkingDays, read_holiday_table, shipped_holidays
from gateway.refusals import Refusal

DAYS = WorkingDays.of(shipped_holidays())
kinds = st.sampled_from(sorted(KINDS))
moments = st.timedeltas(timedelta(0), timedelta(days=800)).map(lambda since: datetime(2024, 12, 1, tzinfo=UTC) + since)
amounts = st.timedeltas(timedelta(0), timedelta(days=40))


def at(text: str) -> datetime:
    """``2026-02-13 17:30`` in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL_TIME)


@pytest.mark.parametrize(
    ("kind", "amount", "start", "end"),
    [
        ("urgent_hour", 2, "2026-02-13 23:30", "2026-02-14 01:30"),  # the night before the Spring Festival
        ("urgent_hour", 1, "2025-12-31 23:30", "2026-01-01 00:30"),
        ("natural_day", 3, "2025-12-30 09:15", "2026-01-02 09:15"),
        ("work_hour", 2, "2026-11-26 10:00", "2026-11-26 12:00"),  # ends at noon, not at 14:00
        ("work_hour", 3, "2026-11-26 10:00", "2026-11-26 15:00"),
        ("work_hour", 2, "2026-11-26 12:40", "2026-11-26 16:00"),  # begins in the noon break
        ("work_hour", 2, "2026-11-27 17:00", "2026-11-30 09:00"),  # over a weekend
        ("work_hour", 2, "2026-02-13 17:30", "2026-02-14 09:30"),  # a Saturday that is worked
        ("work_hour", 9, "2026-02-14 08:00", "2026-02-24 09:00"),  # nine days of Spring Festival in between
        ("work_hour", 1, "2026-10-07 03:00", "2026-10-08 09:00"),
        ("work_hour", 8, "2026-09-20 08:00", "2026-09-20 18:00"),  # a Sunday that is worked
        ("work_hour", 1, "2025-12-31 17:30", "2026-01-04 08:30"),  # New Year's holidays, then a worked Sunday
        ("work_day", 2, "2026-11-27 15:00", "2026-12-01 15:00"),
        ("work_day", 1, "2026-11-28 11:00", "2026-12-01 00:00"),  # reported on a Saturday: the whole of Monday
        ("work_day", 1, "2026-04-30 10:00", "2026-05-06 10:00"),
        ("work_day", 1, "2027-12-31 10:00", "2028-01-03 10:00"),  # no table for these years: weekends only
    ],
)
def test_a_limit_ends_when_a_duty_officer_expects_it(kind: ClockKind, amount: float, start: str, end: str) -> None:
    assert due(Limit(kind, amount), at(start), DAYS) == at(end)


def test_a_deadline_does_not_depend_on_the_zone_in_which_its_start_is_written() -> None:
    in_shanghai = at("2026-01-05 00:30")
    assert due(Limit("work_day", 1), in_shanghai, DAYS) == due(Limit("work_day", 1), in_shanghai.astimezone(UTC), DAYS)


@given(kinds, moments, amounts)
def test_what_was_advanced_has_elapsed(kind: ClockKind, start: datetime, running: timedelta) -> None:
    assert elapsed(kind, start, advance(kind, start, running, DAYS), DAYS) == running


@given(kinds, moments, amounts, amounts)
def test_a_limit_in_two_parts_ends_as_in_one(
    kind: ClockKind, start: datetime, first: timedelta, second: timedelta
) -> None:
    parted = advance(kind, advance(kind, start, first, DAYS), second, DAYS)
    whole = advance(kind, start, first + second, DAYS)
    if second:
        assert parted == whole
    else:
        assert parted <= whole


@given(kinds, moments, moments, moments)
def test_elapsed_time_adds_up_and_never_runs_faster_than_time(
    kind: ClockKind, a: datetime, b: datetime, c: datetime
) -> None:
    first, middle, last = sorted((a, b, c))
    parts = elapsed(kind, first, middle, DAYS) + elapsed(kind, middle, last, DAYS)
    assert parts == elapsed(kind, first, last, DAYS)
    assert timedelta(0) <= parts <= last - first


def test_every_day_of_two_years_is_as_the_state_council_arranged_it() -> None:
    worked = {year: sum(DAYS.is_working(day) for day in _year(year)) for year in (2025, 2026)}
    assert worked == {2025: 248, 2026: 248}
    assert DAYS.knows(date(2026, 5, 1))
    assert not DAYS.knows(date(2027, 5, 1))


def _year(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(days=number) for number in range(365)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"year": "2027"}, "year"),
        ({"year": True}, "year"),
        ({"version": ""}, "version"),
        ({"holidays": "2027-01-01"}, "holidays"),
        ({"holidays": ["2027-01-01", "2027-01-01"]}, "holidays"),
        ({"holidays": ["2027-02-30"]}, "holidays"),
        ({"holidays": ["2027-01-03/2027-01-01"]}, "holidays"),
        ({"holidays": ["2027-01-01/9999-01-01"]}, "holidays"),
        ({"holidays": ["2029-01-01"]}, "holidays"),
        ({"workdays": ["2027-01-01"]}, "workdays"),
        ({"workdays": [20270101]}, "workdays"),
        ({"workdays": ["2027-01-08"]}, "workdays"),
        ({"holidays": []}, "holidays"),
    ],
)
def test_a_holiday_table_with_a_fault_is_refused_by_its_field(change: dict[str, object], field: str) -> None:
    good: dict[str, object] = {"year": 2027, "version": "1", "holidays": ["2027-01-01"], "workdays": ["2027-01-09"]}
    assert read_holiday_table(good).year == 2027
    with pytest.raises(Refusal, match="holiday_table_invalid") as refused:
        read_holiday_table(good | change)
    assert refused.value.field == field


def test_a_year_without_its_table_is_missed_from_november_before_it() -> None:
    assert DAYS.missing(date(2026, 10, 31)) == ()
    assert DAYS.missing(date(2026, 11, 1)) == (2027,)
    assert DAYS.missing(date(2027, 1, 1)) == (2027,)
    assert DAYS.missing(date(2027, 12, 1)) == (2027, 2028)


@pytest.mark.parametrize(("kind", "amount"), [("work_hour", 0), ("work_hour", -1), ("lunar_day", 1), ("work_day", 1e9)])
def test_a_limit_that_no_clock_can_run_is_refused(kind: ClockKind, amount: float) -> None:
    with pytest.raises(Refusal, match="limit_invalid"):
        Limit(kind, amount)
