"""``/api/v1/rooms``: rooms and who is in them. Controls, words, orders, links, plans and media have modules beside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api import (
    room_controls,
    room_links,
    room_media,
    room_orders,
    room_plans,
    room_recordings,
    room_rings,
    room_steering,
    room_talk,
    terminals,
)
from gateway.api.fields import Moment, one_line
from gateway.api.guard import GrantCited, permit
from gateway.api.room_doors import Desk, Room, room_of
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.rooms import minutes
from gateway.rooms.consultation import Invitee
from gateway.rooms.register import NewRoom

router = APIRouter(tags=["rooms"])
for part in (
    room_links, room_controls, room_talk, room_orders, room_plans, room_media, room_recordings, room_rings,
    room_steering,
    terminals,
):  # fmt: skip
    router.include_router(part.router)

Reader = Annotated[Caller, Depends(permit("rooms.read"))]
Opener = Annotated[Caller, Depends(permit("rooms.open"))]
Joiner = Annotated[Caller, Depends(permit("rooms.join"))]


class RoomList(BaseModel):
    items: list[Room]
    total: int


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


class InviteeAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    username: str | None = Field(default=None, max_length=64)
    address: str | None = Field(default=None, max_length=200, description="Of a terminal: a SIP address.")


class RoomAsked(BaseModel):
    """With an event, its plan says who is invited and which cameras come in, under the grant cited."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    event_no: str | None = Field(default=None, max_length=64, description="The event that is consulted on.")
    starts_at: Moment | None = Field(default=None, description="In the future: the room is scheduled.")
    minutes: float | None = Field(default=None, gt=0, le=24 * 60, description="Ends by itself after so long.")
    invited: list[InviteeAsked] = Field(default=[], max_length=50)
    cameras: bool = Field(default=True, description="Bring in the cameras of the event's plan, if a grant is cited.")


class MemberAsked(BaseModel):
    """A camera joins under a viewing grant; a person joins as the caller."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["camera", "person"]
    camera_code: str | None = Field(default=None, max_length=20)
    grant: str | None = Field(default=None, max_length=64, description="The viewing grant; or cite it as elsewhere.")


@router.get("/rooms")
async def list_rooms(
    caller: Reader,
    desk: Desk,
    state: Annotated[Literal["scheduled", "open", "ended"] | None, Query()] = None,
    event_no: Annotated[str | None, Query(max_length=64)] = None,
) -> RoomList:
    """The newest rooms in the caller's scope."""
    items = [room_of(found) for found in await desk.register.listed(caller, state=state, event_no=event_no)]
    return RoomList(items=items, total=len(items))


@router.post("/rooms", status_code=201)
async def create_room(asked: RoomAsked, caller: Opener, desk: Desk, doors: Doors, grant: GrantCited) -> Room:
    """Open a room by hand, from an event, or schedule one."""
    invited = [Invitee(one.name, one.username, one.address) for one in asked.invited]
    cameras: tuple[str, ...] = ()
    if asked.event_no is not None:
        called = await desk.plans.called_by(caller, asked.event_no)
        known = {(one.username, one.address) for one in invited}
        invited += [one for one in called.invited if (one.username, one.address) not in known]
        cameras = called.cameras if asked.cameras and grant is not None and caller.may("video.view") else ()
    new = NewRoom(asked.title, asked.event_no, asked.starts_at, asked.minutes, invited)
    state = await desk.register.create(caller, new)
    for code in cameras if state.room.state == "open" else ():
        try:
            await _bring(desk, doors, caller, state.room.id, code, grant)
        except Refusal:  # a camera that is away or out of scope keeps nobody from consulting
            continue
    if state.room.state == "open":
        await desk.ringing.ring_invited(caller, state.room.id, invited)
    return room_of(await desk.register.get(caller, state.room.id))


@router.get("/rooms/{room_id}")
async def get_room(room_id: str, caller: Reader, desk: Desk) -> Room:
    return room_of(await desk.register.get(caller, room_id))


@router.get("/rooms/{room_id}/minutes")
async def get_minutes(room_id: str, caller: Reader, desk: Desk) -> dict[str, Any]:
    """Attendance, roll call, pushes, orders and words, made by themselves."""
    return await minutes.of_room(desk.register.records, caller, room_id)


@router.post("/rooms/{room_id}/members", status_code=201)
async def add_member(
    room_id: str, asked: MemberAsked, caller: Joiner, doors: Doors, desk: Desk, grant: GrantCited
) -> Member:
    """Join as a person, or bring in a camera."""
    if asked.kind == "person":
        _, member = await desk.register.join(caller, room_id)
    else:
        if not caller.may("video.view"):
            raise Refusal("forbidden", "role_not_allowed", "您的角色无权进行此操作。", "Your roles do not allow this.")
        member = await _bring(desk, doors, caller, room_id, asked.camera_code or "", asked.grant or grant)
    return Member.model_validate(member, from_attributes=True)


async def _bring(desk: Desk, doors: Doors, caller: Caller, room_id: str, code: str, grant: str | None) -> Any:
    async with doors.db.reading() as session:
        camera = await doors.cameras.fact(session, code)
    if camera is None or not caller.sees(camera.platform):
        raise Refusal(
            "not_found", "camera_unknown", "没有这台摄像机。", "There is no such camera.", field="camera_code"
        )
    _, member = await desk.register.add_camera(caller, room_id, code, camera.name, camera.platform, grant)
    return member


@router.delete("/rooms/{room_id}/members/{member_id}", status_code=204)
async def remove_member(room_id: str, member_id: str, caller: Joiner, desk: Desk) -> None:
    """Leave, or take another out."""
    await desk.register.remove(caller, room_id, member_id)


@router.post("/rooms/{room_id}/members/{member_id}/heartbeat", status_code=204)
async def heartbeat(room_id: str, member_id: str, caller: Joiner, desk: Desk) -> None:
    """Sent every two seconds; a member silent for five is gone."""
    await desk.media.heartbeat(caller, room_id, member_id)
