"""Recordings of rooms: watched by those who may, each view in the audit chain."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from gateway.access.caller import Caller
from gateway.api.evidence import EvidenceResponse
from gateway.api.guard import permit
from gateway.api.room_doors import Desk

router = APIRouter()


@router.get(
    "/rooms/{room_id}/recordings/{recording_id}.{container}",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "video/webm": {}}}, 206: {"description": "The range asked for."}},
)
async def get_recording(
    room_id: str,
    recording_id: str,
    container: Literal["mp4", "webm"],
    caller: Annotated[Caller, Depends(permit("rooms.invite"))],
    desk: Desk,
) -> Response:
    """The bytes; answers a range. Which there are, and in which container, the minutes say."""
    path, row = await desk.recordings.file(caller, room_id, recording_id, container)
    headers = {
        "ETag": f'"{row.sha256}"',
        "Content-Disposition": f'inline; filename="{row.id}.{container}"',
        "Cache-Control": "private, no-store",
    }
    return EvidenceResponse(path, row.size, headers, f"video/{container}")
