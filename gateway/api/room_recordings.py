"""Recordings of rooms: watched by those who may, each view in the audit chain."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from gateway.access.caller import Caller
from gateway.api.evidence import EvidenceResponse
from gateway.api.guard import permit
from gateway.api.room_doors import Desk

router = APIRouter()


@router.get(
    "/rooms/{room_id}/recordings/{recording_id}.mp4",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}}}, 206: {"description": "The range asked for."}},
)
async def get_recording(
    room_id: str, recording_id: str, caller: Annotated[Caller, Depends(permit("rooms.invite"))], desk: Desk
) -> Response:
    """The bytes; answers a range. Which there are, the minutes say."""
    path, row = await desk.recordings.file(caller, room_id, recording_id)
    headers = {
        "ETag": f'"{row.sha256}"',
        "Content-Disposition": f'inline; filename="{row.id}.mp4"',
        "Cache-Control": "private, no-store",
    }
    return EvidenceResponse(path, row.size, headers, "video/mp4")
