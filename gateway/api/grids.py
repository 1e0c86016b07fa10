"""``/api/v1/grids``: the grids, those at points, and taking one away."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.grid.hanging import hanging_on_grid
from gateway.refusals import Refusal
from gateway.storage.tables.grid import Grid

router = APIRouter(tags=["grid"])


class GridShown(BaseModel):
    """``outline`` is GeoJSON, WGS-84; left out of the list unless asked for."""

    code: str
    name: str
    kind: str
    division: str
    platform: str
    revision: int
    outline: dict[str, Any] | None = None


class GridList(BaseModel):
    items: list[GridShown]
    total: int


@router.get("/grids", response_model_exclude_none=True)
async def list_grids(
    caller: Annotated[Caller, Depends(permit("grids.read"))],
    doors: Doors,
    division: Annotated[str | None, Query(max_length=16)] = None,
    lng: Annotated[float | None, Query(ge=-180, le=180, description="With lat: only the grid at this point.")] = None,
    lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    outlines: Annotated[bool, Query(description="Bring the outlines too.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> GridList:
    """Grids in the caller's scope, by code."""
    if (lng is None) != (lat is None):
        raise Refusal(
            "invalid",
            "point_incomplete",
            "经度与纬度须同时给出。",
            "Longitude and latitude go together.",
            field="lat" if lat is None else "lng",
        )
    conditions = [caller.visible(Grid.platform)]
    if division is not None:
        conditions.append(Grid.division == division)
    async with doors.db.reading() as session:
        if lng is not None and lat is not None:
            hit = await doors.grids.locate(session, lng, lat)
            conditions.append(Grid.code == (hit.code if hit else ""))
        total = (await session.execute(select(func.count()).select_from(Grid).where(*conditions))).scalar_one()
        rows = await session.scalars(select(Grid).where(*conditions).order_by(Grid.code).limit(limit).offset(offset))
        items = [
            GridShown(
                code=row.code,
                name=row.name,
                kind=row.kind,
                division=row.division,
                platform=row.platform,
                revision=row.revision,
                outline=row.outline if outlines else None,
            )
            for row in rows
        ]
    return GridList(items=items, total=total)


Lng = Annotated[float, Field(ge=-180, le=180)]
Lat = Annotated[float, Field(ge=-90, le=90)]


class PointsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    points: list[tuple[Lng, Lat]] = Field(max_length=20_000, description="Longitude and latitude, WGS-84.")


class PointsLocated(BaseModel):
    """For each point, in order, the code of its grid; null where it lies in none of the caller's scope."""

    grids: list[str | None]


@router.post("/grids/locate")
async def locate_points(
    asked: PointsAsked, caller: Annotated[Caller, Depends(permit("grids.read"))], doors: Doors
) -> PointsLocated:
    """In which grids points lie. A point on a border belongs to one of them: the smaller, then by code."""
    async with doors.db.reading() as session:
        index = await doors.grids.current(session)
    lng, lat = [point[0] for point in asked.points], [point[1] for point in asked.points]
    hits = await asyncio.to_thread(index.at_many, lng, lat)
    return PointsLocated(grids=[hit.code if hit is not None and caller.sees(hit.platform) else None for hit in hits])


@router.delete("/grids/{code}", status_code=204)
async def remove_grid(
    code: str,
    revision: Annotated[int, Query(ge=1)],
    caller: Annotated[Caller, Depends(permit("grids.write"))],
    doors: Doors,
) -> None:
    """Refused while cameras, staff, dispatch rules or open events are in it."""
    async with doors.db.transaction() as session:
        query = select(Grid).where(Grid.code == code, caller.visible(Grid.platform)).with_for_update()
        row = await session.scalar(query)
        if row is None:
            raise Refusal("not_found", "grid_unknown", f"没有网格“{code}”。", f"There is no grid {code!r}.")
        if row.revision != revision:
            raise Refusal(
                "conflict",
                "revision_stale",
                "记录已被他人修改，请刷新后重试。",
                "The record was changed meanwhile; fetch it again and retry.",
                field="revision",
            )
        hanging = await hanging_on_grid(session, code)
        if hanging:
            zh, en = "、".join(f"{one.zh} {one.count}" for one in hanging), ", ".join(one.en for one in hanging)
            raise Refusal(
                "conflict", "grid_not_empty", f"网格内仍有{zh}，不能删除。", f"Not deleted: it still has {en}."
            )
        act = audit.Act(caller.username, "grids.remove", f"grid:{code}", row.platform, why=row.name)
        await audit.append(session, act, doors.clock())
        await session.delete(row)
