"""Counts and rates of a period, each rate with its numerator, its denominator and its formula.

Cities define their rates differently; the formula is shown so that nobody has to guess. A period counts what was
reported (events) or raised (alerts) within it, as it stands now. All of an event that a rate needs stands in its row,
so a month is read once, whatever is asked of it. Drills (演练) are left out unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.access.caller import Caller
from gateway.events.event_scope import visible_events
from gateway.storage.tables.events import AlertRow, EventRow

Grouping = Literal["platform", "department", "grid", "class"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)
Drills = Literal["without", "only", "with"]
MOST_GROUPS = 2000


@dataclass(frozen=True, slots=True)
class Rate:
    """``value`` is None where there is nothing to divide by."""

    name: str
    zh: str
    formula: str
    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of events. ``due``: to be handled by now, or handled; ``in_time``: handled before the deadline;
    ``exempt``: late, with an appeal approved; ``fed_back``: due to be closed."""

    reported: int = 0
    not_accepted: int = 0
    cancelled: int = 0
    closed: int = 0
    due: int = 0
    in_time: int = 0
    exempt: int = 0
    fed_back: int = 0
    reworked: int = 0
    extended: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in _COUNTS))

    def rates(self) -> tuple[Rate, ...]:
        taken_up = self.reported - self.not_accepted - self.cancelled
        return (
            Rate("closure_rate", "办结率", "closed / (reported - not_accepted - cancelled)", self.closed, taken_up),
            Rate("ontime_rate", "按期处置率", "handled in time / due to be handled", self.in_time, self.due),
            Rate(
                "ontime_score_rate",
                "按期处置率（申诉豁免后）",
                "(handled in time + late with an approved appeal) / due to be handled",
                self.in_time + self.exempt,
                self.due,
            ),
            Rate("rework_rate", "返工率", "reworked / due to be closed (fed back)", self.reworked, self.fed_back),
            Rate("extension_rate", "延期率", "extended / due to be handled", self.extended, self.due),
        )


_COUNTS = tuple(Tally.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts by state and by class, and the rates that can be told from them."""

    alerts_by_state: dict[str, int]
    alerts_by_hazard: dict[str, int]
    events_by_state: dict[str, int]
    events_by_class: dict[str, int]
    rates: tuple[Rate, ...]
    drills_left_out: int = 0
    """Alerts and events of drills in the period, which the figures leave out."""


@dataclass(frozen=True, slots=True)
class Group:
    """One platform, department, grid or class; ``key`` is its code, empty where an event has none. ``rejected`` of
    ``assessed`` alerts were false; a department has no alerts."""

    key: str
    tally: Tally = Tally()
    rejected: int = 0
    assessed: int = 0

    def rates(self) -> tuple[Rate, ...]:
        return (*self.tally.rates(), _false_positive_rate(self.rejected, self.assessed))


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to before ``until``; deadlines count as of ``now``."""

    since: datetime
    until: datetime
    now: datetime
    platform: str | None = None
    drills: Drills = "without"

    def counts(self, drill: bool) -> bool:
        return self.drills == "with" or drill == (self.drills == "only")


async def summary(session: AsyncSession, caller: Caller, period: Period) -> Summary:
    """What was raised and reported in the period, in the caller's scope."""
    conditions = _events(caller, period)
    keys = (EventRow.state, EventRow.class_code, EventRow.drill)
    grouped = select(*keys, *_counts(period.now)).where(*conditions).group_by(*keys)
    by_state: dict[str, int] = {}
    by_class: dict[str, int] = {}
    tally, left_out = Tally(), 0
    for state, class_code, drill, *counts in await session.execute(grouped):
        one = Tally(*(int(count) for count in counts))
        if not period.counts(drill):
            left_out += one.reported
            continue
        by_state[state] = by_state.get(state, 0) + one.reported
        by_class[class_code] = by_class.get(class_code, 0) + one.reported
        tally += one
    alerts = await _alerts(session, caller, period)
    return Summary(
        alerts_by_state=alerts.by_state,
        alerts_by_hazard=alerts.by_hazard,
        events_by_state=by_state,
        events_by_class=by_class,
        rates=(*tally.rates(), alerts.false_positive_rate),
        drills_left_out=left_out + alerts.left_out,
    )


async def groups(session: AsyncSession, caller: Caller, period: Period, by: Grouping) -> list[Group]:
    """The period's events, and alerts where they belong to such a group, by one of the groupings, by code."""
    columns: dict[str, ColumnElement[str]] = {
        "platform": EventRow.platform.expression,
        "department": func.coalesce(EventRow.department, ""),
        "grid": func.coalesce(EventRow.grid, ""),
        "class": EventRow.class_code.expression,
    }
    column = columns[by]
    query = select(column, *_counts(period.now)).where(*_events(caller, period), *_drills(EventRow.drill, period))
    found = await session.execute(query.group_by(column).order_by(column).limit(MOST_GROUPS))
    tallies = {row[0]: Tally(*(int(count) for count in row[1:])) for row in found}
    judged = await _judged(session, caller, period, by)
    return [
        Group(key, tallies.get(key, Tally()), *judged.get(key, (0, 0)))
        for key in sorted(tallies.keys() | judged.keys())[:MOST_GROUPS]
    ]


async def _judged(session: AsyncSession, caller: Caller, period: Period, by: Grouping) -> dict[str, tuple[int, int]]:
    """Alerts rejected and assessed, by group."""
    columns: dict[str, ColumnElement[str]] = {
        "platform": AlertRow.platform.expression,
        "grid": func.coalesce(AlertRow.grid, ""),
        "class": AlertRow.class_code.expression,
    }
    column = columns.get(by)
    if column is None:
        return {}
    rejected = func.coalesce(func.sum(case((AlertRow.state == "false_positive", 1), else_=0)), 0)
    query = (
        select(column, rejected, func.count(AlertRow.assessed_at))
        .where(*_alert_conditions(caller, period), *_drills(AlertRow.drill, period))
        .where(AlertRow.assessed_at.is_not(None))
        .group_by(column)
        .limit(MOST_GROUPS)
    )
    return {key: (int(false), int(judged)) for key, false, judged in await session.execute(query)}


def _drills(column: InstrumentedAttribute[bool], period: Period) -> list[ColumnElement[bool]]:
    return [] if period.drills == "with" else [column.is_(period.drills == "only")]


def _events(caller: Caller, period: Period) -> list[ColumnElement[Any]]:
    found = [EventRow.reported_at >= period.since, EventRow.reported_at < period.until, visible_events(caller)]
    return found if period.platform is None else [*found, EventRow.platform == period.platform]


def _counts(now: datetime) -> list[ColumnElement[int]]:
    """A column for each field of ``Tally``, in its order."""
    handled, row = EventRow.handled_at.is_not(None), EventRow
    due = and_(row.handle_due_at.is_not(None), or_(handled, row.handle_due_at <= now))
    late = and_(due, or_(row.handled_late, ~handled))
    of: Mapping[str, ColumnElement[bool]] = {
        "not_accepted": row.state == "not_accepted",
        "cancelled": row.state == "cancelled",
        "closed": row.state == "closed",
        "due": due,
        "in_time": and_(handled, ~row.handled_late, row.handle_due_at.is_not(None)),
        "exempt": and_(late, row.appeal == "approved"),
        "fed_back": handled,
        "reworked": row.reworks > 0,
        "extended": row.extensions > 0,
    }
    counted = [func.coalesce(func.sum(case((of[name], 1), else_=0)), 0) for name in _COUNTS if name in of]
    return [func.count(), *counted]


@dataclass(frozen=True, slots=True)
class _Alerts:
    by_state: dict[str, int]
    by_hazard: dict[str, int]
    assessed: int
    left_out: int

    @property
    def false_positive_rate(self) -> Rate:
        return _false_positive_rate(self.by_state.get("false_positive", 0), self.assessed)


def _false_positive_rate(rejected: int, assessed: int) -> Rate:
    return Rate("false_positive_rate", "误报率", "false_positive / assessed", rejected, assessed)


def _alert_conditions(caller: Caller, period: Period) -> list[ColumnElement[Any]]:
    found = [AlertRow.raised_at >= period.since, AlertRow.raised_at < period.until, caller.visible(AlertRow.platform)]
    return found if period.platform is None else [*found, AlertRow.platform == period.platform]


async def _alerts(session: AsyncSession, caller: Caller, period: Period) -> _Alerts:
    conditions = _alert_conditions(caller, period)
    keys = (AlertRow.state, AlertRow.hazard, AlertRow.drill)
    query = select(*keys, func.count(), func.count(AlertRow.assessed_at)).where(*conditions).group_by(*keys)
    by_state: dict[str, int] = {}
    by_hazard: dict[str, int] = {}
    assessed, left_out = 0, 0
    for state, hazard, drill, number, judged in await session.execute(query):
        if not period.counts(drill):
            left_out += number
            continue
        by_state[state] = by_state.get(state, 0) + number
        by_hazard[hazard] = by_hazard.get(hazard, 0) + number
        assessed += judged
    return _Alerts(by_state, by_hazard, assessed, left_out)
