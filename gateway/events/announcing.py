"""What a transaction changed, told after it has been committed: to the live hub, and to the outbox sender.

A ``Changes`` collects inside the transaction; the ``Announcer`` passes it on once that has ended well. Nothing is told
of what was rolled back; what was committed reaches the receivers outside even if the process dies before telling,
since the outbox is in the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.clock import Clock
from gateway.events.outward import outbox, warnings
from gateway.events.shown import AlertShown, EventShown, shown_alerts, shown_events
from gateway.live import LiveHub, Notice, Topic
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.events import AlertRow, EventRow

log = structlog.get_logger(__name__)

TRIES = 3
T = TypeVar("T")


def _nobody() -> None:
    pass


@dataclass(slots=True)
class Changes:
    """What one transaction changes, in order: told as it stands at the transaction's end, and written then into the
    outbox and the audit chain, whose end all others wait for."""

    at: datetime
    notices: list[Notice] = field(default_factory=list)
    sent_out: bool = False
    _told: list[tuple[Topic, AlertRow | EventRow]] = field(default_factory=list)
    _acts: list[audit.Act] = field(default_factory=list)

    def alert(self, row: AlertRow, topic: Topic) -> None:
        self._told.append((topic, row))

    def event(self, row: EventRow, topic: Topic) -> None:
        """Also written to the outbox."""
        self._told.append((topic, row))

    def audit(self, act: audit.Act) -> None:
        self._acts.append(act)

    async def settle(self, session: AsyncSession) -> None:
        """Last in the transaction: fetch what changed as it is now, all at once."""
        await session.flush()
        shown = await _as_they_are(session, [row for _, row in self._told])
        messages: list[outbox.OutMessage] = []
        for topic, row in self._told:
            data = shown[row.id]
            if isinstance(row, AlertRow):
                self.notices.append(Notice(topic, row.platform, data))
                continue
            self.notices.append(Notice(topic, row.platform, data, row.department))
            type_, subject = f"gateway.{topic}", f"events/{row.no}"
            messages.append(outbox.OutMessage(type_, subject, row.platform, row.department, data))
        events = {row.id: row for _, row in self._told if isinstance(row, EventRow)}
        for warning in await warnings.follow(session, list(events.values()), self.at):
            messages.append(outbox.warning_message(warning, shown))
        if messages:
            await outbox.put(session, messages, self.at)
            self.sent_out = True
        if self._acts:
            await audit.append_all(session, self._acts, self.at)


async def _as_they_are(session: AsyncSession, rows: Sequence[AlertRow | EventRow]) -> dict[str, dict[str, Any]]:
    """The rows as JSON-ready data by id, read anew: some were changed behind the session's back."""
    alert_ids = {row.id for row in rows if isinstance(row, AlertRow)}
    event_ids = {row.id for row in rows if isinstance(row, EventRow)}
    fresh = {"populate_existing": True}
    shown: list[AlertShown | EventShown] = []
    if alert_ids:
        alerts = select(AlertRow).where(AlertRow.id.in_(alert_ids)).execution_options(**fresh)
        shown += await shown_alerts(session, list(await session.scalars(alerts)))
    if event_ids:
        events = select(EventRow).where(EventRow.id.in_(event_ids)).execution_options(**fresh)
        shown += await shown_events(session, list(await session.scalars(events)))
    return {one.id: one.model_dump(mode="json") for one in shown}


Work = Callable[[AsyncSession, Changes], Awaitable[T]]


class Announcer:
    """Runs work in a transaction and tells of it after. ``wake``: told when the outbox holds something new, so that
    the sender need not wait for its next round."""

    def __init__(self, db: Database, live: LiveHub, clock: Clock, wake: Callable[[], None] = _nobody) -> None:
        self._db = db
        self._live = live
        self._clock = clock
        self._wake = wake
        self.refused_at: datetime | None = None
        """When the database last took nothing of what was to be written (full, locked, away)."""

    async def commit(self, work: Work[T]) -> T:
        """Do ``work``, commit, tell. Work that ran into a row which another transaction had just made is done anew."""
        for rest in reversed(range(TRIES)):
            changes = Changes(self._clock())
            try:
                async with self._db.transaction() as session:
                    done = await work(session, changes)
                    await changes.settle(session)
            except IntegrityError:
                if not rest:
                    raise
                log.info("transaction_done_anew")
                continue
            except Refusal as refusal:
                if refusal.kind == "unavailable":
                    self.refused_at = self._clock()
                raise
            self._tell(changes)
            return done
        raise AssertionError("unreachable")

    def _tell(self, changes: Changes) -> None:
        for notice in changes.notices:
            self._live.publish(notice)
        if changes.sent_out:
            self._wake()
