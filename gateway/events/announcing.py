"""What a transaction changed, told after it has been committed: to the live hub, and to the outbox sender.

A ``Changes`` collects inside the transaction; the ``Announcer`` passes it on once that has ended well. Nothing is told
of what was rolled back; what was committed reaches the receivers outside even if the process dies before telling,
since the outbox is in the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.events import outbox
from gateway.events.shown import shown_alert, shown_event
from gateway.live import LiveHub, Notice, Topic
from gateway.storage.database import Database
from gateway.storage.tables.events import AlertRow, EventRow

log = structlog.get_logger(__name__)

TRIES = 3
T = TypeVar("T")


def _nobody() -> None:
    pass


@dataclass(slots=True)
class Changes:
    """Notices of one transaction, in order. Call its methods after the rows have been flushed."""

    at: datetime
    notices: list[Notice] = field(default_factory=list)
    sent_out: bool = False

    async def alert(self, session: AsyncSession, row: AlertRow, topic: Topic) -> None:
        await session.refresh(row)
        shown = await shown_alert(session, row)
        self.notices.append(Notice(topic, row.platform, shown.model_dump(mode="json")))

    async def event(self, session: AsyncSession, row: EventRow, topic: Topic) -> None:
        """Also writes the event to the outbox."""
        await session.refresh(row)
        data = (await shown_event(session, row)).model_dump(mode="json")
        self.notices.append(Notice(topic, row.platform, data, row.department))
        await outbox.put(
            session,
            type_=f"gateway.{topic}",
            subject=f"events/{row.no}",
            platform=row.platform,
            department=row.department,
            data=data,
            at=self.at,
        )
        self.sent_out = True


Work = Callable[[AsyncSession, Changes], Awaitable[T]]


class Announcer:
    """Runs work in a transaction and tells of it after. ``wake``: told when the outbox holds something new, so that
    the sender need not wait for its next round."""

    def __init__(self, db: Database, live: LiveHub, clock: Clock, wake: Callable[[], None] = _nobody) -> None:
        self._db = db
        self._live = live
        self._clock = clock
        self._wake = wake

    async def commit(self, work: Work[T]) -> T:
        """Do ``work``, commit, tell. Work that ran into a row which another transaction had just made is done anew."""
        for rest in reversed(range(TRIES)):
            changes = Changes(self._clock())
            try:
                async with self._db.transaction() as session:
                    done = await work(session, changes)
            except IntegrityError:
                if not rest:
                    raise
                log.info("transaction_done_anew")
                continue
            self._tell(changes)
            return done
        raise AssertionError("unreachable")

    def _tell(self, changes: Changes) -> None:
        for notice in changes.notices:
            self._live.publish(notice)
        if changes.sent_out:
            self._wake()
