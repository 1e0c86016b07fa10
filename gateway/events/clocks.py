"""The four clocks by which time limits run (四种计时). Pure: a moment, an amount, and the days that are worked.

Each clock is the set of moments at which it runs: ``urgent_hour`` (紧急工作时) and ``natural_day`` always, ``work_day``
on the whole of each working day, ``work_hour`` on working days from 8 to 12 and from 14 to 18. An hour is an hour of
running time, a day 24 hours of it: two working days from Friday 15:00 end on Tuesday 15:00. All days are Shanghai's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal, get_args

from gateway.events.local_time import LOCAL_TIME
from gateway.events.working_days import WorkingDays
from gateway.refusals import Refusal

ClockKind = Literal["urgent_hour", "work_hour", "work_day", "natural_day"]
KINDS: frozenset[str] = frozenset(get_args(ClockKind))
WORK_HOURS = ((time(8), time(12)), (time(14), time(18)))
MOST_DAYS = 366
"""The longest limit, in days of its clock (or as many hours): what is longer is a mistake in a table."""
_UNIT = {
    "urgent_hour": timedelta(hours=1),
    "work_hour": timedelta(hours=1),
    "work_day": timedelta(days=1),
    "natural_day": timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit: so many hours or days on one of the clocks."""

    clock: ClockKind
    amount: float

    def __post_init__(self) -> None:
        if self.clock not in KINDS or not 0 < self.amount <= MOST_DAYS:
            raise Refusal(
                "invalid",
                "limit_invalid",
                f"时限应为 0 至 {MOST_DAYS} 的数，计时方式为 {'、'.join(sorted(KINDS))} 之一。",
                f"A limit is above 0 and at most {MOST_DAYS}, on one of {', '.join(sorted(KINDS))}.",
                field="limit",
            )

    @property
    def running(self) -> timedelta:
        """How long its clock has to run."""
        return self.amount * _UNIT[self.clock]


def due(limit: Limit, start: datetime, days: WorkingDays) -> datetime:
    """The moment at which ``limit``, begun at ``start``, is used up."""
    return advance(limit.clock, start, limit.running, days)


def advance(clock: ClockKind, start: datetime, running: timedelta, days: WorkingDays) -> datetime:
    """The first moment at which ``clock`` has run for ``running`` since ``start``; in UTC."""
    if running <= timedelta(0) or clock in ("urgent_hour", "natural_day"):
        return start.astimezone(UTC) + max(running, timedelta(0))
    left = running
    for begin, end in _spans(clock, start, days):
        if end - begin >= left:
            return (begin + left).astimezone(UTC)
        left -= end - begin
    raise AssertionError("unreachable: working days never end")


def elapsed(clock: ClockKind, start: datetime, end: datetime, days: WorkingDays) -> timedelta:
    """How long ``clock`` has run from ``start`` to ``end``; 0 where the end comes first."""
    if end <= start:
        return timedelta(0)
    if clock in ("urgent_hour", "natural_day"):
        return end - start
    total = timedelta(0)
    for begin, stop in _spans(clock, start, days):
        if begin >= end:
            break
        total += min(stop, end) - begin
    return total


def _spans(clock: ClockKind, start: datetime, days: WorkingDays) -> Iterator[tuple[datetime, datetime]]:
    """The spans in which the clock runs, from ``start`` on, in order."""
    local = start.astimezone(LOCAL_TIME)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        if days.is_working(midnight.date()):
            for begin, end in _of_day(clock, midnight):
                if end > local:
                    yield max(begin, local), end
        midnight += timedelta(days=1)


def _of_day(clock: ClockKind, midnight: datetime) -> Iterator[tuple[datetime, datetime]]:
    if clock == "work_day":
        yield midnight, midnight + timedelta(days=1)
        return
    for begin, end in WORK_HOURS:
        yield datetime.combine(midnight.date(), begin, LOCAL_TIME), datetime.combine(midnight.date(), end, LOCAL_TIME)
