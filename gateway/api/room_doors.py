"""What the doors of rooms share: the desk they ask, and a room as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel

from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.rooms.desk import RoomDesk
from gateway.rooms.records import RoomState


class RoomMember(BaseModel):
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
    """``members`` are those in the room now; ``number`` is what a terminal dials. ``state``: scheduled, open, ended.
    ``consultation``: seats, main site, lobby, lock, roll call, broadcast, patrol, recording (docs/rooms.md)."""

    id: str
    title: str
    number: str | None
    state: str
    origin: str
    event_no: str | None
    drill: bool
    platform: str
    created_by: str
    created_at: datetime
    starts_at: datetime | None
    ended_at: datetime | None
    revision: int
    consultation: dict[str, Any]
    members: list[RoomMember]


def _desk(doors: Doors) -> RoomDesk:
    if doors.rooms is None:
        raise Refusal("unavailable", "rooms_away", "会议室服务未运行。", "The rooms are not running.")
    return doors.rooms


Desk = Annotated[RoomDesk, Depends(_desk)]


def room_of(state: RoomState) -> Room:
    return Room.model_validate(state.shown())
