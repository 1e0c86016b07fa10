"""Makes reports: those asked for, and those that plans want once their period has ended; each once, and kept.

A wish is a row; the file is written beside, forced to disk and only then given its name and noted. After a crash the
wish is there still and is seen to again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.scopes import visible_platforms
from gateway.clock import Clock
from gateway.duty.report_periods import KINDS, ReportKind, ReportPeriod, last_ended, period_of
from gateway.duty.reports import figures_of, write_report
from gateway.events.books import CityBooks
from gateway.events.local_time import LOCAL_TIME
from gateway.live import LiveHub, Notice
from gateway.processes.periodic import PeriodicWork
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.durable import to_disk
from gateway.storage.tables.reports import ReportPlanRow, ReportRow

log = structlog.get_logger(__name__)

EVERY = 10.0
TRIES = 3
MOST_WAITING = 20
"""Reports of one platform that may wait to be made."""


def reports_folder(data_folder: Path) -> Path:
    return data_folder / "reports"


async def ask_report(
    session: AsyncSession, caller: Caller, platform: str, period: ReportPeriod, now: datetime
) -> ReportRow:
    """A report on demand. Refuses a platform out of scope, a period that has not begun, and too many at once."""
    if not caller.sees(platform):
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有平台“{platform}”，或不在您的管辖范围内。",
            f"There is no platform {platform!r} in your scope.",
            field="platform",
        )
    if period.since > now:
        raise Refusal("invalid", "period_not_begun", "该时段尚未开始。", "The period has not begun.", field="day")
    waiting = select(ReportRow.id).where(ReportRow.platform == platform, ReportRow.state == "wanted")
    if len(list(await session.scalars(waiting.limit(MOST_WAITING)))) >= MOST_WAITING:
        raise Refusal("too_many", "reports_wait", "待生成的报表过多，请稍候。", "Too many reports wait to be made.")
    row = ReportRow(
        platform=platform, kind=period.kind, since=period.since, until=period.until, asked_by=caller.username,
        asked_at=now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    act = audit.Act(caller.username, "report.ask", f"report:{row.id}", platform, f"{period.kind} {period.first}")
    await audit.append(session, act, now)
    return row


@dataclass(slots=True)
class ReportKeeper:
    """``wake`` after a report has been asked for."""

    db: Database
    books: CityBooks
    live: LiveHub
    clock: Clock
    folder: Path
    asked: asyncio.Event
    work: PeriodicWork = field(init=False)

    def __post_init__(self) -> None:
        self.work = PeriodicWork("reports", self._turn, EVERY, woken=self.asked)

    @classmethod
    def over(cls, db: Database, books: CityBooks, live: LiveHub, clock: Clock, data_folder: Path) -> ReportKeeper:
        return cls(db, books, live, clock, reports_folder(data_folder), asyncio.Event())

    def wake(self) -> None:
        self.asked.set()

    async def _turn(self) -> None:
        await self.sweep(self.clock())

    async def sweep(self, now: datetime) -> int:
        """Note what plans want by now, make what is wanted; how many were made. What is amiss with one plan or report
        keeps no other from being made."""
        rows = self.work.rows
        async with self.db.reading() as session:
            plans = {plan.id: plan for plan in await session.scalars(select(ReportPlanRow))}
        for plan_id in rows.ready(plans, now):
            with rows.by_itself(plan_id, now):
                await self._plan(plans[plan_id], now)
        async with self.db.reading() as session:
            query = select(ReportRow.id).where(ReportRow.state == "wanted").order_by(ReportRow.asked_at)
            wanted = list(await session.scalars(query.limit(MOST_WAITING + len(rows))))
        made = 0
        for report_id in rows.ready(wanted, now)[:MOST_WAITING]:
            with rows.by_itself(report_id, now):
                made += await self._make(report_id, now)
        return made

    async def _plan(self, plan: ReportPlanRow, now: datetime) -> None:
        kind: ReportKind | None = next((one for one in KINDS if one == plan.kind), None)
        period = last_ended(kind, now, timedelta(minutes=plan.minutes)) if kind is not None else None
        if period is None or period.until <= plan.begins_at:
            return
        key = f"{plan.platform}|{plan.kind}|{period.first}"
        async with self.db.reading() as session:
            if await session.scalar(select(ReportRow.id).where(ReportRow.plan_key == key)) is not None:
                return
        with suppress(IntegrityError):  # another has just noted it
            async with self.db.transaction() as session:
                session.add(
                    ReportRow(
                        platform=plan.platform, kind=plan.kind, since=period.since, until=period.until,
                        asked_by=audit.SYSTEM, asked_at=now, plan_key=key,
                    )
                )  # fmt: skip

    async def _make(self, report_id: str, now: datetime) -> bool:
        async with self.db.reading() as session:
            row = await session.get(ReportRow, report_id)
            if row is None or row.state != "wanted":
                return False
            scope = await visible_platforms(session, row.platform)
        draft = self.folder / f"{report_id}.part"
        try:
            await asyncio.to_thread(_make_folder, self.folder)
            caller = _of_platform(row.platform, scope, now)
            period = period_of(_kind(row.kind), row.since.astimezone(LOCAL_TIME).date())
            async with self.db.reading() as session:
                figures = await figures_of(session, self.books, caller, period, now)
            await write_report(self.db, caller, figures, draft)
            sha256, size = await asyncio.to_thread(_kept, draft, draft.with_suffix(".xlsx"))
        except Exception as error:  # whatever it is, it is this report's fault and keeps no other from being made
            known = isinstance(error, (Refusal, SQLAlchemyError, OSError, TimeoutError))
            log.warning("report_not_made", report=report_id, error=str(error), exc_info=not known)
            with suppress(OSError):
                await asyncio.to_thread(draft.unlink, missing_ok=True)
            reason = error.zh if isinstance(error, Refusal) else type(error).__name__
            await self._note(report_id, lambda row: _failed(row, reason))
            return False

        def made(row: ReportRow) -> None:
            row.state, row.made_at, row.reason = "made", now, None
            row.path, row.sha256, row.size = f"{report_id}.xlsx", sha256, size

        await self._note(report_id, made)
        return True

    async def _note(self, report_id: str, change: Callable[[ReportRow], None]) -> None:
        async with self.db.transaction() as session:
            row = await session.get(ReportRow, report_id, with_for_update=True)
            if row is None:
                return
            change(row)
            await session.flush()
        self.live.publish(Notice("duty.changed", row.platform, {"what": "report", "id": row.id, "state": row.state}))


def _failed(row: ReportRow, reason: str) -> None:
    row.attempts += 1
    row.reason = reason[:200]
    if row.attempts >= TRIES:
        row.state = "failed"


def _kind(kind: str) -> ReportKind:
    return next(one for one in KINDS if one == kind)


def _of_platform(platform: str, scope: frozenset[str] | None, now: datetime) -> Caller:
    """A report sees what its platform sees, whoever asked for it."""
    return Caller("", audit.SYSTEM, "", frozenset(), platform, scope, "", "bearer", now + timedelta(hours=1))


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _kept(draft: Path, place: Path) -> tuple[str, int]:
    """Forced to disk before it has its name."""
    with draft.open("rb") as written:
        os.fsync(written.fileno())
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    size = draft.stat().st_size
    draft.chmod(0o600)
    draft.replace(place)
    to_disk(place.parent)
    return sha256, size
