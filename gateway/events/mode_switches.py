"""Switches of the mode as people make them: asked for, decided on, and over when their time is.

Time ends a switch at once, whether the sweep has come by or not; the sweep warns before and writes it down after.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.scopes import visible_platforms
from gateway.clock import Clock
from gateway.events.announcing import Announcer, Changes
from gateway.events.books import CityBooks
from gateway.events.mode import Decision, SwitchAsked, checked, decided, warns_at
from gateway.live import Notice
from gateway.processes.periodic import PeriodicWork
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.modes import ModeLogRow, ModeSwitchRow

SWEEP_SECONDS = 5.0


class ModeSwitches:
    """Ask for a switch, and decide on one. Each act is in the log, the audit chain and on the live stream."""

    def __init__(self, announcer: Announcer, books: CityBooks) -> None:
        self._announcer = announcer
        self._books = books

    async def ask(self, caller: Caller, asked: SwitchAsked) -> ModeSwitchRow:
        async def work(session: AsyncSession, changes: Changes) -> ModeSwitchRow:
            checked(asked, changes.at)
            known = await session.scalar(select(Platform.code).where(Platform.code == asked.platform))
            if known is None or not caller.sees(asked.platform):
                raise Refusal(
                    "invalid",
                    "platform_unknown",
                    f"没有平台“{asked.platform}”，或不在您的管辖范围内。",
                    f"There is no platform {asked.platform!r} in your scope.",
                    field="platform",
                )
            classes = (await self._books.current(session)).classes
            for code in sorted(asked.classes):
                classes.of_code(code)
            row = ModeSwitchRow(
                platform=asked.platform,
                wartime=asked.wartime,
                drill=asked.drill,
                classes=sorted(asked.classes),
                reason=asked.reason.strip(),
                state="asked",
                asked_by=caller.username,
                asked_at=changes.at,
                until=asked.until,
            )
            session.add(row)
            await session.flush()
            await _noted(session, row, "ask", caller.username, row.reason, changes)
            return row

        return await self._announcer.commit(work)

    async def decide(self, caller: Caller, switch_id: str, action: str, opinion: str) -> ModeSwitchRow:
        """Approve, refuse, withdraw or end a switch in the caller's scope."""

        async def work(session: AsyncSession, changes: Changes) -> ModeSwitchRow:
            query = select(ModeSwitchRow).where(ModeSwitchRow.id == switch_id, caller.visible(ModeSwitchRow.platform))
            row = await session.scalar(query.with_for_update().execution_options(populate_existing=True))
            if row is None:
                raise Refusal(
                    "not_found", "mode_switch_unknown", "没有这一平战转换。", "There is no such switch.", field="id"
                )
            decision = Decision(action, caller.username, caller.roles, changes.at, opinion)
            row.state = decided(row.state, row.asked_by, row.until, decision)
            if action == "approve":
                row.decided_by, row.since = caller.username, changes.at
            elif action == "refuse":
                row.decided_by = caller.username
            await session.flush()
            await _noted(session, row, action, caller.username, opinion.strip(), changes)
            return row

        return await self._announcer.commit(work)


async def _noted(
    session: AsyncSession, row: ModeSwitchRow, action: str, operator: str, opinion: str, changes: Changes
) -> None:
    session.add(
        ModeLogRow(
            platform=row.platform,
            switch_id=row.id,
            at=changes.at,
            action=action,
            operator=operator,
            opinion=opinion,
        )
    )
    await session.flush()
    changes.audit(audit.Act(operator, f"mode.{action}", f"mode:{row.id}", row.platform, opinion))
    # All whom it governs must know, also below its platform: what it is, they ask for.
    data = {"id": row.id, "action": action, "state": row.state}
    reaches = await visible_platforms(session, row.platform)
    changes.notices.append(Notice("mode.changed", row.platform, data, reaches=reaches))


class ModeKeeping:
    """The sweep: announces a switch's end before it comes, and writes it down when it has."""

    def __init__(self, db: Database, announcer: Announcer, clock: Clock) -> None:
        self._db = db
        self._announcer = announcer
        self._clock = clock
        self.work = PeriodicWork("modes", self._turn, SWEEP_SECONDS)

    async def _turn(self) -> None:
        await self.sweep(self._clock())

    async def sweep(self, now: datetime) -> int:
        """One round at ``now``; how many switches had something to be told of. One that fails keeps no other in."""
        rows = self.work.rows
        async with self._db.reading() as session:
            query = select(ModeSwitchRow).where(ModeSwitchRow.state.in_(("asked", "approved")))
            due = [row.id for row in await session.scalars(query) if _due(row, now) is not None]
        told = 0
        for switch_id in rows.ready(due, now):

            async def work(session: AsyncSession, changes: Changes, switch_id: str = switch_id) -> bool:
                query = select(ModeSwitchRow).where(ModeSwitchRow.id == switch_id)
                row = await session.scalar(query.with_for_update(skip_locked=True))
                action = _due(row, now) if row is not None else None
                if row is None or action is None:
                    return False
                if action == "lapse":
                    row.state = "lapsed"
                row.warned_at = now
                await session.flush()
                await _noted(session, row, action, audit.SYSTEM, "", changes)
                return True

            with rows.by_itself(switch_id, now):
                told += await self._announcer.commit(work)
        return told


def _due(row: ModeSwitchRow, now: datetime) -> str | None:
    if row.until <= now:
        return "lapse" if row.state in ("asked", "approved") else None
    if row.state != "approved" or row.warned_at is not None or row.since is None:
        return None
    return "warn" if warns_at(row.since, row.until) <= now else None
