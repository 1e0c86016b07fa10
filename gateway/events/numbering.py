"""Event numbers: a pattern that a city configures, filled with platform, date and a serial counted without gaps.

The day is that of the city.
"""

from __future__ import annotations

import re
import string
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events.local_time import LOCAL_TIME
from gateway.storage.tables.events import CounterRow

DEFAULT_PATTERN = "{platform}-{date}-{serial:05d}"
_FIELDS = {"platform", "date", "year", "serial"}
_NUMBER = re.compile(r"[A-Za-z0-9_.\-]{1,64}")  # as a viewing grant may name it


class EventNumbering:
    """Gives out the numbers of one pattern. Raises ``ValueError`` for a pattern that would not give distinct ones."""

    def __init__(self, pattern: str = DEFAULT_PATTERN) -> None:
        fields = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
        if "serial" not in fields or not fields <= _FIELDS:
            raise ValueError(f"an event number's pattern holds {{serial}} and of {sorted(_FIELDS)}: {pattern!r}")
        if _NUMBER.fullmatch(self._filled(pattern, "hub", datetime(2030, 1, 1, tzinfo=LOCAL_TIME), 1)) is None:
            raise ValueError(f"an event number has 1 to 64 letters, digits, dots, dashes, underscores: {pattern!r}")
        self._pattern = pattern

    async def next(self, session: AsyncSession, platform: str, at: datetime) -> str:
        """The next number, in the caller's transaction: rolled back with it. Waits for others who count the same."""
        return (await self.next_many(session, platform, at, 1))[0]

    async def next_many(self, session: AsyncSession, platform: str, at: datetime, many: int) -> list[str]:
        """As many numbers in a row."""
        last = await count(session, f"event:{self._filled(self._pattern, platform, at, 0)}", many)
        return [self._filled(self._pattern, platform, at, serial) for serial in range(last - many + 1, last + 1)]

    @staticmethod
    def _filled(pattern: str, platform: str, at: datetime, serial: int) -> str:
        local = at.astimezone(LOCAL_TIME)
        return pattern.format(platform=platform, date=f"{local:%Y%m%d}", year=f"{local:%Y}", serial=serial)


async def count(session: AsyncSession, name: str, by: int = 1) -> int:
    """Count the named counter up, from 0; its new value."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(CounterRow)
        .values(name=name, value=by)
        .on_conflict_do_update(index_elements=["name"], set_={"value": CounterRow.value + by})
        .returning(CounterRow.value)
    )
    return (await session.execute(statement)).scalar_one()
