"""What is said to a camera before, while and after it plays (RFC 2326): DESCRIBE, SETUP, PLAY, keep-alive, TEARDOWN.

All of it goes over one connection: addresses that a camera names are said back to it, and never connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Protocol
from urllib.parse import quote, urljoin, urlsplit

from gateway.streams.address import StreamAddress
from gateway.streams.pull_reasons import PullEnded, why_refused
from gateway.streams.rtsp_in_login import CameraLogin
from gateway.streams.rtsp_in_messages import Answer, BadAnswer, Wire, request
from gateway.streams.rtsp_in_sdp import Description, DescriptionUnusable, read_description
from gateway.streams.rtsp_in_socket import RtspSocket

TIMEOUT = 60.0
"""Of a session that names none (RFC 2326, 12.37)."""
SHORTEST_PAUSE = 1.0
LONGEST_URL = 2048
_ABSOLUTE = ("rtsp://", "rtsps://")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SESSION = re.compile(r"[\x20-\x7e]{1,256}")
_OPTION_NOT_SUPPORTED = 551
_UNKNOWN = frozenset({405, 501, _OPTION_NOT_SUPPORTED})

Headers = list[tuple[str, str]]


class PacketSink(Protocol):
    """``packet`` hears of each interleaved packet, where it lies in what was read, and tells whether it makes sense;
    ``received`` is called when all that had come is told."""

    def packet(self, channel: int, data: memoryview, begin: int, end: int) -> bool: ...

    def received(self) -> None: ...


class OptionUnsupported(Exception):
    """The camera does not understand what is required of it (RFC 2326, 12.32)."""


class RtspSession:
    """One connection's conversation. Everything raises ``PullEnded``; no step has a time limit of its own.

    ``required``: an option that the camera must understand; one that does not is ``OptionUnsupported``."""

    def __init__(self, connection: RtspSocket, address: StreamAddress, *, required: str | None = None) -> None:
        self.connection = connection
        self._sink: PacketSink | None = None
        self._url = quote(address.url, safe=_ASCII)
        self._login = CameraLogin(address, private=connection.encrypted)
        self._wire = Wire(_nobody, self._answered)
        self._required: Headers = [("Require", required)] if required is not None else []
        self._sequence = 0
        self._pending: asyncio.Future[Answer] | None = None
        self._aggregate = self._url
        self._session = ""
        self._timeout = TIMEOUT
        self._keeper = ""
        self._kept: tuple[str, bool] | None = None

    @property
    def keep_alive_every(self) -> float:
        """Seconds: two tries before the camera's time is over."""
        return max(SHORTEST_PAUSE, self._timeout / 2.5)

    async def describe(self) -> Description:
        answer = await self._ask("DESCRIBE", self._url, [("Accept", "application/sdp"), *self._required])
        try:
            description = read_description(answer.body)
        except DescriptionUnusable as unusable:
            raise PullEnded(unusable.reason) from None
        base = answer.headers.get("content-base") or answer.headers.get("content-location") or ""
        self._aggregate = _resolved(base if base.lower().startswith(_ABSOLUTE) else self._url, description.control)
        return description

    async def set_up(self, control: str, transport: str) -> str:
        """Ask for one track; the Transport header that was answered, which may be empty."""
        headers = [("Transport", transport), *self._session_header(), *self._required]
        answer = await self._ask("SETUP", _resolved(self._aggregate, control), headers)
        text, _, rest = answer.headers.get("session", "").partition(";")
        text = text.strip()
        if not self._session and _SESSION.fullmatch(text):
            self._session = text
        found = re.search(r"timeout\s*=\s*(\d{1,6})", rest)
        if found and int(found[1]) > 0:
            self._timeout = float(found[1])
        return answer.headers.get("transport", "")

    async def play(self, sink: PacketSink) -> None:
        """Packets may come before it is answered."""
        self._sink, self._wire.packet = sink, sink.packet
        await self._ask("PLAY", self._aggregate, [*self._session_header(), ("Range", "npt=0.000-"), *self._required])

    def keep_alive(self) -> None:
        """Say that somebody is still there; the answer is taken when it comes. The first time it is asked what the
        camera understands; where that is GET_PARAMETER it is used from then on (RFC 2326, 10.8). Raises ``OSError``."""
        method = self._keeper or "OPTIONS"
        self._kept = (method, False)
        self._send(method, self._aggregate, self._session_header())

    def receive(self) -> int:
        """Take what came; how many bytes. Raises ``PullEnded``."""
        try:
            came = self.connection.receive(self._wire.take)
        except EOFError:
            raise PullEnded("stream_ended") from None
        except OSError:
            raise PullEnded("connection_lost") from None
        except BadAnswer:
            raise PullEnded("invalid_answer" if self._pending is not None else "connection_lost") from None
        if self._sink is not None:
            self._sink.received()
        return came

    def close(self) -> None:
        """Let the camera go. It is told, and not waited for."""
        if self._session:
            with contextlib.suppress(OSError):
                self._send("TEARDOWN", self._aggregate, self._session_header())
        self.connection.close()

    async def _ask(self, method: str, url: str, headers: Headers) -> Answer:
        asked = False
        while True:
            self._pending = asyncio.get_running_loop().create_future()
            try:
                self._send(method, url, headers)
                while not self._pending.done():
                    await self.connection.readable()
                    self._hear()
                answer = self._pending.result()
            except OSError:
                raise PullEnded("connection_lost") from None
            finally:
                self._pending = None
            if answer.status != 401:
                self._login.taken()
            elif not asked and self._login.asked(answer.challenges):
                asked = True
                continue
            if answer.status == _OPTION_NOT_SUPPORTED and self._required:
                raise OptionUnsupported
            if answer.status != 200:
                raise PullEnded(why_refused(answer.status))
            return answer

    def _hear(self) -> None:
        """The end of the connection is not the end of a stream that never began."""
        try:
            self.receive()
        except PullEnded as ended:
            if ended.reason == "stream_ended":
                if self._pending is not None and self._pending.done():
                    return
                raise PullEnded("connection_lost") from None
            raise

    def _send(self, method: str, url: str, headers: Headers) -> None:
        self._sequence += 1
        authorization = self._login.authorization(method, url)
        if authorization is not None:
            headers = [*headers, ("Authorization", authorization)]
        self.connection.send(request(method, url, self._sequence, headers))

    def _session_header(self) -> Headers:
        return [("Session", self._session)] if self._session else []

    def _answered(self, answer: Answer) -> None:
        if answer.status < 200:
            return
        late = answer.sequence is not None and answer.sequence < self._sequence
        if self._pending is not None:
            if not late and not self._pending.done():
                self._pending.set_result(answer)
        elif self._kept is not None and not late:
            self._is_kept(answer, *self._kept)

    def _is_kept(self, answer: Answer, method: str, again: bool) -> None:
        """The answer to a keep-alive. Whatever else a camera says to it, it has heard us."""
        self._kept = None
        if answer.status == 401 and not again and self._login.asked(answer.challenges):
            self._kept = (method, True)
            with contextlib.suppress(OSError):
                self._send(method, self._aggregate, self._session_header())
        elif answer.status == 454:
            raise PullEnded("stream_ended")
        elif method == "OPTIONS":
            understood = answer.headers.get("public", "").upper()
            self._keeper = "GET_PARAMETER" if "GET_PARAMETER" in understood else "OPTIONS"
            self._login.taken()
        elif answer.status in _UNKNOWN:
            self._keeper = "OPTIONS"


def _nobody(_channel: int, _data: memoryview, _begin: int, _end: int) -> bool:
    """Nothing was asked to be sent yet."""
    return False


def _resolved(base: str, control: str) -> str:
    """Where a track stands (RFC 2326, C.1.1). What is relative is put behind the base, its query included, as cameras
    want it that have one. Raises ``PullEnded`` for what no request line can hold."""
    if control in ("", "*"):
        url = base
    elif control.lower().startswith(_ABSOLUTE):
        url = control
    elif control.startswith("/"):
        url = urljoin(base, control)
    else:
        url = f"{base.rstrip('/')}/{control}"
    url = quote(url, safe=_ASCII)
    try:
        valid = bool(urlsplit(url).hostname)
    except ValueError:
        valid = False
    if not valid or len(url) > LONGEST_URL:
        raise PullEnded("invalid_answer")
    return url
