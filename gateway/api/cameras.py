"""``/api/v1/cameras``: the camera records, their health and their pictures; discovery, registration and rules beside.

Every change is in the audit chain, counts a revision, and reaches the worker that pulls the camera once it has been
committed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import func, or_, select

from camera_registry.health import HealthState
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api import (
    camera_changes,
    camera_connections,
    camera_control,
    camera_device_events,
    camera_discovery,
    camera_registration,
    camera_rules,
    camera_sheets,
    camera_watching,
)
from gateway.api.camera_lookup import checked_revision, found_camera
from gateway.api.camera_shown import CameraShown, HealthShown, shown_camera, shown_health
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])
router.include_router(camera_discovery.router)
router.include_router(camera_sheets.router)
router.include_router(camera_connections.router)
router.include_router(camera_registration.router)
router.include_router(camera_changes.router)
router.include_router(camera_rules.router)
router.include_router(camera_control.router)
router.include_router(camera_device_events.router)
router.include_router(camera_watching.router)

Reader = Annotated[Caller, Depends(permit("cameras.read"))]

TAKEN_AT_HEADER = "X-Taken-At"
STALE_SECONDS = 30.0
"""A keyframe is as old as its group of pictures, and some cameras send one only every ten or twenty seconds."""


class CameraList(BaseModel):
    items: list[CameraShown]
    total: int


@router.get("/cameras")
async def list_cameras(
    caller: Reader,
    doors: Doors,
    text: Annotated[str | None, Query(max_length=100, description="In name, code, address, vendor or model.")] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    grid: Annotated[str | None, Query(max_length=32)] = None,
    state: Annotated[list[HealthState] | None, Query(description="Health state; repeat for several.")] = None,
    status: Literal["in_use", "stopped", "awaiting"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> CameraList:
    """Cameras in the caller's scope, by code."""
    conditions = [caller.visible(CameraRow.platform), CameraRow.status != "removed"]
    if text:
        searched = (CameraRow.name, CameraRow.code, CameraRow.address, CameraRow.vendor, CameraRow.model)
        conditions.append(or_(*(column.icontains(text, autoescape=True) for column in searched)))
    for column, wanted in ((CameraRow.platform, platform), (CameraRow.grid, grid), (CameraRow.status, status)):
        if wanted is not None:
            conditions.append(column == wanted)
    if state:
        conditions.append(CameraRow.health_state.in_(state))
    limit = min(limit, doors.settings.retention.alerts_page)
    async with doors.db.reading() as session:
        total = (await session.execute(select(func.count()).select_from(CameraRow).where(*conditions))).scalar_one()
        query = select(CameraRow).where(*conditions).order_by(CameraRow.code).limit(limit).offset(offset)
        items = [shown_camera(row) for row in await session.scalars(query)]
    return CameraList(items=items, total=total)


@router.get("/cameras/{code}")
async def get_camera(code: str, caller: Reader, doors: Doors) -> CameraShown:
    async with doors.db.reading() as session:
        return shown_camera(await found_camera(session, caller, code))


@router.delete("/cameras/{code}", status_code=204)
async def remove_camera(
    code: str,
    caller: Annotated[Caller, Depends(permit("cameras.write"))],
    doors: Doors,
    revision: Annotated[int | None, Query(ge=1)] = None,
) -> None:
    """Take a camera out: it is pulled no more, its login is wiped, its code stays used for what refers to it."""
    now = doors.clock()
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        checked_revision(row, revision)
        await DatabaseCameraStore(session, doors.vault).remove(code, now)
        act = audit.Act(caller.username, "camera.remove", f"camera:{code}", row.platform, why=row.name)
        await audit.append(session, act, now)
    await doors.cameras_changed(code)


@router.get("/cameras/{code}/health")
async def get_health(code: str, caller: Reader, doors: Doors) -> HealthShown:
    """The one state the camera is in, why, and since when."""
    async with doors.db.reading() as session:
        return shown_health(await found_camera(session, caller, code))


@router.get(
    "/cameras/{code}/snapshot.jpg",
    response_class=Response,
    responses={
        200: {
            "content": {"image/jpeg": {}},
            "description": f"The latest picture, taken at {TAKEN_AT_HEADER}, Age seconds ago.",
        }
    },
)
async def get_snapshot(
    code: str, caller: Annotated[Caller, Depends(permit("video.view"))], doors: Doors, grant: GrantCited
) -> Response:
    """The latest keyframe. The view is in the audit chain before the picture is taken; an old picture is refused."""
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code)
        await view(session, caller, grant, Viewed("snapshot", f"camera:{code}", code, row.platform), doors.clock())
    snapshot = await doors.media.snapshot(code)
    age = doors.clock().timestamp() - snapshot.taken_at
    if age > STALE_SECONDS:
        raise Refusal(
            "unavailable",
            "picture_stale",
            "摄像机当前没有新画面。",
            "The camera gives no fresh picture at the moment.",
        )
    taken_at = datetime.fromtimestamp(snapshot.taken_at, UTC).isoformat(timespec="milliseconds")
    headers = {
        "Cache-Control": "no-store",
        "Age": str(max(0, math.ceil(age))),
        TAKEN_AT_HEADER: taken_at.replace("+00:00", "Z"),
    }
    return Response(snapshot.jpeg, 200, headers, "image/jpeg")
