"""The WHIP and WHEP doors of rooms: what members send, and what they see and hear."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from gateway.access.caller import Caller
from gateway.api.front import PREFIX
from gateway.api.guard import permit
from gateway.api.media import MEDIA_TYPE, sdp_offer
from gateway.api.room_doors import Desk
from gateway.api.whep import SDP_BODY, answered

router = APIRouter()

Joiner = Annotated[Caller, Depends(permit("rooms.join"))]


@router.post("/whip/rooms/{room_id}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def publish(
    room_id: str, member: Annotated[str, Query(max_length=36)], request: Request, caller: Joiner, desk: Desk
) -> Response:
    """A member sends picture and sound (WHIP)."""
    answer = await desk.media.publish(caller, room_id, member, await sdp_offer(request))
    return Response(answer, 201, {"Location": f"{PREFIX}/whip/rooms/{room_id}/{member}"}, MEDIA_TYPE)


@router.delete("/whip/rooms/{room_id}/{member_id}", status_code=204)
async def stop_publishing(room_id: str, member_id: str, caller: Joiner, desk: Desk) -> None:
    await desk.media.stop_publishing(caller, room_id, member_id)


@router.post("/whep/rooms/{room_id}/{member_id}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def watch_member(
    room_id: str,
    member_id: str,
    viewer: Annotated[str, Query(max_length=36, description="The caller's own member in the room.")],
    request: Request,
    caller: Joiner,
    desk: Desk,
) -> Response:
    """A member sees and hears another (WHEP); ``stage`` is the picture that all have in common."""
    answer = await desk.media.subscribe(caller, room_id, viewer, member_id, await sdp_offer(request))
    return answered(answer, f"{PREFIX}/whep/rooms/{room_id}/{member_id}/{viewer}")


@router.delete("/whep/rooms/{room_id}/{member_id}/{viewer_id}", status_code=204)
async def stop_watching_member(room_id: str, member_id: str, viewer_id: str, caller: Joiner, desk: Desk) -> None:
    await desk.media.stop_subscription(caller, room_id, viewer_id, member_id)
