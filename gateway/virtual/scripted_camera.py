"""A camera's RTSP server that does what a script says, also what no camera should: for tests and measurements.

Standard library only and cheap: pictures are cut into RTP packets once and copied, so that one process serves fifty
cameras at 1080p. RTP over the RTSP connection or over UDP (RFC 2326), H.264 (RFC 6184) and H.265 (RFC 7798).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.streams import nal
from gateway.streams.frame import VideoCodec

CLOCK_RATE = 90_000
MOST_PAYLOAD = 1400
PAYLOAD_TYPE = 96
LONGEST_REQUEST = 16_384


@dataclass(frozen=True, slots=True)
class Picture:
    """Send an access unit (Annex-B). ``at``: its time in ticks of 1/90000 s. ``lost``: whether its packet of that
    number is lost on the way."""

    data: bytes
    at: int
    lost: Callable[[int], bool] | None = None


@dataclass(frozen=True, slots=True)
class Bytes:
    """Send these on the connection, whatever they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing for so many seconds; None: never again."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the connection."""


Step = Picture | Bytes | Wait | HangUp
Script = Callable[[], Iterator[Step]]
"""Begun anew for each reader. Where it ends the connection stays, silent."""


@dataclass(frozen=True)
class Served:
    """What stands at one path. ``parameters``: parameter sets told in the SDP. ``answer``: sent in place of every
    answer, if given."""

    script: Script
    codec: VideoCodec = "h264"
    parameters: tuple[bytes, ...] = ()
    answer: bytes | None = None


@dataclass
class ScriptedCamera:
    """``paths``: what is served, by path without its slash. ``connections`` counts those open now, ``played`` those
    that began to play, ``udp_readers`` those that asked for UDP."""

    paths: dict[str, Served]
    tls: ssl.SSLContext | None = None
    port: int = 0
    connections: int = 0
    played: int = 0
    udp_readers: int = 0
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _cut: dict[tuple[VideoCodec, int], list[bytes]] = field(default_factory=dict)

    async def start(self, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._serve, host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Every connection ends."""
        if self._server is not None:
            self._server.close()
        serving = tuple(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def url(self, path: str) -> str:
        return f"{'rtsp' if self.tls is None else 'rtsps'}://127.0.0.1:{self.port}/{path}"

    def packets(self, codec: VideoCodec, data: bytes) -> list[bytes]:
        """The RTP payloads of an access unit; cut once, for pictures are sent over and over."""
        known = self._cut.get((codec, id(data)))
        if known is None:
            known = self._cut[codec, id(data)] = list(payloads(codec, data))
            if len(self._cut) > 4096:
                self._cut.clear()
        return known

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        reading = _Reader(self, reader, writer)
        known = asyncio.current_task()
        if known is not None:
            self._serving.add(known)
        try:
            with contextlib.suppress(
                ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError, ValueError
            ):
                await reading.serve()
        except asyncio.CancelledError:
            pass  # the camera stops
        finally:
            self.connections -= 1
            if known is not None:
                self._serving.discard(known)
            reading.close()


class _Reader:
    def __init__(self, camera: ScriptedCamera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._camera = camera
        self._reader = reader
        self._writer = writer
        self._playing: asyncio.Task[None] | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._sequence = random.randrange(1 << 16)
        self._source = random.randrange(1 << 32)

    async def serve(self) -> None:
        while (request := await self._request()) is not None:
            method, path, headers = request
            await self._answer(method, path, headers)
            if method == "TEARDOWN":
                return

    def close(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
        if self._udp is not None:
            self._udp.close()
        self._writer.close()

    async def _request(self) -> tuple[str, str, dict[str, str]] | None:
        while True:
            first = await self._reader.read(1)
            if not first:
                return None
            if first == b"$":  # RTCP of the reader
                head = await self._reader.readexactly(3)
                await self._reader.readexactly(int.from_bytes(head[1:], "big"))
                continue
            text = (first + await self._reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
            begin, *lines = text.split("\r\n")
            method, url, *_ = begin.split(" ")
            headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
            path = url.partition("://")[2].partition("/")[2].partition("?")[0]
            return method, path.removesuffix("/track1").strip("/"), headers

    async def _answer(self, method: str, path: str, headers: dict[str, str]) -> None:
        served = self._camera.paths.get(path)
        if served is None:
            return self._say("404 Not Found", headers)
        if served.answer is not None:
            self._writer.write(served.answer)
            return None
        match method:
            case "OPTIONS":
                self._say("200 OK", headers, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
            case "DESCRIBE":
                body = _sdp(served).encode()
                base = f"Content-Base: {self._camera.url(path)}/"
                self._say("200 OK", headers, base, "Content-Type: application/sdp", body=body)
            case "SETUP":
                self._say("200 OK", headers, await self._transport(headers.get("transport", "")))
            case "PLAY":
                self._say("200 OK", headers, "Range: npt=now-")
                self._camera.played += 1
                self._playing = asyncio.create_task(self._play(served))
            case _:
                self._say("200 OK", headers)
        await self._writer.drain()

    async def _transport(self, asked: str) -> str:
        if "client_port=" not in asked:
            return "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        ports = asked.partition("client_port=")[2].partition(";")[0]
        host = self._writer.get_extra_info("peername")[0]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(host, int(ports.partition("-")[0]))
        )
        self._camera.udp_readers += 1
        own = self._udp.get_extra_info("sockname")[1]
        return f"Transport: RTP/AVP;unicast;client_port={ports};server_port={own}-{own + 1}"

    def _say(self, status: str, headers: dict[str, str], *more: str, body: bytes = b"") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", "Session: 1;timeout=60", *more]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def _play(self, served: Served) -> None:
        due: float | None = None
        last = 0
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for step in served.script():
                match step:
                    case Picture():
                        # Sent at its own rate; where times jump the usual rate goes on.
                        ticks = step.at - last
                        due = loop.time() if due is None else due + (ticks / CLOCK_RATE if 0 < ticks < 9000 else 0.04)
                        last = step.at
                        await asyncio.sleep(max(0.0, due - loop.time()))
                        await self._send(served.codec, step)
                    case Bytes():
                        self._writer.write(step.data)
                        await self._writer.drain()
                    case Wait(seconds):
                        await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
                        due = None
                    case HangUp():
                        self._writer.close()
                        return

    async def _send(self, codec: VideoCodec, picture: Picture) -> None:
        payloads_of = self._camera.packets(codec, picture.data)
        out = bytearray()
        for number, payload in enumerate(payloads_of):
            self._sequence = (self._sequence + 1) & 0xFFFF
            if picture.lost is not None and picture.lost(number):
                continue
            marker = 0x80 if number == len(payloads_of) - 1 else 0
            head = struct.pack(
                "!BBHII", 0x80, PAYLOAD_TYPE | marker, self._sequence, picture.at & 0xFFFFFFFF, self._source
            )
            if self._udp is not None:
                self._udp.sendto(head + payload)
            else:
                out += struct.pack("!cBH", b"$", 0, len(head) + len(payload)) + head + payload
        if out:
            self._writer.write(bytes(out))
            await self._writer.drain()


def payloads(codec: VideoCodec, data: bytes) -> Iterator[bytes]:
    """Single NAL units, and fragments (FU-A; FU) of those that are too large."""
    header = 1 if codec == "h264" else 2
    for unit in nal.nal_units(data):
        if len(unit) <= MOST_PAYLOAD:
            yield unit
            continue
        kind = nal.nal_type(codec, unit)
        indicator = bytes([unit[0] & 0xE0 | 28]) if codec == "h264" else bytes([unit[0] & 0x81 | 49 << 1, unit[1]])
        cuts = range(header, len(unit), MOST_PAYLOAD)
        for at in cuts:
            flags = (0x80 if at == cuts[0] else 0) | (0x40 if at == cuts[-1] else 0)
            yield indicator + bytes([flags | kind]) + unit[at : at + MOST_PAYLOAD]


def _sdp(served: Served) -> str:
    encoding = "H264" if served.codec == "h264" else "H265"
    format_parameters = ""
    if served.parameters and served.codec == "h264":
        sets = ",".join(b64encode(unit).decode() for unit in served.parameters)
        format_parameters = f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={sets}\r\n"
    elif served.codec == "h264":
        format_parameters = f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1\r\n"
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=scripted\r\nt=0 0\r\na=control:*\r\n"
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {encoding}/{CLOCK_RATE}\r\n"
        f"{format_parameters}a=control:track1\r\n"
    )
