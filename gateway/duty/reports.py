"""What a report (日报、周报、月报) holds: the figures of ``/api/v1/statistics``, each with what it was made of.

Figures are read first, from one state of the database; the list of events follows in batches while the workbook is
written in a thread: a month of any size costs neither memory nor the loop. Drills (演练) stand on sheets of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.duty.report_periods import NAMES, ReportPeriod
from gateway.duty.workbook import Cell, Share, Sheet, write_workbook
from gateway.events.books import CityBooks
from gateway.events.event_scope import visible_events
from gateway.events.event_states import STATE_NAMES
from gateway.events.local_time import LOCAL_TIME
from gateway.events.statistics import Group, Grouping, Period, Rate, Summary, groups, summary
from gateway.storage.database import Database
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.grid import Grid, Platform

BATCH = 500
"""Events fetched at a time: they are made in the loop, which must not wait long."""
BATCH_SECONDS = 30.0
MOST_EVENTS = 500_000
"""Rows of one sheet; XLSX takes a million."""
BY: Mapping[Grouping, tuple[str, str]] = {
    "platform": ("按平台", "platform"),
    "department": ("按责任单位", "department"),
    "grid": ("按网格", "grid"),
    "class": ("按类别", "class"),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """All that stands in a report but the list of events."""

    period: ReportPeriod
    platform: str
    counted_at: datetime
    total: Summary
    drills: Summary
    by: Mapping[Grouping, Sequence[Group]]
    names: Mapping[str, str]


async def figures_of(
    session: AsyncSession, books: CityBooks, caller: Caller, period: ReportPeriod, now: datetime
) -> Figures:
    """As they stand ``now``, in the caller's scope."""
    asked = Period(period.since, period.until, now)
    platforms = {row.code: row.name for row in await session.execute(select(Platform.code, Platform.name))}
    grids = {row.code: row.name for row in await session.execute(select(Grid.code, Grid.name))}
    classes = {one.code: one.name for one in (await books.current(session)).classes.classes.values()}
    return Figures(
        period=period,
        platform=caller.platform,
        counted_at=now,
        total=await summary(session, caller, asked),
        drills=await summary(session, caller, replace(asked, drills="only")),
        by={by: await groups(session, caller, asked, by) for by in BY},
        names={**grids, **classes, **platforms},
    )


class _Listed(NamedTuple):
    """What the list tells of an event."""

    id: str
    no: str
    class_code: str
    class_name: str
    state: str
    platform: str
    department: str | None
    grid: str | None
    reported_at: datetime
    handle_due_at: datetime | None
    handled_at: datetime | None
    handled_late: bool
    reworks: int
    extensions: int
    closed_at: datetime | None
    drill: bool
    address: str
    description: str


_LISTED = tuple(getattr(EventRow, name) for name in _Listed._fields)


async def write_report(db: Database, caller: Caller, figures: Figures, path: Path) -> None:
    """Write the workbook; the loop is free meanwhile but for the batches."""
    loop = asyncio.get_running_loop()

    async def batch(after: tuple[datetime, str] | None) -> list[_Listed]:
        query = select(*_LISTED).where(
            visible_events(caller),
            EventRow.reported_at >= figures.period.since,
            EventRow.reported_at < figures.period.until,
        )
        if after is not None:
            at, last = after
            query = query.where(or_(EventRow.reported_at > at, and_(EventRow.reported_at == at, EventRow.id > last)))
        async with db.reading() as session:
            found = await session.execute(query.order_by(EventRow.reported_at, EventRow.id).limit(BATCH))
            return [_Listed(*row) for row in found]

    def fetched(after: tuple[datetime, str] | None) -> list[_Listed]:
        return asyncio.run_coroutine_threadsafe(batch(after), loop).result(BATCH_SECONDS)

    await asyncio.to_thread(write_workbook, path, [*_sheets(figures), _events(figures, fetched)])


Fetch = Callable[[tuple[datetime, str] | None], list[_Listed]]


def _sheets(figures: Figures) -> Iterator[Sheet]:
    period = figures.period
    title = f"{NAMES[period.kind]} {period.kind}  {period.first} — {period.last}  {figures.platform}"
    counted = f"统计截至 Counted at {figures.counted_at.astimezone(LOCAL_TIME):%Y-%m-%d %H:%M:%S} (+08:00)"
    left_out = (
        f"不含演练 {figures.total.drills_left_out} 条（见“演练”）"
        f" {figures.total.drills_left_out} alerts and events of drills are left out"
    )
    yield Sheet("概览", _RATE_HEAD, _overview(figures.total), (44, 12, 12, 12, 70), (title, counted, left_out))
    for by, (zh, en) in BY.items():
        head = [f"{zh[1:]} {en}", "名称 Name", "上报 Reported", "办结 Closed"]
        for rate in Group("").rates():
            head += [f"{rate.zh} {rate.name}", f"{rate.zh} 分子 numerator", f"{rate.zh} 分母 denominator"]
        formulas = [f"{rate.zh} {rate.name} = {rate.formula}" for rate in Group("").rates()]
        rows = [_group(one, figures.names) for one in figures.by[by]]
        yield Sheet(zh, head, rows, (20, 26, *[14] * (len(head) - 2)), (title, *formulas))
    yield Sheet(
        "演练", _RATE_HEAD, _overview(figures.drills), (44, 12, 12, 12, 70),
        (title, "仅含演练期间产生的预警与事件 Only what arose in drills"),
    )  # fmt: skip


_RATE_HEAD = ("指标 Measure", "值 Value", "分子 Numerator", "分母 Denominator", "公式 Formula")


def _overview(total: Summary) -> Iterator[Sequence[Cell | Share]]:
    for rate in total.rates:
        yield _rate(rate)
    yield ("事件总数 Events", sum(total.events_by_state.values()))
    for state, count in sorted(total.events_by_state.items()):
        yield (f"  {STATE_NAMES.get(state, state)} {state}", count)
    yield ("预警总数 Alerts", sum(total.alerts_by_state.values()))
    for hazard, count in sorted(total.alerts_by_hazard.items()):
        yield (f"  {hazard}", count)


def _rate(rate: Rate) -> Sequence[Cell | Share]:
    return (f"{rate.zh} {rate.name}", Share(rate.value), rate.numerator, rate.denominator, rate.formula)


def _group(group: Group, names: Mapping[str, str]) -> Sequence[Cell | Share]:
    row: list[Cell | Share] = [group.key, names.get(group.key, ""), group.tally.reported, group.tally.closed]
    for rate in group.rates():
        row += [Share(rate.value), rate.numerator, rate.denominator]
    return row


def _events(figures: Figures, fetched: Fetch) -> Sheet:
    head = (
        "编号 No.", "类别编码 Class", "类别 Name", "状态 State", "平台 Platform", "责任单位 Department", "网格 Grid",
        "上报时间 Reported", "处置时限 Due", "处置完成 Handled", "超时处置 Late", "返工 Reworks", "延期 Extensions",
        "办结时间 Closed", "演练 Drill", "地址 Address", "描述 Description",
    )  # fmt: skip
    widths = (26, 12, 18, 14, 12, 14, 20, 20, 20, 20, 10, 10, 10, 20, 10, 30, 60)
    return Sheet("事件清单", head, _event_rows(fetched), widths)


def _event_rows(fetched: Fetch) -> Iterator[Sequence[Cell]]:
    after: tuple[datetime, str] | None = None
    written = 0
    while written < MOST_EVENTS:
        batch = fetched(after)
        for row in batch:
            yield (
                row.no, row.class_code, row.class_name, STATE_NAMES.get(row.state, row.state), row.platform,
                row.department, row.grid, row.reported_at, row.handle_due_at, row.handled_at,
                "是 yes" if row.handled_late else "", row.reworks, row.extensions, row.closed_at,
                "演练 drill" if row.drill else "", row.address, row.description,
            )  # fmt: skip
        written += len(batch)
        if len(batch) < BATCH:
            return
        after = (batch[-1].reported_at, batch[-1].id)
    yield (f"仅列前 {MOST_EVENTS} 条 only the first {MOST_EVENTS} are listed",)
