"""Similar cases (相似案件): the same class, within 50 m and 24 h. Shown to whoever decides, never merged by itself."""

from __future__ import annotations

import math
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.event_scope import visible_events
from gateway.storage.tables.events import AlertRow, EventRow

METRES = 50.0
WITHIN = timedelta(hours=24)
MOST = 20
_EARTH_METRES = 6_371_008.8  # mean radius, IUGG
_METRES_A_DEGREE = math.pi * _EARTH_METRES / 180


def metres_between(lng: float, lat: float, other_lng: float, other_lat: float) -> float:
    """Great-circle distance of two WGS-84 points by the haversine formula."""
    a, b = math.radians(lat), math.radians(other_lat)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(other_lng - lng) / 2) ** 2
    return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(half)))


async def similar_cases(session: AsyncSession, caller: Caller, row: EventRow | AlertRow) -> list[EventRow]:
    """Other events in the caller's scope like this event or alert, the nearest in time first."""
    if row.lng is None or row.lat is None:
        return []
    at = row.reported_at if isinstance(row, EventRow) else row.raised_at
    north = METRES / _METRES_A_DEGREE
    east = north / max(math.cos(math.radians(row.lat)), 0.01)
    query = (
        select(EventRow)
        .where(visible_events(caller), EventRow.class_code == row.class_code)
        .where(EventRow.reported_at.between(at - WITHIN, at + WITHIN))
        .where(EventRow.lng.between(row.lng - east, row.lng + east))
        .where(EventRow.lat.between(row.lat - north, row.lat + north))
        .order_by(EventRow.reported_at.desc())
        .limit(200)
    )
    own = row.no if isinstance(row, EventRow) else row.event_no
    found = [
        event
        for event in await session.scalars(query)
        if event.no != own
        and event.lng is not None
        and event.lat is not None
        and metres_between(row.lng, row.lat, event.lng, event.lat) <= METRES
    ]
    return sorted(found, key=lambda event: abs(event.reported_at - at))[:MOST]
