"""Dispatch rules, staff and tree as they are now: read once and kept until one changes, by this process or another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.grid.dispatch import Dispatching, Rule, Staff
from gateway.storage.tables.base import RecordMixin
from gateway.storage.tables.dispatch import DispatchRuleRow, GridStaffRow
from gateway.storage.tables.grid import Grid, Platform

_READ: tuple[type[RecordMixin], ...] = (DispatchRuleRow, GridStaffRow, Platform, Grid)


class DispatchBook:
    """``current`` asks for the tables' versions with one small query, once in a transaction."""

    def __init__(self) -> None:
        self._version: tuple[Any, ...] = ()
        self._known = Dispatching((), {}, {}, {}, {})

    async def current(self, session: AsyncSession) -> Dispatching:
        known: Dispatching | None = session.info.get(Dispatching)
        if known is None:
            known = session.info[Dispatching] = await self._read(session)
        return known

    async def _read(self, session: AsyncSession) -> Dispatching:
        parts = [
            select(part).select_from(table).scalar_subquery()
            for table in _READ
            for part in (func.count(), func.coalesce(func.sum(table.revision), 0), func.max(table.id))
        ]
        version = tuple((await session.execute(select(*parts))).one())
        if version != self._version:
            self._known = await _put_together(session)
            self._version = version
        return self._known


async def _put_together(session: AsyncSession) -> Dispatching:
    rules = await session.scalars(
        select(DispatchRuleRow).where(DispatchRuleRow.enabled).order_by(DispatchRuleRow.number)
    )
    staff = await session.scalars(select(GridStaffRow))
    platforms = (await session.execute(select(Platform.code, Platform.parent, Platform.name))).all()
    grids = (await session.execute(select(Grid.code, Grid.platform, Grid.name))).all()
    return Dispatching(
        tuple(rule_of(row) for row in rules),
        {row.id: staff_of(row) for row in staff},
        {row.code: row.parent for row in platforms},
        {row.code: row.name for row in platforms},
        {row.code: row.platform for row in grids},
        {row.code: row.name for row in grids},
    )


def rule_of(row: DispatchRuleRow) -> Rule:
    return Rule(
        id=row.id,
        number=row.number,
        owner=row.platform,
        department=row.department,
        name=row.name,
        class_code=row.class_code,
        place=row.place,  # type: ignore[arg-type]  # checked as it was written
        place_code=row.place_code,
        days=tuple(row.days),
        hours=tuple((start, end) for start, end in row.hours),
        staff=row.staff,
        grid_staff=row.grid_staff,
        priority=row.priority,
        fallback=row.fallback,
    )


def staff_of(row: GridStaffRow) -> Staff:
    return Staff(
        id=row.id,
        name=row.name,
        post=row.post,
        platform=row.platform,
        username=row.username,
        grids=frozenset(row.grids),
        days=tuple(row.days),
        hours=tuple((start, end) for start, end in row.hours),
        leave_from=row.leave_from,
        leave_until=row.leave_until,
        replacement=row.replacement,
    )
