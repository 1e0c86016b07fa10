"""Says in time that a year has no holiday table: without one, deadlines count its holidays as working days."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from gateway.clock import Clock
from gateway.events.books import CityBooks
from gateway.events.local_time import LOCAL_TIME
from gateway.processes.messages import Sample
from gateway.processes.periodic import PeriodicWork
from gateway.storage.database import Database

log = structlog.get_logger(__name__)

EVERY = 3600.0


class HolidayWatch:
    """``missing`` as of the last look."""

    def __init__(self, db: Database, books: CityBooks, clock: Clock) -> None:
        self._db = db
        self._books = books
        self._clock = clock
        self.missing: tuple[int, ...] = ()
        self.work = PeriodicWork("holidays", self.look, EVERY)

    async def look(self) -> tuple[int, ...]:
        """The years whose table is missing; each look that finds one says so in the log."""
        async with self._db.reading() as session:
            days = (await self._books.current(session)).days
        self.missing = days.missing(self._clock().astimezone(LOCAL_TIME).date())
        if self.missing:
            log.warning("holiday_table_missing", years=list(self.missing), mend="gateway tables import FILE")
        return self.missing

    def samples(self) -> Iterable[Sample]:
        yield Sample("gateway_holiday_tables_missing", {}, float(len(self.missing)), "gauge")
