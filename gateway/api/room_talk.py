"""Chat, and frozen pictures with what is drawn on them: ``/api/v1/rooms/{id}/entries``, ``…/words``, ``…/pictures``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import plain_text
from gateway.api.guard import permit
from gateway.api.room_doors import Desk
from gateway.rooms.talk import MOST_POINTS

router = APIRouter()

Reader = Annotated[Caller, Depends(permit("rooms.read"))]
Joiner = Annotated[Caller, Depends(permit("rooms.join"))]
Unit = Annotated[float, Field(ge=0, le=1)]


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: Annotated[str, plain_text] = Field(min_length=1, max_length=1000)


class Stroke(BaseModel):
    """A polyline in 0 to 1 of the picture's width and height."""

    model_config = ConfigDict(extra="forbid")

    points: list[tuple[Unit, Unit]] = Field(min_length=1, max_length=MOST_POINTS)
    colour: str = Field(default="#ff4d4f", pattern=r"^#[0-9a-f]{6}$")
    width: float = Field(default=0.004, gt=0, le=0.05, description="Of the picture's width.")


class Drawn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    strokes: list[Stroke] = Field(min_length=1, max_length=50)


@router.get("/rooms/{room_id}/entries")
async def list_entries(
    room_id: str,
    caller: Reader,
    desk: Desk,
    after: Annotated[str | None, Query(max_length=36)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> list[dict[str, Any]]:
    """What happened in the room, the oldest first; ``after`` the entry with this id."""
    return await desk.talk.entries(caller, room_id, after=after, limit=limit)


@router.post("/rooms/{room_id}/words", status_code=201)
async def say(room_id: str, word: Word, caller: Joiner, desk: Desk) -> dict[str, Any]:
    """A word in the chat."""
    return await desk.talk.say(caller, room_id, word.text)


@router.get("/rooms/{room_id}/pictures")
async def list_pictures(room_id: str, caller: Reader, desk: Desk) -> list[dict[str, Any]]:
    return await desk.talk.pictures(caller, room_id)


@router.post(
    "/rooms/{room_id}/pictures",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"image/jpeg": {}}, "required": True}},
)
async def freeze(
    room_id: str,
    request: Request,
    caller: Joiner,
    desk: Desk,
    member: Annotated[str | None, Query(max_length=36, description="Whose picture it is.")] = None,
) -> dict[str, Any]:
    """Share a picture (JPEG, at most 1 MB) to be drawn on."""
    return await desk.talk.freeze(caller, room_id, await request.body(), member)


@router.get(
    "/rooms/{room_id}/pictures/{picture_id}.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def get_picture(room_id: str, picture_id: str, caller: Reader, desk: Desk) -> Response:
    content = await desk.talk.picture(caller, room_id, picture_id)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})


@router.post("/rooms/{room_id}/pictures/{picture_id}/strokes")
async def draw(room_id: str, picture_id: str, drawn: Drawn, caller: Joiner, desk: Desk) -> dict[str, Any]:
    """Draw on a frozen picture, for all to see."""
    return await desk.talk.draw(caller, room_id, picture_id, [stroke.model_dump() for stroke in drawn.strokes])
