"""``POST /api/v1/grids/import``: outlines from GeoJSON, with a report that can be drawn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.grid.imports import GridImport, import_grids, shapes
from gateway.grid.outline_faults import Finding, findings
from gateway.grid.outlines import GridRow, RowFault, read_features
from gateway.refusals import Refusal

router = APIRouter(tags=["grid"])

MOST_FINDINGS = 500


class FaultShown(BaseModel):
    """A row that was left out, and why. ``where``: GeoJSON of the spot at fault, if there is one."""

    model_config = ConfigDict(from_attributes=True)

    row: int = Field(description="Features are counted from 1.")
    code: str
    field: str
    reason: str
    zh: str
    en: str
    where: dict[str, Any] | None = None


class ResultShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    row: int
    code: str
    outcome: str = Field(description="added, changed or unchanged")


class FindingShown(BaseModel):
    """A fault between grids, of which one stands in the file. The grids are kept all the same."""

    model_config = ConfigDict(from_attributes=True)

    kind: str = Field(description="overlap, gap (a strip narrower than 10 m) or hole (enclosed, in no grid)")
    codes: list[str]
    area_m2: float
    where: dict[str, Any] = Field(description="GeoJSON, WGS-84.")
    zh: str
    en: str


class NoteShown(BaseModel):
    reason: str
    zh: str
    en: str


class ImportShown(BaseModel):
    """What became of each row. ``findings``: the largest 500 faults between grids, of ``finding_count``."""

    dry_run: bool
    added: int
    changed: int
    unchanged: int
    left_out: int
    results: list[ResultShown]
    faults: list[FaultShown]
    findings: list[FindingShown]
    finding_count: int
    notes: list[NoteShown]
    at: datetime


NOTES = (
    NoteShown(
        reason="datum_undecidable",
        zh="GCJ-02（火星坐标）与 WGS-84 的数值范围相同，无法自动判断；请确认文件为 WGS-84 或 CGCS2000，"
        "并在地图上对照已知点位（偏差约 100 至 700 米）。",
        en="GCJ-02 has the same range of values as WGS-84 and cannot be told from it: make sure that the file is in "
        "WGS-84 or CGCS2000, and hold it against known sites on the map (it is off by 100 to 700 m otherwise).",
    ),
)


class _NotKept(Exception):
    """Ends the transaction of a dry run."""


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
    request: Request,
    caller: Annotated[Caller, Depends(permit("grids.write"))],
    doors: Doors,
    dry_run: Annotated[bool, Query(description="Only tell what would become of it.")] = False,
) -> ImportShown:
    """Import grids from GeoJSON. Faulty rows are named and left out; the good ones go in together or not at all.

    Importing the same file again changes nothing."""
    body = await request.body()
    rows = await asyncio.to_thread(_rows, body)
    now = doors.clock()
    done: GridImport | None = None
    try:
        async with doors.db.transaction() as session:
            done = await import_grids(session, rows, platform=caller.platform, visible=caller.platforms, now=now)
            if dry_run:
                raise _NotKept
            why = f"added {len(done.of('added'))}, changed {len(done.of('changed'))}, left out {len(done.faults)}"
            act = audit.Act(caller.username, "grids.import", "grids", caller.platform, why=why)
            await audit.append(session, act, now)
    except _NotKept:
        pass
    assert done is not None  # noqa: S101 - every other way out raises
    found = await asyncio.to_thread(_findings, done, caller)
    return ImportShown(
        dry_run=dry_run,
        added=len(done.of("added")),
        changed=len(done.of("changed")),
        unchanged=len(done.of("unchanged")),
        left_out=len(done.faults),
        results=[ResultShown.model_validate(one) for one in done.results],
        faults=[FaultShown.model_validate(one) for one in done.faults],
        findings=[FindingShown.model_validate(one) for one in found[:MOST_FINDINGS]],
        finding_count=len(found),
        notes=list(NOTES),
        at=now,
    )


def _rows(body: bytes) -> list[GridRow | RowFault]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid", "json_invalid", "请求内容不是有效的 JSON。", "The body is not valid JSON.") from error
    return list(read_features(document))


def _findings(done: GridImport, caller: Caller) -> list[Finding]:
    """Grids that the caller does not see are neighbours too, but without their codes."""
    hidden = sorted(code for code, owner in done.owners.items() if not caller.sees(owner))
    names: Mapping[str, str] = {code: f"其他平台-{number}" for number, code in enumerate(hidden, 1)}
    outlines = {names.get(code, code): outline for code, outline in done.outlines.items()}
    return findings(shapes(outlines), {one.code for one in done.results})
