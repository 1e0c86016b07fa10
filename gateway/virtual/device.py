"""One virtual ONVIF device: its SOAP doors and its snapshot over HTTP, on a port of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

from aiohttp import web

from gateway.virtual import answers, soap
from gateway.virtual.answers import DeviceFacts
from gateway.virtual.quirks import Quirks

LONGEST_REQUEST = 65_536
REALM = "virtual camera"


class Device:
    """Answers as ``facts`` says, once they are set (the ports are known only after all doors are open)."""

    def __init__(
        self, username: str, password: str, quirks: Quirks, posters: dict[str, Path], clock: Callable[[], datetime]
    ) -> None:
        self._username = username
        self._password = password
        self._quirks = quirks
        self._posters = posters
        self._clock = clock
        self._nonce = secrets.token_hex(16)
        self._runner: web.AppRunner | None = None
        self.facts: DeviceFacts | None = None
        self.logins = soap.Logins(username, password, locked_out=quirks.locked_out)
        self.requests = 0
        self.port = 0

    @property
    def now(self) -> datetime:
        """The device's own clock."""
        return self._clock() + timedelta(seconds=self._quirks.clock_offset)

    async def open(self, host: str, port: int = 0) -> None:
        app = web.Application(client_max_size=LONGEST_REQUEST)
        app.router.add_post("/onvif/{service}", self._soap)
        app.router.add_get("/snapshot/{token}.jpg", self._snapshot)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _soap(self, request: web.Request) -> web.Response:
        self.requests += 1
        document = await request.read()
        if self._quirks.slow:
            await asyncio.sleep(self._quirks.slow)
        try:
            body, status = soap.envelope(self._answer(soap.read(document))), 200
        except soap.Fault as fault:
            body, status = soap.fault(fault), fault.status
        return web.Response(body=body, status=status, headers={"Content-Type": soap.MEDIA_TYPE})

    def _answer(self, request: soap.Request) -> str:
        facts = self.facts
        if facts is None:
            raise soap.Fault("ter:Action", "starting", code="s:Receiver", status=503)
        answer = answers.UNAUTHENTICATED.get(request.operation)
        if answer is None:
            known = {**answers.AUTHENTICATED, **(answers.MEDIA2 if facts.media2 else {})}
            answer = known.get(request.operation)
            if answer is None:
                raise soap.Fault(
                    "ter:ActionNotSupported", "Optional Action Not Implemented", code="s:Receiver", status=500
                )
            self.logins.check(request.token, self.now)
        return answer(facts, request, self.now)

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        poster = self._posters.get(request.match_info["token"])
        if poster is None:
            raise web.HTTPNotFound
        if not self._digest_fits(request):
            challenge = f'Digest realm="{REALM}", qop="auth", nonce="{self._nonce}", algorithm=MD5'
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": challenge})
        return web.FileResponse(poster, headers={"Cache-Control": "no-store"})

    def _digest_fits(self, request: web.Request) -> bool:
        """HTTP digest, RFC 2617 with ``qop=auth`` and MD5: what cameras speak."""
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "digest" or self._quirks.locked_out:
            return False
        try:
            fields = parse_keqv_list(parse_http_list(sent))
            first = _md5(f"{self._username}:{REALM}:{self._password}")
            second = _md5(f"{request.method}:{fields['uri']}")
            parts = (first, self._nonce, fields["nc"], fields["cnonce"], "auth", second)
        except (KeyError, ValueError, IndexError):
            return False
        same = fields.get("username") == self._username and fields["uri"] == request.path_qs
        return same and hmac.compare_digest(_md5(":".join(parts)), fields.get("response", ""))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
