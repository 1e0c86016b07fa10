"""``/api/v1/rooms``, and the WHIP and WHEP doors of rooms: who is in a room, and what they send and see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.front import PREFIX
from gateway.api.guard import GrantCited, permit
from gateway.api.media import MEDIA_TYPE, sdp_offer
from gateway.api.services import Doors
from gateway.api.whep import SDP_BODY
from gateway.refusals import Refusal
from gateway.rooms.register import RoomRegister, RoomState

router = APIRouter(tags=["rooms"])

Reader = Annotated[Caller, Depends(permit("rooms.read"))]
Opener = Annotated[Caller, Depends(permit("rooms.open"))]
Joiner = Annotated[Caller, Depends(permit("rooms.join"))]
Controller = Annotated[Caller, Depends(permit("rooms.control"))]


class Member(BaseModel):
    """``state``: joined, publishing, silent, gone."""

    id: str
    kind: str
    name: str
    username: str | None
    camera_code: str | None
    state: str
    reason: str | None
    joined_at: datetime


class Room(BaseModel):
    """``members`` are those in the room now. ``state``: open or ended."""

    id: str
    title: str
    state: str
    event_no: str | None
    platform: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    revision: int
    members: list[Member]


class RoomList(BaseModel):
    items: list[Room]
    total: int


class RoomAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    event_no: str | None = Field(default=None, max_length=64, description="The event that is consulted on.")


class MemberAsked(BaseModel):
    """A camera joins under a viewing grant; a person joins as the caller."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["camera", "person"]
    camera_code: str | None = Field(default=None, max_length=20)
    grant: str | None = Field(default=None, max_length=64, description="The viewing grant; or cite it as elsewhere.")


def _rooms(doors: Doors) -> RoomRegister:
    if doors.rooms is None:
        raise Refusal("unavailable", "rooms_away", "会议室服务未运行。", "The rooms are not running.")
    return doors.rooms


Rooms = Annotated[RoomRegister, Depends(_rooms)]


def _room(state: RoomState) -> Room:
    return Room.model_validate(state.shown())


@router.get("/rooms")
async def list_rooms(
    caller: Reader, rooms: Rooms, state: Annotated[Literal["open", "ended"] | None, Query()] = None
) -> RoomList:
    """The newest rooms in the caller's scope."""
    items = [_room(found) for found in await rooms.listed(caller, state=state)]
    return RoomList(items=items, total=len(items))


@router.post("/rooms", status_code=201)
async def create_room(asked: RoomAsked, caller: Opener, rooms: Rooms) -> Room:
    """Open a room."""
    return _room(await rooms.create(caller, asked.title, asked.event_no))


@router.get("/rooms/{room_id}")
async def get_room(room_id: str, caller: Reader, rooms: Rooms) -> Room:
    return _room(await rooms.get(caller, room_id))


@router.post("/rooms/{room_id}/members", status_code=201)
async def add_member(
    room_id: str, asked: MemberAsked, caller: Joiner, doors: Doors, rooms: Rooms, grant: GrantCited
) -> Member:
    """Join as a person, or bring in a camera."""
    if asked.kind == "person":
        _, member = await rooms.join(caller, room_id)
    else:
        if not caller.may("video.view"):
            raise Refusal("forbidden", "role_not_allowed", "您的角色无权进行此操作。", "Your roles do not allow this.")
        code = asked.camera_code or ""
        async with doors.db.reading() as session:
            camera = await doors.cameras.fact(session, code)
        if camera is None or not caller.sees(camera.platform):
            raise Refusal(
                "not_found", "camera_unknown", "没有这台摄像机。", "There is no such camera.", field="camera_code"
            )
        cited = asked.grant or grant
        _, member = await rooms.add_camera(caller, room_id, code, camera.name, camera.platform, cited)
    return Member.model_validate(member, from_attributes=True)


@router.delete("/rooms/{room_id}/members/{member_id}", status_code=204)
async def remove_member(room_id: str, member_id: str, caller: Joiner, rooms: Rooms) -> None:
    """Leave, or take another out."""
    await rooms.remove(caller, room_id, member_id)


@router.post("/rooms/{room_id}/members/{member_id}/heartbeat", status_code=204)
async def heartbeat(room_id: str, member_id: str, caller: Joiner, rooms: Rooms) -> None:
    """Sent every two seconds; a member silent for five is gone."""
    await rooms.heartbeat(caller, room_id, member_id)


@router.post("/rooms/{room_id}/controls/end")
async def end_room(room_id: str, caller: Controller, rooms: Rooms) -> Room:
    """End the room for all."""
    return _room(await rooms.end(caller, room_id))


@router.post("/whip/rooms/{room_id}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def publish(
    room_id: str, member: Annotated[str, Query(max_length=36)], request: Request, caller: Joiner, rooms: Rooms
) -> Response:
    """A member sends picture and sound (WHIP)."""
    answer = await rooms.publish(caller, room_id, member, await sdp_offer(request))
    return Response(answer, 201, {"Location": f"{PREFIX}/whip/rooms/{room_id}/{member}"}, MEDIA_TYPE)


@router.delete("/whip/rooms/{room_id}/{member_id}", status_code=204)
async def stop_publishing(room_id: str, member_id: str, caller: Joiner, rooms: Rooms) -> None:
    await rooms.stop_publishing(caller, room_id, member_id)


@router.post("/whep/rooms/{room_id}/{member_id}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def watch_member(
    room_id: str,
    member_id: str,
    viewer: Annotated[str, Query(max_length=36, description="The caller's own member in the room.")],
    request: Request,
    caller: Joiner,
    rooms: Rooms,
) -> Response:
    """A member sees and hears another (WHEP)."""
    answer = await rooms.subscribe(caller, room_id, viewer, member_id, await sdp_offer(request))
    return Response(answer, 201, {"Location": f"{PREFIX}/whep/rooms/{room_id}/{member_id}/{viewer}"}, MEDIA_TYPE)


@router.delete("/whep/rooms/{room_id}/{member_id}/{viewer_id}", status_code=204)
async def stop_watching_member(room_id: str, member_id: str, viewer_id: str, caller: Joiner, rooms: Rooms) -> None:
    await rooms.stop_subscription(caller, room_id, viewer_id, member_id)
