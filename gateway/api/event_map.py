"""``/api/v1/events/map``: what lies where. Stands before ``/events/{no}``, whose path it would otherwise be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from gateway.access.caller import Caller
from gateway.api.fields import Moment
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.event_map import Asked, Box, event_map
from gateway.refusals import Refusal

router = APIRouter(tags=["events"])

LONGEST = timedelta(days=92)


class PointShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    no: str
    class_code: str
    hazard: str
    state: str
    level: int
    drill: bool
    lng: float
    lat: float


class CellShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    lng: float
    lat: float
    count: int


class EventMapShown(BaseModel):
    """Points; or, where there are too many of them, cells with their counts."""

    model_config = ConfigDict(from_attributes=True)

    points: list[PointShown]
    cells: list[CellShown]


@router.get("/events/map")
async def read_event_map(
    caller: Annotated[Caller, Depends(permit("events.read"))],
    doors: Doors,
    bbox: Annotated[str, Query(max_length=120, description="west,south,east,north; WGS-84 degrees.")],
    open_: Annotated[bool, Query(alias="open", description="Only what is still open.")] = False,
    since: Annotated[Moment | None, Query(description="Reported at or after; left out: 30 days ago.")] = None,
    until: Annotated[Moment | None, Query(description="Reported before; at most 92 days after since.")] = None,
) -> EventMapShown:
    """The events of a box in the caller's scope: each, or how many lie in each cell of a raster."""
    end = until or doors.clock()
    begin = since or end - timedelta(days=30)
    if not timedelta(0) < end - begin <= LONGEST:
        raise Refusal(
            "invalid",
            "period_unfit",
            f"时间范围须为正，且不超过 {LONGEST.days} 天。",
            f"A period ends after it begins, by at most {LONGEST.days} days.",
            field="since",
        )
    async with doors.db.reading() as session:
        return EventMapShown.model_validate(await event_map(session, caller, Asked(_box(bbox), begin, end, open_)))


def _box(text: str) -> Box:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise Refusal(
            "invalid",
            "box_invalid",
            "范围应为“西,南,东,北”四个经纬度（度）。",
            "A box is west,south,east,north in degrees.",
            field="bbox",
        )
    return Box(west, south, east, north)
