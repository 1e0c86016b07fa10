"""``/api/v1/stream``: what changes, as server-sent events, to whoever may see it.

Each connection has a bounded queue in the live hub. Who reads too slowly gets a last ``overrun`` and must fetch the
state anew; so must whoever connects, since nothing is sent again. The stream ends with the session it was opened by.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy import select
from starlette.types import Receive, Scope, Send

from gateway.access.caller import Caller
from gateway.access.scopes import visible_platforms
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.event_scope import sees_event
from gateway.live import Listener, Notice, Topic
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.access import UserSession

router = APIRouter(tags=["stream"])

PING_SECONDS = 10.0
SEND_SECONDS = 20.0
RETRY_MILLISECONDS = 2000
MOST_STREAMS = 500

NEEDED: Mapping[Topic, str] = MappingProxyType(
    {
        "alert.raised": "alerts.read",
        "alert.changed": "alerts.read",
        "event.opened": "events.read",
        "event.changed": "events.read",
        "mode.changed": "mode.read",
        "duty.changed": "duty.read",
        "camera.health": "cameras.read",
        "camera.discovery": "cameras.discover",
        "camera.connection": "cameras.write",
        "camera.event": "cameras.read",
        "room.changed": "rooms.read",
        "room.said": "rooms.read",
        "room.speaker": "rooms.read",
        "room.unsent": "rooms.read",
    }
)


class EventStream(Response):
    """Sends text as it comes. A reader who takes nothing for ``SEND_SECONDS`` is let go."""

    media_type = "text/event-stream"

    def __init__(self, texts: AsyncGenerator[str]) -> None:
        self._texts = texts
        self.background = None
        self.status_code = 200
        # Proxies must pass each text on at once.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, TimeoutError):
                raise result

    async def _send(self, send: Send) -> None:
        async with aclosing(self._texts) as texts:
            async for text in texts:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "`event:` topic, `data:` the object's JSON"}},
)
async def stream(caller: Annotated[Caller, Depends(permit("stream.read"))], doors: Doors) -> Response:
    """Topics: alert.raised, alert.changed, event.opened, event.changed, mode.changed, duty.changed, camera.health,
    camera.discovery, camera.connection, camera.event, room.changed, room.said, room.speaker, room.unsent;
    each to whoever may read its resource, within scope. A comment every 10 s; `overrun` as the last event to one who
    was too slow."""
    if doors.live.listeners >= MOST_STREAMS:
        raise Refusal(
            "too_many", "streams_too_many", "实时连接过多，请稍后重试。", "Too many streams are open; try again later."
        )
    return EventStream(_texts(caller, doors))


async def _texts(caller: Caller, doors: Services) -> AsyncGenerator[str]:
    stream_id, number = new_id(), 0
    loop = asyncio.get_running_loop()
    async with doors.live.listen() as listener:
        yield f"retry: {RETRY_MILLISECONDS}\n: connected\n\n"
        ping_at = loop.time() + PING_SECONDS
        while not listener.overrun.is_set():
            notice = await _next(listener, ping_at)
            if notice is None:
                if not await _still_signed_in(caller, doors):
                    return
                ping_at = loop.time() + PING_SECONDS
                yield ": ping\n\n"
            elif shows(caller, notice):
                number += 1
                data = json.dumps(notice.data, ensure_ascii=False, separators=(",", ":"))
                yield f"event: {notice.topic}\nid: {stream_id}-{number}\ndata: {data}\n\n"
        yield "event: overrun\ndata: {}\n\n"


def shows(caller: Caller, notice: Notice) -> bool:
    """Whether a notice is for this caller: by scope, by what its roles may read, and for a guest by its room."""
    if caller.room is not None and notice.room != caller.room:
        return False
    governed = notice.reaches is None or caller.platform in notice.reaches
    seen = governed or sees_event(caller, notice.platform, notice.department)
    return seen and caller.may(NEEDED[notice.topic])


async def _next(listener: Listener, ping_at: float) -> Notice | None:
    """The next notice, or None when it is time for a ping, however much there is that this caller does not see."""
    if asyncio.get_running_loop().time() >= ping_at:
        return None
    try:
        async with asyncio.timeout_at(ping_at):
            return await listener.queue.get()
    except TimeoutError:
        return None


async def _still_signed_in(caller: Caller, doors: Services) -> bool:
    """Whether the session holds, with the same scope: whose platform was moved must come anew."""
    if caller.expires_at <= doors.clock():
        return False
    query = select(UserSession.id).where(UserSession.id == caller.session_id, UserSession.revoked_at.is_(None))
    try:
        async with doors.db.reading() as session:
            if await session.scalar(query) is None:
                return False
            return await visible_platforms(session, caller.platform) == caller.platforms
    except Refusal:
        return True  # the database is away for now; the session's own end holds all the same
