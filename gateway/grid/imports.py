"""Importing grids: good rows go in together, faulty ones are named and left out, nothing is half done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.grid.outlines import GridRow, RowFault
from gateway.storage.tables.grid import Grid, Platform

AT_ONCE = 200
"""Outlines read or written at once; in between the loop is let go."""
Outcome = Literal["added", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class GridResult:
    """What became of a good row."""

    row: int
    code: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GridImport:
    """``outlines``: of every grid as they are after the import, GeoJSON by code; ``owners``: its platform."""

    results: tuple[GridResult, ...]
    faults: tuple[RowFault, ...]
    outlines: Mapping[str, Mapping[str, Any]]
    owners: Mapping[str, str]

    def of(self, outcome: Outcome) -> tuple[str, ...]:
        return tuple(one.code for one in self.results if one.outcome == outcome)


async def import_grids(
    session: AsyncSession,
    rows: list[GridRow | RowFault],
    *,
    platform: str,
    visible: frozenset[str] | None,
    now: datetime,
) -> GridImport:
    """Store the good rows in the caller's transaction.

    ``platform`` owns rows that name none; ``visible`` are the platforms the caller may write for (None: all). A grid
    that is already there is changed, unless another platform owns it.
    """
    faults = [row for row in rows if isinstance(row, RowFault)]
    platforms = {row.code: row for row in await session.scalars(select(Platform))}
    there: dict[str, Grid] = {}
    read = await session.stream_scalars(select(Grid).with_for_update().execution_options(yield_per=AT_ONCE))
    async for part in read.partitions():
        there |= {grid.code: grid for grid in part}
        await asyncio.sleep(0)
    results: list[GridResult] = []
    for number, row in enumerate(rows, 1):
        if number % AT_ONCE == 0:
            await session.flush()
            await asyncio.sleep(0)
        if isinstance(row, RowFault):
            continue
        owner = row.platform or platform
        grid = there.get(row.code)
        fault = _fault(row, platforms.get(owner), owner, grid, visible)
        if fault is not None:
            faults.append(fault)
            continue
        if grid is None:
            grid = there[row.code] = Grid(platform=owner, code=row.code, changed_at=now)
            session.add(grid)
            outcome: Outcome = "added"
        else:
            before = (grid.platform, grid.name, grid.kind, grid.division, grid.outline)
            same = before == (owner, row.name, row.kind, row.division, row.outline)
            outcome = "unchanged" if same else "changed"
        if outcome != "unchanged":
            grid.platform, grid.name, grid.kind, grid.division = owner, row.name, row.kind, row.division
            grid.outline, grid.changed_at = dict(row.outline), now
        results.append(GridResult(row.row, row.code, outcome))
    await session.flush()
    return GridImport(
        tuple(results),
        tuple(sorted(faults, key=lambda one: one.row)),
        {code: grid.outline for code, grid in there.items()},
        {code: grid.platform for code, grid in there.items()},
    )


def shapes(outlines: Mapping[str, Mapping[str, Any]]) -> dict[str, BaseGeometry]:
    """The outlines as polygons; a damaged one costs only itself."""
    found = {}
    for code, outline in outlines.items():
        try:
            polygon = shape(dict(outline))
        except (ShapelyError, ValueError, KeyError, TypeError):
            continue
        if polygon.is_valid and not polygon.is_empty:
            found[code] = polygon
    return found


def _fault(
    row: GridRow, owner: Platform | None, code: str, grid: Grid | None, visible: frozenset[str] | None
) -> RowFault | None:
    """What keeps a row, right by itself, from being stored here."""
    if owner is None:
        return RowFault(
            row.row, row.code, "platform", "platform_unknown", f"没有平台“{code}”。", f"No platform {code!r}."
        )
    if visible is not None and (code not in visible or (grid is not None and grid.platform not in visible)):
        return RowFault(
            row.row,
            row.code,
            "platform",
            "platform_beyond_yours",
            "该网格属于其他平台。",
            "The grid belongs to another platform.",
        )
    if owner.division and not row.division.startswith(owner.division):
        return RowFault(
            row.row,
            row.code,
            "code",
            "division_elsewhere",
            f"网格编码的区划 {row.division} 不在“{owner.name}”的区划 {owner.division} 之内。",
            f"The division {row.division} of the code does not lie in {owner.division} of {owner.code}.",
        )
    return None
