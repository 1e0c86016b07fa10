"""The sweep over events whose clock has something to say: warned, urged (催办), supervised (督办).

Each event is looked at again in a transaction of its own, with its row held; two sweeps at once say it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.clock import Clock
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_case import lapse
from gateway.events.event_records import add_flow, case_of, case_values
from gateway.events.opening import Opening
from gateway.events.timers import Mark, TimerRules
from gateway.processes.periodic import PeriodicWork
from gateway.storage.database import Database
from gateway.storage.tables.events import EventRow

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
AT_ONCE = 200
_OPINIONS: Mapping[Mark, str] = MappingProxyType(
    {"urge": "已超过时限，系统催办。", "supervise": "超时仍未推进，系统督办。"}
)


async def let_lapse(session: AsyncSession, event: EventRow, now: datetime, rules: TimerRules) -> bool:
    """Let the event's clock run to ``now``, with a flow row for each deadline that it passed. Whether anything came
    due. The event's row must be held."""
    before = case_of(event)
    case, marks = lapse(before, now, rules)
    if not marks:
        return False
    # No revision: what somebody decides must not be stale because a clock has run meanwhile.
    old, new = case_values(before), case_values(case)
    await session.execute(
        update(EventRow)
        .where(EventRow.id == event.id)
        .values({name: value for name, value in new.items() if value != old[name]})
    )
    await session.refresh(event)
    for mark in marks:
        opinion = _OPINIONS.get(mark)
        if opinion is not None:
            await add_flow(session, event, event.state, mark, audit.SYSTEM, opinion, now)
    return True


class Timekeeping:
    def __init__(self, db: Database, announcer: Announcer, opening: Opening, clock: Clock) -> None:
        self._db = db
        self._announcer = announcer
        self._opening = opening
        self._clock = clock
        self.work = PeriodicWork("timekeeping", self._turn, SWEEP_SECONDS)

    async def _turn(self) -> None:
        told = await self.sweep(self._clock())
        if told:
            log.info("event_clocks_swept", told=told)

    async def sweep(self, now: datetime) -> int:
        """One round at ``now``; how many events had something to be told of. One whose clock fails stops no other."""
        rows = self.work.rows
        async with self._db.reading() as session:
            query = select(EventRow.no).where(EventRow.timer_at <= now).order_by(EventRow.timer_at)
            due = list(await session.scalars(query.limit(AT_ONCE + len(rows))))
        told = 0
        for no in rows.ready(due, now)[:AT_ONCE]:

            async def work(session: AsyncSession, changes: Changes, no: str = no) -> bool:
                query = select(EventRow).where(EventRow.no == no).with_for_update(skip_locked=True)
                event = await session.scalar(query)
                if event is None:
                    return False
                rules = await self._opening.rules(session, event.platform, event.class_code, now)
                if not await let_lapse(session, event, now, rules):
                    return False
                changes.event(event, "event.changed")
                return True

            with rows.by_itself(no, now):
                told += await self._announcer.commit(work)
        return told
