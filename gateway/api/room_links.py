"""Links into a room for people without an account: issued by those who may invite, opened once by whoever holds one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import COOKIE, permit
from gateway.api.room_doors import Desk
from gateway.api.services import Doors
from gateway.refusals import Refusal

router = APIRouter()

Inviter = Annotated[Caller, Depends(permit("rooms.invite"))]


class LinkAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, one_line] = Field(min_length=1, max_length=100, description="Who will come by it.")
    minutes: float = Field(default=60, ge=1, le=1440)


class Link(BaseModel):
    """``token`` is shown this once; the console's address is ``/join#TOKEN``."""

    id: str
    token: str
    name: str
    until: datetime


class LinkOpened(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=20, max_length=100, repr=False)
    kind: Literal["bearer", "cookie"] = "cookie"


class Guest(BaseModel):
    """``token`` for a bearer, ``csrf_token`` for a cookie."""

    room_id: str
    token: str | None = None
    csrf_token: str | None = None
    expires_at: datetime
    display_name: str


@router.post("/rooms/{room_id}/links", status_code=201)
async def issue_link(room_id: str, asked: LinkAsked, caller: Inviter, desk: Desk) -> Link:
    issued = await desk.links.issue(caller, room_id, asked.name, timedelta(minutes=asked.minutes))
    return Link(id=issued.id, token=issued.token, name=issued.name, until=issued.until)


@router.get("/rooms/{room_id}/links")
async def list_links(room_id: str, caller: Inviter, desk: Desk) -> list[dict[str, Any]]:
    return await desk.links.listed(caller, room_id)


@router.delete("/rooms/{room_id}/links/{link_id}", status_code=204)
async def revoke_link(room_id: str, link_id: str, caller: Inviter, desk: Desk) -> None:
    """Take it back; a guest who came by it is signed out."""
    await desk.links.revoke(caller, room_id, link_id)


@router.post("/session/guest", response_model_exclude_none=True)
async def open_link(asked: LinkOpened, request: Request, response: Response, doors: Doors, desk: Desk) -> Guest:
    """Open a link: a guest's session, which knows one room alone. A link opens once."""
    address = request.client.host if request.client else "local"
    wait = doors.sign_in_addresses.wait(address, doors.clock().timestamp())
    if wait > 0:
        raise Refusal("too_many", "sign_in_too_often", "尝试过于频繁，请稍候。", "Too many attempts; wait a little.")
    opened, room_id = await desk.links.open(asked.token, kind=asked.kind, address=address)
    caller = opened.caller
    if asked.kind == "cookie":
        response.set_cookie(
            COOKIE, opened.token, expires=caller.expires_at, path="/", secure=True, httponly=True, samesite="strict"
        )
    return Guest(
        room_id=room_id,
        token=opened.token if asked.kind == "bearer" else None,
        csrf_token=caller.csrf_token,
        expires_at=caller.expires_at,
        display_name=caller.display_name,
    )
