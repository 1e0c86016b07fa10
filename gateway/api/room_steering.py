"""``/api/v1/rooms/{id}/members/{member}/ptz``: a camera's head turned from within a room, by the room's rule."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.access.caller import Caller
from gateway.api.camera_control import Head, Network, PtzAsked, PtzDone, PtzShown, shown_head, turned
from gateway.api.guard import permit
from gateway.api.room_doors import Desk
from gateway.api.services import Doors
from gateway.refusals import Refusal

router = APIRouter()

Joiner = Annotated[Caller, Depends(permit("rooms.join"))]


@router.get("/rooms/{room_id}/members/{member_id}/ptz")
async def get_head(
    room_id: str, member_id: str, caller: Joiner, desk: Desk, doors: Doors, network: Network
) -> PtzShown:
    """Where a camera of the room looks, and its presets."""
    steered = await desk.cameras.allowed(caller, room_id, member_id)
    return await shown_head(await Head.of(doors, network, None, steered.code, "ptz"))


@router.post("/rooms/{room_id}/members/{member_id}/ptz")
async def turn_head(
    room_id: str, member_id: str, asked: PtzAsked, caller: Joiner, desk: Desk, doors: Doors, network: Network
) -> PtzDone:
    """Turn a camera of the room: for the chair, and for whom the chair lets (``let_steer``). Refuses ``head_held``
    while somebody else turns it; the chair takes it from a member. Presets are changed at the camera's own door."""
    if asked.action in ("set_preset", "remove_preset"):
        raise Refusal(
            "forbidden", "presets_not_here", "预置位只能在视频点位页面修改。",
            "Presets are changed at the camera's own page.", field="action",
        )  # fmt: skip
    steered = await desk.cameras.allowed(caller, room_id, member_id)
    head = await Head.of(doors, network, None, steered.code, "ptz")
    done, fresh = await turned(doors, network, head, asked, caller, rank=steered.rank, where=f"room {room_id}")
    if fresh:
        await desk.cameras.began(caller, room_id, steered)
    return done
