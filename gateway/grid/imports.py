"""Importing grids: good rows go in together, faulty ones are named and left out, nothing is half done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.grid.outlines import GridRow, RowFault
from gateway.storage.tables.grid import Grid, Platform


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each row: codes added, changed and unchanged, and the rows left out."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    faults: tuple[RowFault, ...]


async def import_grids(
    session: AsyncSession,
    rows: list[GridRow | RowFault],
    *,
    platform: str,
    visible: frozenset[str] | None,
    now: datetime,
) -> ImportReport:
    """Store the good rows in the caller's transaction.

    ``platform`` owns rows that name none; ``visible`` are the platforms the caller may write for (None: all). A grid
    that is already there is changed, unless another platform owns it.
    """
    faults = [row for row in rows if isinstance(row, RowFault)]
    good = [row for row in rows if isinstance(row, GridRow)]
    platforms = set(await session.scalars(select(Platform.code)))
    there = {grid.code: grid for grid in await session.scalars(select(Grid))}
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    for row in good:
        owner = row.platform or platform
        if owner not in platforms:
            faults.append(
                RowFault(
                    row.row, row.code, "platform", "platform_unknown", f"没有平台“{owner}”。", f"No platform {owner!r}."
                )
            )
            continue
        grid = there.get(row.code)
        if visible is not None and (owner not in visible or (grid is not None and grid.platform not in visible)):
            faults.append(
                RowFault(
                    row.row,
                    row.code,
                    "platform",
                    "platform_beyond_yours",
                    "该网格属于其他平台。",
                    "The grid belongs to another platform.",
                )
            )
            continue
        if grid is None:
            session.add(
                Grid(
                    platform=owner,
                    code=row.code,
                    name=row.name,
                    kind=row.kind,
                    division=row.division,
                    outline=_stored(row),
                    changed_at=now,
                )
            )
            added.append(row.code)
            continue
        before = (grid.platform, grid.name, grid.kind, grid.division, grid.outline)
        if before == (owner, row.name, row.kind, row.division, _stored(row)):
            unchanged.append(row.code)
            continue
        grid.platform, grid.name, grid.kind, grid.division = owner, row.name, row.kind, row.division
        grid.outline, grid.changed_at = _stored(row), now
        changed.append(row.code)
    await session.flush()
    return ImportReport(tuple(added), tuple(changed), tuple(unchanged), tuple(sorted(faults, key=lambda f: f.row)))


def _stored(row: GridRow) -> dict[str, object]:
    """The outline in the form JSON gives back: lists, not tuples, so that an unchanged row is seen as such."""
    return {"type": row.outline["type"], "coordinates": _lists(row.outline["coordinates"])}


def _lists(value: object) -> object:
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value
