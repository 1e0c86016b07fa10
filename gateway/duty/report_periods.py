"""The days, weeks and months that reports are of, in the city's time. Pure. A week begins on Monday."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from gateway.events.local_time import LOCAL_TIME

ReportKind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[ReportKind, ...] = get_args(ReportKind)
NAMES = {"daily": "日报", "weekly": "周报", "monthly": "月报"}


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """``first`` to ``last`` inclusive, as days; ``since`` to before ``until`` in UTC."""

    kind: ReportKind
    first: date
    last: date

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), LOCAL_TIME).astimezone(UTC)

    @property
    def until(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), LOCAL_TIME).astimezone(UTC)


def period_of(kind: ReportKind, day: date) -> ReportPeriod:
    """The period that holds ``day``."""
    if kind == "daily":
        return ReportPeriod(kind, day, day)
    if kind == "weekly":
        monday = day - timedelta(days=day.weekday())
        return ReportPeriod(kind, monday, monday + timedelta(days=6))
    first = day.replace(day=1)
    next_month = (first + timedelta(days=31)).replace(day=1)
    return ReportPeriod(kind, first, next_month - timedelta(days=1))


def last_ended(kind: ReportKind, now: datetime, after: timedelta) -> ReportPeriod:
    """The newest period of the kind that had ended ``after`` before ``now``."""
    day = (now - after).astimezone(LOCAL_TIME).date()
    return period_of(kind, period_of(kind, day).first - timedelta(days=1))
