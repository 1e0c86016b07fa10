"""Asks a camera's RTSP service for its stream and waits for the first packet: does it really connect (RFC 2326)?

DESCRIBE with digest or basic login, SETUP over TCP, PLAY, one RTP packet of video, TEARDOWN. Nothing is decoded, and
FFmpeg, which could crash, stays out of the process that asks.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from camera_registry import reasons
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login

CHECK_SECONDS = 8.0
STEP_SECONDS = 4.0
LONGEST_BODY = 65_536
MOST_HEADERS = 64
DEFAULT_PORT = 554
CODECS = {"H264": "H264", "H265": "H265", "HEVC": "H265"}


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What was seen of a stream: ``encoding`` is ``H264`` or ``H265``."""

    encoding: str


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


async def check_stream(url: str, login: Login | None, *, seconds: float = CHECK_SECONDS) -> StreamFacts:
    """Connect to ``url`` (allowed before) and see video arrive. Raises ``CameraRefused`` with the reason."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    connected = False
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, limit=LONGEST_BODY)
            connected = True
            try:
                return await _Conversation(reader, writer, url, login).play()
            finally:
                writer.close()
    except TimeoutError as error:
        raise CameraRefused(reasons.STREAM_TIMEOUT if connected else reasons.STREAM_UNREACHABLE) from error
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise CameraRefused(reasons.STREAM_INVALID, detail=type(error).__name__) from error
    except OSError as error:
        reason = reasons.STREAM_REFUSED if connected else reasons.STREAM_UNREACHABLE
        raise CameraRefused(reason, detail=str(error)) from error


@dataclass(slots=True)
class _Conversation:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    url: str
    login: Login | None
    sequence: int = 0
    challenge: dict[str, str] | None = field(default=None)
    scheme: str = ""

    async def play(self) -> StreamFacts:
        described = await self._ask("DESCRIBE", self.url, {"Accept": "application/sdp"})
        base = described.headers.get("content-base") or described.headers.get("content-location") or self.url
        video = _video(described.body.decode(errors="replace"))
        aggregate = self.url if not base.startswith("rtsp://") else base
        control = video.control if video.control.startswith("rtsp://") else _joined(aggregate, video.control)
        # The camera may name itself wrongly; the connection stands, so only the path of what it says counts.
        setup = await self._ask("SETUP", control, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        session = setup.headers.get("session", "").partition(";")[0].strip()
        if not session:
            raise CameraRefused(reasons.STREAM_INVALID, detail="no session")
        await self._ask("PLAY", aggregate, {"Session": session, "Range": "npt=0.000-"})
        await self._first_packet()
        await self._send("TEARDOWN", aggregate, {"Session": session})
        return StreamFacts(video.encoding)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await self._send(method, url, headers)
                answer = await self._answer()
                if answer.status == 401 and self.login is not None and self.challenge is None:
                    self._take_challenge(answer.challenges)
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
        if self.challenge is not None:
            lines.append(f"Authorization: {self._authorization(method, url)}")
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

    async def _first_packet(self) -> None:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while True:
                    if await self.reader.readexactly(1) != b"$":
                        continue
                    channel, data = await self._packet()
                    if channel == 0 and len(data) > 12:  # an RTP header and something in it
                        return
        except TimeoutError as error:
            raise CameraRefused(reasons.NO_PICTURE) from error

    def _take_challenge(self, challenges: tuple[str, ...]) -> None:
        for wanted in ("digest", "basic"):
            for challenge in challenges:
                scheme, _, fields = challenge.partition(" ")
                if scheme.lower() == wanted:
                    self.scheme = wanted
                    self.challenge = parse_keqv_list(parse_http_list(fields))
                    return
        raise CameraRefused(reasons.STREAM_AUTH_FAILED, detail="unknown scheme")

    def _authorization(self, method: str, url: str) -> str:
        login, challenge = self.login, self.challenge or {}
        if login is None:
            return ""
        if self.scheme == "basic":
            return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
        first = _md5(f"{login.username}:{realm}:{login.password}")
        second = _md5(f"{method}:{url}")
        fields = {"username": login.username, "realm": realm, "nonce": nonce, "uri": url}
        plain = ""
        if "auth" in challenge.get("qop", "").split(","):
            cnonce = secrets.token_hex(8)
            fields["response"] = _md5(f"{first}:{nonce}:00000001:{cnonce}:auth:{second}")
            fields["cnonce"] = cnonce
            plain = ", qop=auth, nc=00000001"
        else:
            fields["response"] = _md5(f"{first}:{nonce}:{second}")
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        return "Digest " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in fields.items()) + plain


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


def _joined(base: str, control: str) -> str:
    if control in ("", "*"):
        return base
    return base.rstrip("/") + "/" + control if not control.startswith("/") else urljoin(base, control)


def _why(status: int) -> Reason:
    if status in (401, 403):
        return reasons.STREAM_AUTH_FAILED
    return reasons.STREAM_NOT_FOUND if status == 404 else reasons.STREAM_REFUSED


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
