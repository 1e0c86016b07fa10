"""``/api/v1/events/{no}/photos``: photographs that people add to an event, such as the after-photo of its feedback."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from gateway.access.caller import Caller
from gateway.api.events import event_desk_of
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.event_desk import Photo, may_add, seen_event
from gateway.events.intake import evidence_folder
from gateway.events.photographs import checked_photograph
from gateway.events.shown import EventShown
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id

router = APIRouter(tags=["events"])


@router.post(
    "/events/{no}/photos",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def add_photo(
    no: str,
    request: Request,
    caller: Annotated[Caller, Depends(permit("events.photo"))],
    doors: Doors,
    kind: Annotated[Literal["before_photo", "after_photo"], Query()] = "after_photo",
) -> EventShown:
    """Add one photograph: its bytes are the body. A feedback needs one taken after the handling."""
    async with doors.db.reading() as session:
        may_add(await seen_event(session, caller, no))
    photo = await kept_photo(doors, await request.body(), kind)
    return await event_desk_of(doors).add_photo(caller, no, photo)


async def kept_photo(doors: Services, content: bytes, kind: str) -> Photo:
    """The photograph as a file among the evidence; refuses what is none."""
    head = await asyncio.to_thread(checked_photograph, content)
    files = EvidenceFiles(evidence_folder(doors.settings), ())
    photo_id = new_id()
    file = await files.write(content, photo_id, head.suffix)
    return Photo(photo_id, kind, head.media_type, hashlib.sha256(content).hexdigest(), file)
