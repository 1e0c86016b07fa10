"""Limits on a request before any door sees it: the size of its body and the time until an answer begins."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import problem

log = structlog.get_logger(__name__)

BODY_BYTES = 1_000_000
IMPORT_BYTES = 32_000_000
FOOTAGE_BYTES = 512_000_000
"""A film to try rules on; it goes to disk as it comes."""
LARGER_BODIES: Mapping[str, int] = {
    "/api/v1/grids/import": IMPORT_BYTES,
    "/api/v1/cameras/import": IMPORT_BYTES,
    "/api/v1/grid-staff/import": IMPORT_BYTES,
    "/api/v1/trials/footage": FOOTAGE_BYTES,
}
PHOTO_BYTES = 20_000_000
_PHOTOS = re.compile(r"/api/v1/events/[^/]+/photos")
INBOUND_BYTES = 8_000_000
"""A photograph in base64 with its message."""
_INBOUND = re.compile(r"/api/v1/inbound/[^/]+")
ANSWER_SECONDS = 30.0
LONGER_ANSWERS: Mapping[str, float] = {
    "/api/v1/cameras/import": 120.0,
    "/api/v1/cameras/export": 120.0,
    "/api/v1/grid-staff/import": 120.0,
    "/api/v1/grids/import": 120.0,
    "/api/v1/trials/footage": 900.0,
}
"""A workbook of 10,000 rows takes 4 s to read on a free core, many times that on a busy one; it is read in a thread.
The largest film comes in that time over 5 Mbit/s."""


def body_limit(path: str) -> int:
    """The most bytes that a request to ``path`` may bring."""
    if _PHOTOS.fullmatch(path) is not None:
        return PHOTO_BYTES
    if _INBOUND.fullmatch(path) is not None:
        return INBOUND_BYTES
    return LARGER_BODIES.get(path, BODY_BYTES)


class BodyLimit:
    """Refuses a body that is too large, whether it says so or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = body_limit(scope["path"])
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            answer = problem(
                413, "body_too_large", f"请求内容超过 {limit} 字节。", f"The request body is larger than {limit} bytes."
            )
            await answer(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class TimeLimit:
    """Ends a request whose answer has not begun in time. An answer that has begun, such as a stream, may last."""

    def __init__(self, app: ASGIApp, seconds: float = ANSWER_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(LONGER_ANSWERS.get(scope["path"], self._seconds)) as limit:

                async def begun(message: Message) -> None:
                    limit.reschedule(None)
                    await send(message)

                await self._app(scope, receive, begun)
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("request_too_slow", method=scope["method"], path=scope["path"])
            answer = problem(
                503, "request_timeout", "处理超时，请稍后重试。", "The request took too long; try again shortly."
            )
            await answer(scope, receive, send)
