"""``/api/v1/rooms/{id}/rings``: a room rings conference terminals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.room_doors import Desk, Room, room_of

router = APIRouter()

Inviter = Annotated[Caller, Depends(permit("rooms.invite"))]


class RingAsked(BaseModel):
    """A known ``terminal`` by its id, or an ``address`` (``sip:NUMBER@IPv4``; ``sip:NUMBER`` is a known one)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    terminal: str | None = Field(default=None, max_length=36)
    address: str | None = Field(default=None, max_length=200)
    name: Annotated[str, one_line] = Field(default="", max_length=100)


@router.post("/rooms/{room_id}/rings", status_code=201)
async def ring(room_id: str, asked: RingAsked, caller: Inviter, desk: Desk) -> Room:
    """Ring a terminal for 45 s. ``consultation.rings`` says how it goes and why it failed: ``busy``, ``declined``,
    ``no_answer``, ``unreachable``, ``not_registered``, ``unknown_there``, ``no_common_media``, ``login_wanted``,
    ``refused``, ``call_lost``; who answers is a member."""
    state = await desk.ringing.ring(caller, room_id, terminal=asked.terminal, address=asked.address, name=asked.name)
    return room_of(state)


@router.delete("/rooms/{room_id}/rings/{ring_id}")
async def stop_ringing(room_id: str, ring_id: str, caller: Inviter, desk: Desk) -> Room:
    """Give a ring up, or clear one that failed away."""
    return room_of(await desk.ringing.stop(caller, room_id, ring_id))
