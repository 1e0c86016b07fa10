"""``/api/v1/rooms/{id}/controls/{control}``: each control a rule on the server, with a role."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.room_doors import Desk, Room, room_of
from gateway.rooms.controls import Asked

router = APIRouter()


class ControlAsked(BaseModel):
    """Each control takes what it needs: most a ``member``; ``watch`` a ``layout`` and ``members``; ``mode`` a ``mode``;
    ``patrol`` cameras as ``members`` and ``seconds``; ``extend`` ``minutes``; ``record`` a ``kind``;
    ``roll_call_next`` whether the one called is ``present``."""

    model_config = ConfigDict(extra="forbid")

    member: str | None = Field(default=None, max_length=36)
    members: list[Annotated[str, Field(max_length=36)]] | None = Field(default=None, max_length=64)
    layout: str | None = Field(default=None, max_length=16)
    mode: Literal["both", "speak_only", "listen_only"] | None = None
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    minutes: float | None = Field(default=None, ge=0, le=86_400)
    kind: Literal["composed", "sources"] | None = None
    present: bool = True


@router.post("/rooms/{room_id}/controls/{control}")
async def control_room(
    room_id: str,
    control: str,
    caller: Annotated[Caller, Depends(permit("rooms.join"))],
    desk: Desk,
    asked: ControlAsked | None = None,
) -> Room:
    """lock, unlock, lobby_on, lobby_off, admit, turn_away, mute, unmute, mute_all, mode, ask_to_speak,
    withdraw_request, allow_to_speak, refuse_to_speak, let_steer, end_steering, main_site, broadcast, broadcast_end,
    watch, layout, roll_call, roll_call_next, roll_call_end, patrol, patrol_end, push_camera, withdraw_camera,
    share_screen, share_screen_end, record, record_stop, extend, remove, end. A member may use watch, ask_to_speak,
    withdraw_request, share_screen and share_screen_end on its own seat; everything else is the chair's."""
    given = asked or ControlAsked()
    order = Asked(
        member=given.member,
        members=tuple(given.members) if given.members is not None else None,
        layout=given.layout,
        mode=given.mode,
        seconds=given.seconds,
        minutes=given.minutes,
        kind=given.kind,
        present=given.present,
    )
    return room_of(await desk.steering.control(caller, room_id, control, order))
