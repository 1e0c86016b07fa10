"""In which grid a point lies: an STR tree over the outlines, kept in memory until the grids change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shapely import Point, STRtree
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.storage.tables.grid import Grid


@dataclass(frozen=True, slots=True)
class GridHit:
    """The grid a point lies in."""

    code: str
    name: str
    platform: str
    division: str


@dataclass(frozen=True, slots=True)
class _Version:
    """Changes whenever a grid is added, changed or taken away, by this process or another."""

    count: int
    revisions: int
    newest: str


@dataclass(frozen=True, slots=True)
class _Index:
    version: _Version
    hits: tuple[GridHit, ...]
    outlines: tuple[BaseGeometry, ...]
    tree: STRtree

    def at(self, lng: float, lat: float) -> GridHit | None:
        # A point on a common border lies in both: the smaller grid wins, then the smaller code, so that it never flips.
        found = [int(i) for i in self.tree.query(Point(lng, lat), predicate="intersects")]
        if not found:
            return None
        return self.hits[min(found, key=lambda i: (self.outlines[i].area, self.hits[i].code))]


class GridLocator:
    """``locate`` asks for the grids' version with one small query; when it changed, the tree is built off the loop."""

    def __init__(self) -> None:
        self._index: _Index | None = None

    async def locate(self, session: AsyncSession, lng: float, lat: float) -> GridHit | None:
        """The grid at ``lng``/``lat`` (WGS-84), or None where there is none."""
        return (await self.at(session))(lng, lat)

    async def at(self, session: AsyncSession) -> Callable[[float, float], GridHit | None]:
        """``locate`` for many points by the grids of now: a function of ``lng`` and ``lat``."""
        count, revisions, newest = (
            await session.execute(select(func.count(), func.coalesce(func.sum(Grid.revision), 0), func.max(Grid.id)))
        ).one()
        version = _Version(count, int(revisions), newest or "")
        index = self._index
        if index is None or index.version != version:
            rows = await session.execute(select(Grid.code, Grid.name, Grid.platform, Grid.division, Grid.outline))
            grids = [(GridHit(row.code, row.name, row.platform, row.division), row.outline) for row in rows]
            index = await asyncio.to_thread(_build, version, grids)
            self._index = index
        return index.at


def _build(version: _Version, grids: list[tuple[GridHit, dict[str, object]]]) -> _Index:
    hits: list[GridHit] = []
    outlines: list[BaseGeometry] = []
    for hit, outline in grids:
        try:
            outlines.append(shape(outline))
        except (ShapelyError, ValueError, KeyError, TypeError):  # refused at import; a damaged row costs only itself
            continue
        hits.append(hit)
    return _Index(version, tuple(hits), tuple(outlines), STRtree(outlines))
