"""What hangs under a platform or a grid, and would be orphaned without it.

Every table whose records have an owning ``platform`` is looked at, so that a table to come is never forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.storage.tables import metadata
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.dispatch import DispatchRuleRow, GridStaffRow
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.grid import Platform

_NAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "platforms": ("下级平台", "platforms below"),
        "grids": ("网格", "grids"),
        "cameras": ("摄像机", "cameras"),
        "users": ("用户", "users"),
        "grid_staff": ("网格员", "grid staff"),
        "dispatch_rules": ("派遣规则", "dispatch rules"),
        "events": ("事件", "events"),
        "alerts": ("预警", "alerts"),
        "rooms": ("会商", "rooms"),
        "credential_sets": ("凭据集", "credential sets"),
    }
)
_TOLD = frozenset({"audit", "outbox", "user_sessions"})
"""What is only told of, and outlives whom it tells of; and sessions, which go with their users."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """Records of one kind; ``zh`` and ``en`` name the kind."""

    zh: str
    en: str
    count: int


async def hanging_under(session: AsyncSession, platform: str) -> list[Hanging]:
    """What belongs to a platform, is dispatched to it, or is a platform below it; most telling kinds first."""
    rules = DispatchRuleRow
    named = (rules.department == platform) | ((rules.place == "platform") & (rules.place_code == platform))
    more: Mapping[str, ColumnElement[Any]] = {
        "platforms": Platform.parent == platform,
        "events": EventRow.department == platform,
        "dispatch_rules": named,
    }
    tables = metadata().tables
    found: list[Hanging] = []
    for name in (*_NAMES, *sorted(set(tables) - set(_NAMES) - _TOLD)):
        table = tables[name]
        if "platform" not in table.columns:
            continue
        condition = table.columns["platform"] == platform
        if name == "platforms":  # a platform owns its own record
            condition = more[name]
        elif name in more:
            condition = condition | more[name]
        await _count(session, found, name, table, condition)
    return found


async def hanging_on_grid(session: AsyncSession, grid: str) -> list[Hanging]:
    """What stands in a grid, sees to it or is ruled by it. Events that have ended keep its code and need no more."""
    found: list[Hanging] = []
    for name, table, condition in (
        ("cameras", CameraRow.__table__, (CameraRow.grid == grid) & (CameraRow.status != "removed")),
        ("events", EventRow.__table__, (EventRow.grid == grid) & EventRow.closed_at.is_(None)),
        ("grid_staff", GridStaffRow.__table__, cast(GridStaffRow.grids, String).like(f'%"{grid}"%')),
        (
            "dispatch_rules",
            DispatchRuleRow.__table__,
            (DispatchRuleRow.place == "grid") & (DispatchRuleRow.place_code == grid),
        ),
    ):
        await _count(session, found, name, table, condition)
    return found


async def _count(
    session: AsyncSession, found: list[Hanging], name: str, table: FromClause, condition: ColumnElement[Any]
) -> None:
    number = (await session.execute(select(func.count()).select_from(table).where(condition))).scalar_one()
    if number:
        zh, en = _NAMES.get(name, (name, name))
        found.append(Hanging(zh, en, number))
