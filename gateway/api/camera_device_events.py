"""``GET /api/v1/cameras/{code}/device-events``: what a camera lately reported: motion, tamper, digital inputs.

It is asked for events where its record says so (``PATCH`` with ``device_events``). They come on the live stream too
(``camera.event``); kept are the last, in memory.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.guard import permit
from gateway.api.services import Doors

router = APIRouter(tags=["cameras"])


class DeviceEventsShown(BaseModel):
    subscribed: bool
    reason: str | None = Field(description="Why it is not heard, where it is asked for events.")
    detail: str | None
    detail_en: str | None
    items: list[dict[str, Any]] = Field(description="kind, topic, state, source, initial, at, device_at; newest last.")


@router.get("/cameras/{code}/device-events")
async def get_device_events(
    code: str, caller: Annotated[Caller, Depends(permit("cameras.read"))], doors: Doors
) -> DeviceEventsShown:
    """The last events; none where the camera is not asked for them."""
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
    heard = None if doors.device_events is None else doors.device_events.heard(code)
    if heard is None:
        return DeviceEventsShown(subscribed=False, reason=None, detail=None, detail_en=None, items=[])
    return DeviceEventsShown(
        subscribed=heard.subscribed,
        reason=heard.reason.code if heard.reason else None,
        detail=heard.reason.zh if heard.reason else None,
        detail_en=heard.reason.en if heard.reason else None,
        items=list(heard.items),
    )
