"""One virtual ONVIF device: its SOAP doors and its snapshot over HTTP or HTTPS, on a port of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

from aiohttp import web

from gateway.virtual import answers, soap
from gateway.virtual.answers import DeviceFacts
from gateway.virtual.hostile import hostile_answer
from gateway.virtual.imaging import Imaging
from gateway.virtual.ptz import PtzHead
from gateway.virtual.pull_point import PullPoints
from gateway.virtual.quirks import Quirks

LONGEST_REQUEST = 65_536
REALM = "virtual camera"


class Device:
    """Answers as ``facts`` says, once they are set (the ports are known only after all doors are open)."""

    def __init__(
        self, username: str, password: str, quirks: Quirks, posters: dict[str, Path], clock: Callable[[], datetime]
    ) -> None:
        self._quirks = quirks
        self._posters = posters
        self._clock = clock
        self._nonce = secrets.token_hex(16)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._host = ""
        self._tls: ssl.SSLContext | None = None
        self.clock_offset = timedelta(seconds=quirks.clock_offset)
        self.facts: DeviceFacts | None = None
        self.logins = soap.Logins(
            username,
            password,
            locked_out=quirks.locked_out,
            locked_after=quirks.locked_after,
            locked_seconds=quirks.locked_seconds,
        )
        self.ptz = PtzHead()
        self.imaging = Imaging()
        self.events = PullPoints(lambda: self.now, relative_times_refused=quirks.relative_times_refused)
        self.requests = 0
        self.port = 0

    @property
    def now(self) -> datetime:
        """The device's own clock."""
        return self._clock() + self.clock_offset

    async def open(self, host: str, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application(client_max_size=LONGEST_REQUEST)
        app.router.add_post("/onvif/{service:.+}", self._soap)
        app.router.add_get("/snapshot/{token}.jpg", self._snapshot)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        self._host, self._tls = host, tls
        await self.plug()
        self.port = int(self._runner.addresses[0][1])

    async def plug(self) -> None:
        """Open the door, at the port it had before."""
        if self._site is None and self._runner is not None:
            site = web.TCPSite(self._runner, self._host, self.port, ssl_context=self._tls)
            await site.start()
            self._site = site

    async def unplug(self) -> None:
        """Nobody gets in any more."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.events.forget_all()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _soap(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        document = await request.read()
        form = self._quirks.answers
        if form not in ("soap", "wrong_type"):
            return await hostile_answer(request, form)
        if self._quirks.slow:
            await asyncio.sleep(self._quirks.slow)
        headers = {"Content-Type": soap.MEDIA_TYPE if form == "soap" else "text/html"}
        relates_to = None
        try:
            asked = soap.read(document, request.path)
            relates_to = asked.message_id
            body, status = soap.envelope(await self._answer(asked, request), relates_to), 200
        except soap.Fault as fault:
            body, status = soap.fault(fault), fault.status
            if status == 401 and self._quirks.login != "token":
                headers["WWW-Authenticate"] = self._challenge
        return web.Response(body=body, status=status, headers=headers)

    async def _answer(self, asked: soap.Request, request: web.Request) -> str:
        facts = self.facts
        if facts is None:
            raise soap.Fault("ter:Action", "starting", code="s:Receiver", status=503)
        open_to_all = answers.UNAUTHENTICATED.get(asked.operation)
        if open_to_all is not None:
            return open_to_all(facts, asked, self.now)
        known = {
            **{name: one for name, one in answers.AUTHENTICATED.items() if facts.media or not name.startswith("trt:")},
            **(answers.MEDIA2 if facts.media2 else {}),
        }
        if asked.operation.partition(":")[0] not in {"tds", "wsnt", *(prefix for prefix, *_ in facts.known_services)}:
            raise soap.not_supported()
        self._check_login(asked, request)
        answer = known.get(asked.operation)
        if answer is not None:
            return answer(facts, asked, self.now)
        if asked.operation == "tds:SetSystemDateAndTime":
            return self._set_clock(asked)
        made = (
            self.ptz.answer(asked, self.now)
            or self.imaging.answer(asked, self.now)
            or await self.events.answer(asked, facts.door("subscription"))
        )
        if made is None:
            raise soap.not_supported()
        return made

    def _check_login(self, asked: soap.Request, request: web.Request) -> None:
        """Raises ``Fault`` ``ter:NotAuthorized``."""
        if self._quirks.login != "token" and request.headers.get("Authorization"):
            self.logins.judge(self._digest_fits(request), self.now)
        elif self._quirks.login == "digest":
            raise soap.not_authorized()  # a token is not even looked at
        else:
            self.logins.check(asked.token, self.now)

    def _set_clock(self, asked: soap.Request) -> str:
        """SetSystemDateAndTime, Core 8.3.5: by hand at once; ``NTP`` means that it is right again by itself."""
        if asked.text("tds:DateTimeType") == "NTP":
            self.clock_offset = timedelta()
        else:
            parts = [asked.text(f"tds:UTCDateTime/tt:Date/tt:{name}") for name in ("Year", "Month", "Day")]
            parts += [asked.text(f"tds:UTCDateTime/tt:Time/tt:{name}") for name in ("Hour", "Minute", "Second")]
            try:
                told = datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[arg-type,misc]  # six numbers
            except (ValueError, TypeError) as error:
                raise soap.Fault("ter:InvalidDateTime", "invalid date and time") from error
            self.clock_offset = told - self._clock()
        return "<tds:SetSystemDateAndTimeResponse/>"

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        poster = self._posters.get(request.match_info["token"])
        if poster is None:
            raise web.HTTPNotFound
        if self.logins.locked(self.now) or not self._digest_fits(request):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": self._challenge})
        return web.FileResponse(poster, headers={"Cache-Control": "no-store"})

    @property
    def _challenge(self) -> str:
        return f'Digest realm="{REALM}", qop="auth", nonce="{self._nonce}", algorithm=MD5'

    def _digest_fits(self, request: web.Request) -> bool:
        """HTTP digest, RFC 2617 with ``qop=auth`` and MD5: what cameras speak."""
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "digest":
            return False
        try:
            fields = parse_keqv_list(parse_http_list(sent))
            first = _md5(f"{self.logins.username}:{REALM}:{self.logins.password}")
            second = _md5(f"{request.method}:{fields['uri']}")
            parts = (first, self._nonce, fields["nc"], fields["cnonce"], "auth", second)
        except (KeyError, ValueError, IndexError):
            return False
        same = fields.get("username") == self.logins.username and fields["uri"] == request.path_qs
        return same and hmac.compare_digest(_md5(":".join(parts)), fields.get("response", ""))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
