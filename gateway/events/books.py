"""The tables a city works by, as they are now: event classes and working days. What was imported stands over what was
shipped; both are read once and kept until a table changes, by this process or another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.classes import ClassTable, read_class_table, shipped_classes
from gateway.events.working_days import WorkingDays, read_holiday_table, shipped_holidays
from gateway.refusals import Refusal
from gateway.storage.tables.code_tables import CodeTableRow

CLASSES, HOLIDAYS = "event_classes", "holidays"


@dataclass(frozen=True, slots=True)
class Books:
    """One state of the tables."""

    classes: ClassTable
    days: WorkingDays


@dataclass(frozen=True, slots=True)
class _Version:
    count: int
    revisions: int
    newest: str


class CityBooks:
    """``current`` asks for the tables' version with one small query, once in a transaction."""

    def __init__(self) -> None:
        self._version = _Version(0, 0, "")
        self._books = Books(shipped_classes(), WorkingDays.of(shipped_holidays()))

    async def current(self, session: AsyncSession) -> Books:
        known: Books | None = session.info.get(Books)
        if known is None:
            known = session.info[Books] = await self._read(session)
        return known

    async def _read(self, session: AsyncSession) -> Books:
        query = select(
            func.count(), func.coalesce(func.sum(CodeTableRow.revision), 0), func.max(CodeTableRow.id)
        ).select_from(CodeTableRow)
        count, revisions, newest = (await session.execute(query)).one()
        version = _Version(count, int(revisions), newest or "")
        if version != self._version:
            self._books = _put_together(list(await session.scalars(select(CodeTableRow))))
            self._version = version
        return self._books


def _put_together(rows: Iterable[CodeTableRow]) -> Books:
    classes = shipped_classes()
    holidays = {table.year: table for table in shipped_holidays()}
    for row in rows:
        if row.kind == CLASSES:
            classes = read_class_table(row.document)
        elif row.kind == HOLIDAYS:
            table = read_holiday_table(row.document)
            holidays[table.year] = table
    return Books(classes, WorkingDays.of(holidays.values()))


async def import_table(session: AsyncSession, caller: Caller, document: dict[str, Any], now: datetime) -> CodeTableRow:
    """Take a table in, over the one of its kind (and year) that was there; refuses one with a fault as a whole."""
    if caller.platforms is not None:
        raise Refusal(
            "forbidden",
            "scope_beyond_yours",
            "代码表全市通用，只能由枢纽平台导入。",
            "Code tables hold for the whole city; the hub alone imports them.",
        )
    kind = document.get("kind")
    if kind == CLASSES:
        name, version = "", read_class_table(document).version
    elif kind == HOLIDAYS:
        table = read_holiday_table(document)
        name, version = str(table.year), table.version
    else:
        raise Refusal(
            "invalid",
            "table_kind_unknown",
            f"代码表类型应为 {CLASSES} 或 {HOLIDAYS}。",
            f"A code table's kind is {CLASSES} or {HOLIDAYS}.",
            field="kind",
        )
    row = await session.scalar(
        select(CodeTableRow).where(CodeTableRow.kind == kind, CodeTableRow.name == name).with_for_update()
    )
    if row is None:
        row = CodeTableRow(platform=caller.platform, kind=kind, name=name, version=version, document=document)
        session.add(row)
    row.version, row.document, row.changed_at = version, document, now
    await session.flush()
    why = " ".join(filter(None, (name, version)))
    await audit.append(
        session, audit.Act(caller.username, "code_table.import", f"table:{kind}", row.platform, why), now
    )
    return row
