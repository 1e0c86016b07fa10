"""Answers that are no answers: what broken and hostile boxes on a network send to a SOAP question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from gateway.virtual.quirks import AnswerForm
from gateway.virtual.soap import MEDIA_TYPE

LONGEST = 60.0
"""Seconds after which a body without end ends all the same."""
HUGE = 100 * 1024 * 1024
_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b']><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><x>&j;</x></s:Body></s:Envelope>'
)


async def hostile_answer(request: web.Request, form: AnswerForm) -> web.StreamResponse:
    """What ``form`` gives; ``soap`` and ``wrong_type`` are none of these."""
    match form:
        case "malformed":
            return _body(b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><tds:Get')
        case "entities":
            return _body(_BOMB)
        case "page":
            return web.Response(text="<!DOCTYPE html><html><body>IPC</body></html>", content_type="text/html")
        case "redirect":
            return web.Response(status=302, headers={"Location": "http://192.0.2.1/onvif/device_service"})
        case "to_https":
            return web.Response(status=301, headers={"Location": f"https://{request.host}{request.path}"})
        case "endless":
            return await _stream(request, _drops())
        case "huge":
            return await _stream(request, _blocks())
        case "silent":
            await asyncio.sleep(LONGEST)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _body(content: bytes) -> web.Response:
    return web.Response(body=content, headers={"Content-Type": MEDIA_TYPE})


async def _stream(request: web.Request, blocks: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    with suppress(ConnectionError):  # whoever asked has had enough
        async for block in blocks:
            await response.write(block)
    return response


async def _drops() -> AsyncIterator[bytes]:
    for _ in range(round(LONGEST / 0.2)):
        yield b" "
        await asyncio.sleep(0.2)


async def _blocks() -> AsyncIterator[bytes]:
    block = b"<a/>" * 16_384
    for _ in range(HUGE // len(block)):
        yield block
