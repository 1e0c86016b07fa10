"""Asks a camera's RTSP service for its stream and waits for the first packet: does it really connect (RFC 2326)?

DESCRIBE with digest login, SETUP over TCP, PLAY, the first pictures, TEARDOWN. Nothing is decoded, and FFmpeg, which
could crash, stays out of the process that asks. Basic, which tells the password to whoever stands at the address, is
sent only to a camera for which that is allowed.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from camera_registry import digest, reasons
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login
from camera_registry.stream_look import ParameterSets, StreamLook

CHECK_SECONDS = 8.0
STEP_SECONDS = 4.0
LOOK_SECONDS = 2.5
"""How long pictures are looked at after the first one; most streams have told enough after one second."""
LONGEST_BODY = 65_536
MOST_HEADERS = 64
DEFAULT_PORT, DEFAULT_TLS_PORT = 554, 322
"""Of ``rtsp`` and ``rtsps`` (RFC 7826, 4.2)."""
CODECS = {"H264": "H264", "H265": "H265", "HEVC": "H265"}


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What was seen of a stream: ``encoding`` is ``H264`` or ``H265``."""

    encoding: str
    b_frames: bool = False
    parameter_sets: ParameterSets = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Video:
    encoding: str
    control: str


async def check_stream(
    url: str, login: Login | None, *, clear_login: bool = False, seconds: float = CHECK_SECONDS
) -> StreamFacts:
    """Connect to ``url`` (allowed before) and see video arrive. Raises ``CameraRefused`` with the reason.

    ``clear_login``: this camera may be sent the password readably, where it takes it in no other way.
    """
    parts = urlsplit(url)
    encrypted = parts.scheme == "rtsps"
    host, port = parts.hostname or "", parts.port or (DEFAULT_TLS_PORT if encrypted else DEFAULT_PORT)
    connected = False
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                host, port, limit=LONGEST_BODY, ssl=_unverified() if encrypted else None
            )
            connected = True
            try:
                return await _Conversation(reader, writer, url, login, clear_login).play()
            finally:
                writer.close()
    except TimeoutError as error:
        raise CameraRefused(reasons.STREAM_TIMEOUT if connected else reasons.STREAM_UNREACHABLE) from error
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise CameraRefused(reasons.STREAM_INVALID, detail=type(error).__name__) from error
    except ssl.SSLError as error:
        raise CameraRefused(reasons.TLS_ERROR, detail=type(error).__name__) from error
    except OSError as error:
        reason = reasons.STREAM_REFUSED if connected else reasons.STREAM_UNREACHABLE
        raise CameraRefused(reason, detail=str(error)) from error


@dataclass(slots=True)
class _Conversation:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    url: str
    login: Login | None
    clear_login: bool = False
    sequence: int = 0
    challenge: digest.Challenge | None = None
    basic: bool = False
    answered: int = 0

    async def play(self) -> StreamFacts:
        described = await self._ask("DESCRIBE", self.url, {"Accept": "application/sdp"})
        base = described.headers.get("content-base") or described.headers.get("content-location") or self.url
        sdp = described.body.decode(errors="replace")
        video = _video(sdp)
        whole = ("rtsp://", "rtsps://")
        aggregate = base if base.startswith(whole) else self.url
        control = video.control if video.control.startswith(whole) else _joined(aggregate, video.control)
        # The camera may name itself wrongly; the connection stands, so only the path of what it says counts.
        setup = await self._ask("SETUP", control, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        session = setup.headers.get("session", "").partition(";")[0].strip()
        if not session:
            raise CameraRefused(reasons.STREAM_INVALID, detail="no session")
        await self._ask("PLAY", aggregate, {"Session": session, "Range": "npt=0.000-"})
        look = StreamLook(video.encoding, sdp)
        await self._pictures(look)
        await self._send("TEARDOWN", aggregate, {"Session": session})
        return StreamFacts(video.encoding, look.b_frames, look.parameter_sets)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await self._send(method, url, headers)
                answer = await self._answer()
                if answer.status == 401 and self.login is not None and self._takes(answer.challenges):
                    await self._send(method, url, headers)
                    answer = await self._answer()
        except TimeoutError as error:
            raise CameraRefused(reasons.STREAM_TIMEOUT, detail=method) from error
        if answer.status != 200:
            raise CameraRefused(_why(answer.status), detail=f"{method} {answer.status}")
        return answer

    async def _send(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        self.sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.sequence}", "User-Agent: gateway"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if (authorization := self._authorization(method, url)) is not None:
            lines.append(f"Authorization: {authorization}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def _answer(self) -> _Answer:
        while True:
            first = await self.reader.readexactly(1)
            if first == b"$":  # a packet that came before the answer
                await self._packet()
                continue
            line = (first + await self.reader.readuntil(b"\n")).decode("latin-1").strip()
            if not line:
                continue
            version, _, rest = line.partition(" ")
            if not version.startswith("RTSP/"):
                raise ValueError("not RTSP")
            status = int(rest.split()[0]) if rest.split() else 0
            headers: dict[str, str] = {}
            challenges: list[str] = []
            for _ in range(MOST_HEADERS):
                text = (await self.reader.readuntil(b"\n")).decode("latin-1").strip()
                if not text:
                    break
                name, _, value = text.partition(":")
                if name.strip().lower() == "www-authenticate":
                    challenges.append(value.strip())
                headers[name.strip().lower()] = value.strip()
            else:
                raise ValueError("too many headers")
            length = int(headers.get("content-length", "0"))
            if not 0 <= length <= LONGEST_BODY:
                raise ValueError("body too long")
            return _Answer(status, headers, tuple(challenges), await self.reader.readexactly(length))

    async def _packet(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(3)
        return head[0], await self.reader.readexactly(int.from_bytes(head[1:]))

    async def _pictures(self, look: StreamLook) -> None:
        """One picture must come; those after it are looked at for a while, whatever becomes of them."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await self._video_packet(look)
        except TimeoutError as error:
            raise CameraRefused(reasons.NO_PICTURE) from error
        with suppress(TimeoutError, asyncio.IncompleteReadError, OSError):
            async with asyncio.timeout(LOOK_SECONDS):
                while not look.enough:
                    await self._video_packet(look)

    async def _video_packet(self, look: StreamLook) -> None:
        while True:
            if await self.reader.readexactly(1) != b"$":
                continue
            channel, data = await self._packet()
            if channel == 0 and len(data) > 12:  # an RTP header and something in it
                return look.packet(data)

    def _takes(self, offered: tuple[str, ...]) -> bool:
        """Whether there is something to answer: the first challenge, or a nonce that has merely grown old."""
        challenge = digest.best(offered)
        if self.challenge is not None or self.basic:
            fresh = challenge is not None and challenge.stale
            self.challenge = challenge if fresh else self.challenge
            return fresh
        self.challenge = challenge
        basic = challenge is None and any(one.lower().startswith("basic") for one in offered)
        if basic and not self.clear_login:
            raise CameraRefused(reasons.CLEAR_LOGIN_NEEDED, field="clear_login")
        self.basic = basic
        return challenge is not None or self.basic

    def _authorization(self, method: str, url: str) -> str | None:
        if self.login is None:
            return None
        if self.basic:
            return "Basic " + base64.b64encode(f"{self.login.username}:{self.login.password}".encode()).decode()
        if self.challenge is None:
            return None
        self.answered += 1
        return digest.answer(self.challenge, self.login, method, url, secrets.token_hex(8), self.answered)


def _video(sdp: str) -> _Video:
    """The first video of an SDP that can be pulled (RFC 4566)."""
    media, control, encodings, found = "", "", dict[str, str](), list[tuple[str, str]]()
    for line in [*sdp.splitlines(), "m=end"]:
        if line.startswith("m="):
            if media == "video":
                found.append((next(iter(encodings.values()), ""), control))
            media, control, encodings = line[2:].partition(" ")[0], "", {}
        elif line.startswith("a=control:"):
            control = line.removeprefix("a=control:").strip()
        elif line.startswith("a=rtpmap:"):
            number, _, name = line.removeprefix("a=rtpmap:").partition(" ")
            encodings[number] = name.partition("/")[0].strip().upper()
    if not found:
        raise CameraRefused(reasons.NO_VIDEO)
    for encoding, where in found:
        if encoding in CODECS:
            return _Video(CODECS[encoding], where)
    raise CameraRefused(reasons.CODEC_UNSUPPORTED, detail=unquote(found[0][0])[:20])


def _unverified() -> ssl.SSLContext:
    """A camera's certificate is its own and proves nothing: others cannot listen, but it may be anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _joined(base: str, control: str) -> str:
    if control in ("", "*"):
        return base
    return base.rstrip("/") + "/" + control if not control.startswith("/") else urljoin(base, control)


def _why(status: int) -> Reason:
    if status in (401, 403):
        return reasons.STREAM_AUTH_FAILED
    return reasons.STREAM_NOT_FOUND if status == 404 else reasons.STREAM_REFUSED
