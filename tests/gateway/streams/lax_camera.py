"""A camera for tests that speaks RTSP as carelessly as cameras do, and writes down what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.streams.frame import EncodedFrame
from gateway.virtual.scripted_camera import payloads


@dataclass
class LaxCamera:
    """``film`` is sent over and over, a picture every 40 ms. ``challenges``: what it wants to be answered, ``opens``
    tells whether an Authorization is right. ``authorizations`` are all it was sent, ``methods`` all it was asked.

    Asked for datagrams it sends them as a bad network would deliver them, each pair in the wrong order and some twice,
    while somebody else sends others from ``127.0.0.9``; ``reports`` is what it heard of them, ``lost(number)`` tells
    of which picture the first packet is not sent."""

    film: list[EncodedFrame]
    challenges: tuple[str, ...] = ()
    opens: Callable[[str, str], bool] = lambda _method, _authorization: False
    line: str = "\r\n"
    lower: bool = False
    echoes: bool = True
    base: str | None = None
    control: str = "track1"
    aggregate: str = "*"
    channels: tuple[int, int] = (0, 1)
    early: bool = False
    marks: bool = True
    strange: bool = False
    session: str = "1234;timeout=60"
    sdp: Callable[[str], str] = lambda text: text
    status: dict[str, str] = field(default_factory=dict)
    authorizations: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    lost: Callable[[int], bool] = lambda _number: False
    _number: int = 0
    _ports: list[socket.socket] = field(default_factory=list)
    _reader: tuple[str, int] = ("", 0)
    _sequence: int = 65_500

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam?channel=1"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[LaxCamera]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for port in self._ports:
                port.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        playing: asyncio.Task[None] | None = None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                text = await self._request(reader)
                first, *lines = text.strip().split("\r\n")
                method, url, _ = first.split(" ")
                headers = dict(line.split(": ", 1) for line in lines)
                self.methods.append(method)
                self.urls.append(url)
                authorization = headers.get("Authorization", "")
                if authorization:
                    self.authorizations.append(authorization)
                if self.challenges and not self.opens(method, authorization):
                    challenges = [f"WWW-Authenticate: {one}" for one in self.challenges]
                    writer.write(self._answer("401 Unauthorized", headers, challenges))
                elif method in self.status:
                    writer.write(self._answer(self.status[method], headers, []))
                else:
                    if method == "PLAY" and self.early:
                        writer.write(self._packets() + self._packets())
                    writer.write(self._ok(method, headers))
                    if method == "PLAY":
                        playing = asyncio.create_task(self._play(writer))
                if method == "TEARDOWN":
                    break
        if playing is not None:
            playing.cancel()
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> str:
        """The next one; the reader's RTCP comes between them."""
        while (first := await reader.readexactly(1)) == b"$":
            _, size = struct.unpack("!BH", await reader.readexactly(3))
            self.reports.append(await reader.readexactly(size))
        return (first + await reader.readuntil(b"\r\n\r\n")).decode()

    def _ok(self, method: str, headers: dict[str, str]) -> bytes:
        session = [f"Session: {self.session}"] if self.session else []
        match method:
            case "DESCRIBE":
                body = self.sdp(
                    "v=0\r\ns=lax\r\n"
                    f"a=control:{self.aggregate}\r\nm=video 0 RTP/AVP 96\r\n"
                    f"a=rtpmap:96 H264/90000\r\na=control:{self.control}\r\n"
                )
                base = [f"Content-Base: {self.base}"] if self.base else []
                return self._answer("200 OK", headers, [*base, f"Content-Length:  {len(body)} "], body)
            case "SETUP":
                transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={self.channels[0]}-{self.channels[1]}"
                if "client_port=" in headers["Transport"]:
                    transport = self._open_ports(headers["Transport"])
                return self._answer("200 OK", headers, [*session, transport])
            case "OPTIONS":
                return self._answer("200 OK", headers, ["Public: DESCRIBE, GET_PARAMETER"])
        return self._answer("200 OK", headers, session)

    def _answer(self, status: str, headers: dict[str, str], more: list[str], body: str = "") -> bytes:
        lines = [f"CSeq: {headers['CSeq']}"] if self.echoes else []
        lines += more
        if self.lower:
            lines = [name.lower() + colon + value for name, colon, value in (line.partition(":") for line in lines)]
        return (self.line.join([f"RTSP/1.0 {status}", *lines, "", ""]) + body).encode()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                if self._ports:
                    self._send_datagrams()
                else:
                    writer.write(self._packets())
                    await writer.drain()
                await asyncio.sleep(0.04)

    def _open_ports(self, transport: str) -> str:
        asked = transport.partition("client_port=")[2]
        self._reader = ("127.0.0.1", int(asked.partition("-")[0]))
        for host in ("127.0.0.1", "127.0.0.1", "127.0.0.9"):
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            port.setblocking(False)
            port.bind((host, 0))
            self._ports.append(port)
        rtp, rtcp = (port.getsockname()[1] for port in self._ports[:2])
        return f"Transport: RTP/AVP;unicast;client_port={asked};server_port={rtp}-{rtcp}"

    def _send_datagrams(self) -> None:
        rtp, rtcp, stranger = self._ports
        lost, data, packets = self.lost(self._number), self._packets(), []
        while data:
            size = int.from_bytes(data[2:4])
            packets.append(data[4 : 4 + size])
            data = data[4 + size :]
        packets = packets[lost:]
        for pair in (packets[at : at + 2] for at in range(0, len(packets), 2)):
            for packet in [*reversed(pair), pair[0]]:
                stranger.sendto(packet[:12] + b"\x41\x9a" + b"not of this camera", self._reader)
                rtp.sendto(packet, self._reader)
        with contextlib.suppress(BlockingIOError):
            self.reports.append(rtcp.recv(2000))

    def _packets(self) -> bytes:
        frame = self.film[self._number % len(self.film)]
        out = b""
        parts = list(payloads("h264", frame.data))
        for number, payload in enumerate(parts):
            self._sequence = (self._sequence + 1) & 0xFFFF
            marker = 0x80 if self.marks and number == len(parts) - 1 else 0
            time = (0xFFFF_F000 + self._number * 3600) & 0xFFFF_FFFF
            head = struct.pack("!BBHII", 0x80, 96 | marker, self._sequence, time, 7)
            if self.strange:  # two contributors, an extension of one word, four bytes of padding
                head = bytes([0xB2]) + head[1:] + b"\0" * 8 + b"\xbe\xde\x00\x01" + b"\0" * 4
                payload += b"\0\0\0\x04"
                report = struct.pack("!BBHI", 0x80, 201, 1, 9)
                out += struct.pack("!cBH", b"$", 77, len(report)) + report
            out += struct.pack("!cBH", b"$", self.channels[0], len(head) + len(payload)) + head + payload
        self._number += 1
        return out
