"""``/api/v1/cameras/{code}/recordings``: when a camera is recorded, what there is, and the bytes under a grant."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from detectors.rules.schedule import fault_of_hours
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.camera_lookup import found_camera
from gateway.api.evidence import EvidenceResponse
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors, Services
from gateway.events.recent_views import SeenPart
from gateway.refusals import Refusal
from gateway.storage.tables.access import ViewingGrant
from gateway.storage.tables.recordings import RecordingHoldRow, RecordingPlanRow
from gateway.streams.recordings import RecordingFile, camera_recordings, listed

router = APIRouter(tags=["recordings"], prefix="/cameras/{code}/recordings")

LONGEST = timedelta(hours=24)
Reader = Annotated[Caller, Depends(permit("recordings.read"))]
Starter = Annotated[Caller, Depends(permit("recordings.start"))]
Planner = Annotated[Caller, Depends(permit("recordings.plan"))]
Holder = Annotated[Caller, Depends(permit("recordings.hold"))]


class RecordingShown(BaseModel):
    """A closed file. ``partial``: cut short, with its true bounds."""

    id: str
    starts_at: datetime
    ends_at: datetime
    size: int = Field(description="Bytes.")
    partial: bool
    held: bool = Field(description="Kept whatever its age and however full the disk.")
    hold_reason: str | None = None


class RecordingPlan(BaseModel):
    """When a camera is recorded."""

    model_config = ConfigDict(extra="forbid")

    hours: list[tuple[str, str]] = Field(
        default=[], max_length=8, description="Daily hours in Asia/Shanghai time, such as 22:00–06:00; none: never."
    )
    retention_days: float | None = Field(
        default=None, gt=0, le=3650, description="How long recordings are kept; none: as the installation keeps them."
    )


class PlanShown(RecordingPlan):
    on_demand_until: datetime | None = Field(default=None, description="Recorded until then besides the plan.")


class StartRecording(BaseModel):
    model_config = ConfigDict(extra="forbid")

    until: datetime = Field(description="At most 24 hours ahead.")


class Hold(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=2, max_length=200)


@router.get("")
async def list_recordings(
    code: str,
    caller: Reader,
    doors: Doors,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[RecordingShown]:
    """What there is of a camera, oldest first; ``since`` and ``until``: only what overlaps with that time."""
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
        holds = {
            row.recording_id: row.reason
            for row in await session.scalars(select(RecordingHoldRow).where(RecordingHoldRow.camera_code == code))
        }
    files = await asyncio.to_thread(lambda: list(listed(_folder(doors, code))))
    return [
        RecordingShown(
            id=file.id,
            starts_at=datetime.fromtimestamp(file.starts_at, UTC),
            ends_at=datetime.fromtimestamp(file.ends_at, UTC),
            size=file.size,
            partial=file.partial,
            held=file.id in holds,
            hold_reason=holds.get(file.id),
        )
        for file in files
        if (since is None or file.ends_at >= since.timestamp())
        and (until is None or file.starts_at <= until.timestamp())
    ]


@router.get("/plan")
async def recording_plan(code: str, caller: Reader, doors: Doors) -> PlanShown:
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
        return _shown(await _plan(session, code))


@router.put("/plan")
async def plan_recordings(code: str, asked: RecordingPlan, caller: Planner, doors: Doors) -> PlanShown:
    """Record in these hours from now on."""
    for hours in asked.hours:
        fault = fault_of_hours(hours)
        if fault is not None:
            raise Refusal("invalid", "hours_invalid", *fault, field="hours")
    async with doors.db.transaction() as session:
        row = await _own_plan(session, caller, code, doors.clock())
        row.hours, row.retention_days = [list(hours) for hours in asked.hours], asked.retention_days
        await _changed(session, caller, row, "recording.plan", doors.clock())
        shown = _shown(row)
    doors.recordings_changed()
    return shown


@router.post("/start", status_code=202)
async def start_recording(code: str, asked: StartRecording, caller: Starter, doors: Doors) -> PlanShown:
    """Record until then, besides the plan. It begins within seconds, where the camera gives a picture."""
    now = doors.clock()
    if asked.until.tzinfo is None or not now < asked.until <= now + LONGEST:
        raise Refusal(
            "invalid",
            "until_out_of_range",
            "截止时间须在现在之后，且不超过 24 小时。",
            "The end lies after the present and at most 24 hours ahead.",
            field="until",
        )
    return await _on_demand(code, asked.until, caller, doors, "recording.start")


@router.post("/stop")
async def stop_recording(code: str, caller: Starter, doors: Doors) -> PlanShown:
    """End what was started on demand; the plan goes on."""
    return await _on_demand(code, None, caller, doors, "recording.stop")


@router.get(
    "/{recording_id}",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}}}, 206: {"description": "The range asked for."}},
)
async def get_recording(
    code: str,
    recording_id: str,
    caller: Annotated[Caller, Depends(permit("video.view"))],
    doors: Doors,
    grant: GrantCited,
) -> Response:
    """The bytes. A view is in the audit chain before they flow; the parts played within a minute are one."""
    async with doors.db.reading() as session:
        platform = (await found_camera(session, caller, code)).platform
    file = await found_recording(doors, code, recording_id)
    now = doors.clock()
    part = SeenPart(caller.session_id, grant or "", recording_id)
    if not doors.recent_views.covers(part, now):
        async with doors.db.transaction() as session:
            cited = await session.get(ViewingGrant, grant) if grant else None
            await view(session, caller, grant, Viewed("recording", f"recording:{recording_id}", code, platform), now)
        if cited is not None:
            doors.recent_views.note(part, now, cited.until)
    headers = {
        "ETag": f'"{file.id}"',
        "Content-Disposition": f'inline; filename="{file.path.name}"',
        "Cache-Control": "private, no-store",
    }
    return EvidenceResponse(file.path, file.size, headers, "video/mp4")


@router.put("/{recording_id}/hold", status_code=204)
async def hold_recording(code: str, recording_id: str, asked: Hold, caller: Holder, doors: Doors) -> None:
    """Keep a recording until it is let go. Holding it again changes the reason."""
    file = await found_recording(doors, code, recording_id)
    now = doors.clock()
    async with doors.db.transaction() as session:
        camera = await found_camera(session, caller, code)
        row = await _hold(session, recording_id)
        if row is None:
            row = RecordingHoldRow(recording_id=file.id, camera_code=code, platform=camera.platform)
            session.add(row)
        row.reason, row.held_by, row.held_at = asked.reason, caller.username, now
        act = audit.Act(
            caller.username, "recording.hold", f"recording:{file.id}", camera.platform, why=asked.reason
        )  # fmt: skip
        await session.flush()
        await audit.append(session, act, now)


@router.delete("/{recording_id}/hold", status_code=204)
async def let_go(code: str, recording_id: str, caller: Holder, doors: Doors) -> None:
    """From now on it goes when its time has come. One that is not held stays as it is."""
    now = doors.clock()
    async with doors.db.transaction() as session:
        camera = await found_camera(session, caller, code)
        row = await _hold(session, recording_id)
        if row is None or row.camera_code != code:
            return
        await session.delete(row)
        await session.flush()
        act = audit.Act(caller.username, "recording.let_go", f"recording:{recording_id}", camera.platform)
        await audit.append(session, act, now)


def _folder(doors: Services, code: str) -> Path:
    return camera_recordings(doors.settings.data_folder) / code


async def found_recording(doors: Services, code: str, recording_id: str) -> RecordingFile:
    """A closed file of a camera. Refuses ``recording_unknown``."""
    files = await asyncio.to_thread(lambda: list(listed(_folder(doors, code))))
    found = next((file for file in files if file.id == recording_id), None)
    if found is None:
        raise Refusal("not_found", "recording_unknown", "没有这段录像。", "There is no such recording.")
    return found


async def _plan(session: AsyncSession, code: str) -> RecordingPlanRow | None:
    row: RecordingPlanRow | None = await session.scalar(
        select(RecordingPlanRow).where(RecordingPlanRow.camera_code == code)
    )
    return row


async def _hold(session: AsyncSession, recording_id: str) -> RecordingHoldRow | None:
    row: RecordingHoldRow | None = await session.scalar(
        select(RecordingHoldRow).where(RecordingHoldRow.recording_id == recording_id)
    )
    return row


async def _own_plan(session: AsyncSession, caller: Caller, code: str, now: datetime) -> RecordingPlanRow:
    camera = await found_camera(session, caller, code)
    row = await _plan(session, code)
    if row is None:
        row = RecordingPlanRow(camera_code=code, platform=camera.platform, hours=[], changed_at=now)
        session.add(row)
    return row


async def _on_demand(code: str, until: datetime | None, caller: Caller, doors: Services, what: str) -> PlanShown:
    async with doors.db.transaction() as session:
        row = await _own_plan(session, caller, code, doors.clock())
        row.on_demand_until = until
        await _changed(session, caller, row, what, doors.clock())
        shown = _shown(row)
    doors.recordings_changed()
    return shown


async def _changed(session: AsyncSession, caller: Caller, row: RecordingPlanRow, what: str, now: datetime) -> None:
    row.changed_at = now
    await session.flush()
    await audit.append(session, audit.Act(caller.username, what, f"camera:{row.camera_code}", row.platform), now)


def _shown(row: RecordingPlanRow | None) -> PlanShown:
    if row is None:
        return PlanShown()
    return PlanShown(
        hours=[(str(start), str(end)) for start, end in row.hours],
        retention_days=row.retention_days,
        on_demand_until=row.on_demand_until,
    )
