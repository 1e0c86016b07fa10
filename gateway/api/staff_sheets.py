"""``POST /api/v1/grid-staff/import``: the grid staff from a sheet, CSV or XLSX, each row's outcome told."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from camera_registry.errors import CameraRefused
from camera_registry.sheet_files import read_sheet
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_network import refusal_of
from gateway.api.camera_sheets import MEDIA_TYPES, FaultShown, file_of
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.api.staff_import import StaffImport, import_staff
from gateway.grid.staff_sheet import StaffFault, StaffLine, read_staff

router = APIRouter(tags=["grid staff"])


class StaffResultShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    row: int
    code: str = Field(description="The name that stands in the row.")
    outcome: str = Field(description="added, changed or unchanged")


class StaffImportShown(BaseModel):
    """``results`` and ``faults`` together tell of every row of the sheet that is not empty."""

    dry_run: bool
    rows: int
    added: int
    changed: int
    unchanged: int
    faulty: int
    ignored_columns: list[str]
    results: list[StaffResultShown]
    faults: list[FaultShown]


class _NotKept(Exception):
    """Ends the transaction of a dry run."""


@router.post(
    "/grid-staff/import",
    openapi_extra={"requestBody": {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (
        "text/csv", MEDIA_TYPES["xlsx"],
    )}}},
)  # fmt: skip
async def import_staff_sheet(
    request: Request,
    caller: Annotated[Caller, Depends(permit("staff.write"))],
    doors: Doors,
    dry_run: Annotated[bool, Query(description="Only tell what would become of each row.")] = False,
) -> StaffImportShown:
    """Put the people of a sheet on record. Importing the same sheet again changes nothing."""
    content = await file_of(request)
    try:
        lines, ignored = await asyncio.to_thread(_read, content)
    except CameraRefused as refused:
        raise refusal_of(refused, "file") from refused
    now = doors.clock()
    done: StaffImport | None = None
    try:
        async with doors.db.transaction() as session:
            done = await import_staff(session, lines, caller, doors.vault, now)
            if dry_run:
                raise _NotKept
            why = f"sha256 {hashlib.sha256(content).hexdigest()}: {_counts(done)}"
            await audit.append(session, audit.Act(caller.username, "staff.import", "staff", caller.platform, why), now)
    except _NotKept:
        pass
    assert done is not None  # noqa: S101 - every other way out raises
    return StaffImportShown(
        dry_run=dry_run,
        rows=len(lines),
        **_counts(done),
        ignored_columns=list(ignored),
        results=[StaffResultShown.model_validate(one) for one in done.results],
        faults=[FaultShown.model_validate(one) for one in done.faults],
    )


def _read(content: bytes) -> tuple[list[StaffLine | StaffFault], tuple[str, ...]]:
    return read_staff(read_sheet(content))


def _counts(done: StaffImport) -> dict[str, int]:
    outcomes = [one.outcome for one in done.results]
    counts = {outcome: sum(one == outcome for one in outcomes) for outcome in ("added", "changed", "unchanged")}
    return {**counts, "faulty": len(done.faults)}
