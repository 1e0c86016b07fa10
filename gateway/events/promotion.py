"""The sweep: alerts that nobody attended to become events, and alerts whose worker fell silent end.

Each alert is promoted in a transaction of its own, with its row held and looked at again; two sweeps at once, in one
process or in two, open one event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Select, and_, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.events.alert_states import UNDECIDED
from gateway.events.announcing import Announcer, Changes
from gateway.events.classes import HAZARDS
from gateway.events.opening import Opening
from gateway.events.windows import windows_of
from gateway.processes.periodic import PeriodicWork
from gateway.settings import WindowSettings
from gateway.storage.database import Database
from gateway.storage.tables.events import AlertRow

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
AT_ONCE = 200

_Act = Callable[[AsyncSession, Changes, str, datetime], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: alerts promoted (or linked), and alerts ended for silence."""

    promoted: int
    ended: int


class Promotion:
    """``since``: when control began to listen, or its database could not be read last. Silence counts from then, and
    from when the database last took nothing: the workers' word is refused all the while, and an outage would end alerts
    whose hazards last, and have them raised once more."""

    def __init__(
        self,
        db: Database,
        announcer: Announcer,
        opening: Opening,
        windows: WindowSettings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._announcer = announcer
        self._opening = opening
        self._windows = windows
        self._clock = clock
        self._since = clock()
        self.work = PeriodicWork("promotion", self._turn, SWEEP_SECONDS)

    async def _turn(self) -> None:
        try:
            swept = await self.sweep(self._clock())
        except Exception:
            self._since = self._clock()
            raise
        if swept.promoted or swept.ended:
            log.info("alerts_swept", promoted=swept.promoted, ended=swept.ended)

    async def sweep(self, now: datetime) -> Swept:
        """One round at ``now``. An alert whose promotion fails costs only itself; it is taken up again by and by."""
        most = AT_ONCE + len(self.work.rows)
        async with self._db.reading() as session:
            lapsed = select(AlertRow.id).where(AlertRow.due_at <= now).order_by(AlertRow.due_at)
            due = list(await session.scalars(lapsed.limit(most)))
            silent = list(await session.scalars(self._silent(now).limit(most))) if now > self._listens_since else []
        promoted = await self._each(due, now, self._promote)
        ended = await self._each(silent, now, self._end)
        return Swept(promoted, ended)

    async def _each(self, ids: list[str], now: datetime, act: _Act) -> int:
        done = 0
        for alert_id in self.work.rows.ready(ids, now)[:AT_ONCE]:

            async def work(session: AsyncSession, changes: Changes, alert_id: str = alert_id) -> bool:
                return await act(session, changes, alert_id, now)

            with self.work.rows.by_itself(alert_id, now):
                done += await self._announcer.commit(work)
        return done

    async def _promote(self, session: AsyncSession, changes: Changes, alert_id: str, now: datetime) -> bool:
        query = select(AlertRow).where(AlertRow.id == alert_id).with_for_update(skip_locked=True)
        alert = await session.scalar(query)
        if alert is None or alert.state not in UNDECIDED or alert.due_at is None or alert.due_at > now:
            return False
        await self._opening.promote(session, alert, changes)
        return True

    async def _end(self, session: AsyncSession, changes: Changes, alert_id: str, now: datetime) -> bool:
        query = select(AlertRow).where(AlertRow.id == alert_id).with_for_update(skip_locked=True)
        alert = await session.scalar(query)
        if alert is None or alert.ended_at is not None:
            return False
        heard = max(alert.last_seen_at, self._listens_since)  # it may have been refused within this very sweep
        if heard > now - windows_of(self._windows, alert.hazard).silence:
            return False
        await session.execute(
            update(AlertRow)
            .where(AlertRow.id == alert_id)
            .values(ended_at=alert.last_seen_at, ended_by="silence", open_key=None)
        )
        changes.alert(alert, "alert.changed")
        return True

    @property
    def _listens_since(self) -> datetime:
        refused_at = self._announcer.refused_at
        return self._since if refused_at is None else max(self._since, refused_at)

    def _silent(self, now: datetime) -> Select[str]:
        conditions = []
        for hazard in HAZARDS:
            silence = windows_of(self._windows, hazard).silence
            if now - self._listens_since > silence:
                conditions.append(and_(AlertRow.hazard == hazard, AlertRow.last_seen_at <= now - silence))
        return select(AlertRow.id).where(AlertRow.open_key.is_not(None), or_(false(), *conditions))
