"""``POST /api/v1/cameras/import`` and ``GET /api/v1/cameras/export``: the records as a sheet, CSV or XLSX.

The body of an import is the file itself, or a form with it as ``file``. The report tells of each row; nothing is stored
with ``dry_run``. No login and no stream's path stands in a sheet.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from camera_registry.camera_sheet import COLUMNS, read_cameras, written
from camera_registry.errors import CameraRefused
from camera_registry.sheet_files import written_csv, written_xlsx
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_import import CameraImport, Importer, import_cameras
from gateway.api.camera_network import CameraNetwork, refusal_of
from gateway.api.camera_reach import network_of
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])

MOST_EXPORTED = 50_000
MEDIA_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class FaultShown(BaseModel):
    """A row that was left out."""

    model_config = ConfigDict(from_attributes=True)

    row: int = Field(description="As a spreadsheet counts: the heading is row 1.")
    code: str
    field: str
    reason: str
    zh: str
    en: str


class ResultShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    row: int
    code: str
    outcome: str = Field(description="added, changed or unchanged")


class ImportShown(BaseModel):
    """``results`` and ``faults`` together tell of every row of the sheet that is not empty."""

    dry_run: bool
    rows: int
    added: int
    changed: int
    unchanged: int
    faulty: int
    ignored_columns: list[str]
    results: list[ResultShown]
    faults: list[FaultShown]


class _NotKept(Exception):
    """Ends the transaction of a dry run."""


@router.post(
    "/cameras/import",
    openapi_extra={"requestBody": {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (
        "text/csv", MEDIA_TYPES["xlsx"],
    )}}},
)  # fmt: skip
async def import_sheet(
    request: Request,
    caller: Annotated[Caller, Depends(permit("cameras.write"))],
    doors: Doors,
    network: Annotated[CameraNetwork, Depends(network_of)],
    dry_run: Annotated[bool, Query(description="Only tell what would become of each row.")] = False,
) -> ImportShown:
    """Put the cameras of a sheet on record; none is asked yet. Importing the same sheet again changes nothing."""
    content = await file_of(request)
    try:
        sheet = await asyncio.to_thread(read_cameras, content, network.policy)
    except CameraRefused as refused:
        raise refusal_of(refused, "file") from refused
    importer = Importer(caller.platform, caller.platforms, doors.settings.cameras.centre_code)
    now = doors.clock()
    done: CameraImport | None = None
    try:
        async with doors.db.transaction() as session:
            done = await import_cameras(session, sheet, importer, doors.grids, doors.vault, now)
            if dry_run:
                raise _NotKept
            counts = _counts(done)
            why = f"sha256 {hashlib.sha256(content).hexdigest()}: {counts}"
            await audit.append(
                session, audit.Act(caller.username, "cameras.import", "cameras", caller.platform, why=why), now
            )
    except _NotKept:
        pass
    except CameraRefused as refused:
        raise refusal_of(refused, "file") from refused
    assert done is not None  # noqa: S101 - every other way out raises
    for code in () if dry_run else done.moved:
        await doors.cameras_changed(code)
    return ImportShown(
        dry_run=dry_run,
        rows=len(sheet.lines),
        **_counts(done),
        ignored_columns=list(sheet.ignored),
        results=[ResultShown.model_validate(one) for one in done.results],
        faults=[FaultShown.model_validate(one) for one in done.faults],
    )


@router.get(
    "/cameras/export",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}, "description": "The records, by code."}},
)
async def export_sheet(
    caller: Annotated[Caller, Depends(permit("cameras.write"))],
    doors: Doors,
    kind: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "xlsx",
) -> Response:
    """The records of your scope in the form in which they are imported."""
    now = doors.clock()
    conditions = (CameraRow.status != "removed", caller.visible(CameraRow.platform))
    async with doors.db.transaction() as session:
        total = (await session.execute(select(func.count()).select_from(CameraRow).where(*conditions))).scalar_one()
        if total > MOST_EXPORTED:
            raise Refusal(
                "too_large",
                "export_too_large",
                f"一次最多导出 {MOST_EXPORTED} 台。",
                f"At most {MOST_EXPORTED} at once.",
            )
        records = await records_of(session, *conditions)
        act = audit.Act(caller.username, "cameras.export", "cameras", caller.platform, why=f"{total} cameras, {kind}")
        await audit.append(session, act, now)
    content = await asyncio.to_thread(sheet_of, records, kind)
    name = f"cameras-{now.astimezone(UTC):%Y%m%d-%H%M%S}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, 200, headers, MEDIA_TYPES[kind])


def sheet_of(records: list[dict[str, Any]], kind: str) -> bytes:
    """``kind``: ``csv`` or ``xlsx``. Takes seconds for 10,000 cameras: call it in a thread."""
    return written_csv(written(records)) if kind == "csv" else written_xlsx(written(records), "摄像机档案")


async def records_of(session: AsyncSession, *conditions: ColumnElement[bool]) -> list[dict[str, Any]]:
    """The records as a sheet holds them, by code."""
    own = [getattr(CameraRow, name) for name in COLUMNS if name not in ("rtsp_url", "industry", "network")]
    rows = (await session.execute(select(*own).where(*conditions).order_by(CameraRow.code))).mappings()
    return [{**row, "industry": row["code"][8:10], "network": row["code"][13]} for row in rows]


def _counts(done: CameraImport) -> dict[str, int]:
    outcomes = [one.outcome for one in done.results]
    return {
        "added": outcomes.count("added"),
        "changed": outcomes.count("changed"),
        "unchanged": outcomes.count("unchanged"),
        "faulty": len(done.faults),
    }


async def file_of(request: Request) -> bytes:
    """What was sent: the body, or the file ``file`` of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refusal("invalid", "field_missing", "表单中没有文件 file。", "The form has no file.", field="file")
        return await file.read()
