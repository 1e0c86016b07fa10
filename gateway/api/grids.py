"""``/api/v1/platforms`` and ``/api/v1/grids``: the hub and its sub-platforms, their grids, and the import of grids."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.grid import platforms
from gateway.grid.imports import import_grids
from gateway.grid.outlines import GridRow, RowFault, read_features
from gateway.refusals import Refusal
from gateway.storage.tables.grid import Grid

router = APIRouter(tags=["grid"])


class PlatformShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    kind: str
    parent: str | None
    revision: int


class PlatformList(BaseModel):
    items: list[PlatformShown]
    total: int


@router.get("/platforms")
async def list_platforms(caller: Annotated[Caller, Depends(permit("platforms.read"))], doors: Doors) -> PlatformList:
    """The platforms in the caller's scope, the hub first."""
    async with doors.db.reading() as session:
        rows = await platforms.listed(session)
    items = [PlatformShown.model_validate(row) for row in rows if caller.sees(row.code)]
    return PlatformList(items=items, total=len(items))


class PlatformAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^[a-z0-9_-]{1,32}$")
    name: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    kind: platforms.PlatformKind
    parent: str | None = None


@router.post("/platforms", status_code=201)
async def add_platform(
    asked: PlatformAsked, caller: Annotated[Caller, Depends(permit("grids.write"))], doors: Doors
) -> PlatformShown:
    """Add a sub-platform below one in the caller's scope."""
    parent = asked.parent or caller.platform
    if not caller.sees(parent):
        raise Refusal(
            "forbidden",
            "scope_beyond_yours",
            "上级平台不在您的管辖范围内。",
            "The platform above is outside your scope.",
            field="parent",
        )
    async with doors.db.transaction() as session:
        made = await platforms.add_sub_platform(session, asked.code, asked.name, asked.kind, parent)
        act = audit.Act(caller.username, "platform.add", f"platform:{asked.code}", asked.code)
        await audit.append(session, act, doors.clock())
        return PlatformShown.model_validate(made)


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


class FaultShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    row: int
    code: str
    field: str
    reason: str
    zh: str
    en: str


class ImportShown(BaseModel):
    """The counts, and each row that was left out with its reason."""

    added: int
    changed: int
    unchanged: int
    left_out: int
    faults: list[FaultShown]
    at: datetime


@router.post(
    "/grids/import",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/geo+json": {"schema": {"type": "object"}}},
            "description": "A FeatureCollection; each Feature has properties code, name, kind and maybe platform.",
        }
    },
)
async def import_outlines(
    request: Request, caller: Annotated[Caller, Depends(permit("grids.write"))], doors: Doors
) -> ImportShown:
    """Import grids from GeoJSON. Faulty rows are named and left out; the good ones go in together or not at all."""
    body = await request.body()
    rows = await asyncio.to_thread(_rows, body)
    now = doors.clock()
    async with doors.db.transaction() as session:
        report = await import_grids(session, rows, platform=caller.platform, visible=caller.platforms, now=now)
        why = f"added {len(report.added)}, changed {len(report.changed)}, left out {len(report.faults)}"
        await audit.append(session, audit.Act(caller.username, "grids.import", "grids", caller.platform, why=why), now)
    return ImportShown(
        added=len(report.added),
        changed=len(report.changed),
        unchanged=len(report.unchanged),
        left_out=len(report.faults),
        faults=[FaultShown.model_validate(fault) for fault in report.faults],
        at=now,
    )


def _rows(body: bytes) -> list[GridRow | RowFault]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid", "json_invalid", "请求内容不是有效的 JSON。", "The body is not valid JSON.") from error
    return list(read_features(document))
