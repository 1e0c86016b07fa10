"""Events on the map: each by itself while there are few, else how many lie in each cell of a raster over the box."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.event_scope import visible_events
from gateway.storage.tables.events import EventRow

MOST_POINTS = 1000
CELLS = 32
"""Cells to a side of the box."""


@dataclass(frozen=True, slots=True)
class Box:
    """West, south, east, north in degrees of WGS-84; east of west and north of south."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class Asked:
    box: Box
    since: datetime | None = None
    until: datetime | None = None
    open_only: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    no: str
    class_code: str
    hazard: str
    state: str
    level: int
    drill: bool
    lng: float
    lat: float


@dataclass(frozen=True, slots=True)
class Cell:
    """``lng``/``lat`` is the middle of what lies in it."""

    lng: float
    lat: float
    count: int


@dataclass(frozen=True, slots=True)
class EventMap:
    """Either ``points`` or, where there are too many, ``cells``."""

    points: tuple[Point, ...]
    cells: tuple[Cell, ...]


async def event_map(session: AsyncSession, caller: Caller, asked: Asked) -> EventMap:
    """The events of the box in the caller's scope."""
    row, conditions = EventRow, _conditions(caller, asked)
    query = select(row.no, row.class_code, row.hazard, row.state, row.level, row.drill, row.lng, row.lat).where(
        *conditions
    )
    found = (await session.execute(query.limit(MOST_POINTS + 1))).all()
    if len(found) <= MOST_POINTS:
        return EventMap(tuple(Point(*one[:6], lng=one[6] or 0.0, lat=one[7] or 0.0) for one in found), ())
    box = asked.box
    column = cast((row.lng - box.west) * (CELLS / (box.east - box.west)), Integer)
    line = cast((row.lat - box.south) * (CELLS / (box.north - box.south)), Integer)
    raster = select(func.avg(row.lng), func.avg(row.lat), func.count()).where(*conditions).group_by(column, line)
    cells = [Cell(round(x, 6), round(y, 6), number) for x, y, number in await session.execute(raster)]
    return EventMap((), tuple(cells))


def _conditions(caller: Caller, asked: Asked) -> list[ColumnElement[Any]]:
    box = asked.box
    conditions = [
        visible_events(caller),
        EventRow.lng.between(box.west, box.east),
        EventRow.lat.between(box.south, box.north),
    ]
    if asked.open_only:
        conditions.append(EventRow.closed_at.is_(None))
    if asked.since is not None:
        conditions.append(EventRow.reported_at >= asked.since)
    if asked.until is not None:
        conditions.append(EventRow.reported_at < asked.until)
    return conditions
