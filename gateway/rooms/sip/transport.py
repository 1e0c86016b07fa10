"""Where SIP comes in and goes out: one port over UDP and TCP (RFC 3261, 18). It knows bytes and ways, no messages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog

from gateway.refusals import Refusal
from gateway.rooms.sip.transactions import Way
from gateway.rooms.sip.wire import MOST_BYTES, BadMessage, read_stream
from gateway.settings import SipSettings

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 64
IDLE_CONNECTION = 3600.0
CONNECT_WITHIN = 5.0

Take = Callable[[bytes, Way], None]


class SipTransport:
    """``take`` hears each message and the way back. ``refused`` counts streams that were no SIP."""

    def __init__(self, settings: SipSettings, take: Take) -> None:
        self._settings = settings
        self._take = take
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self.port = settings.port
        self.refused = 0

    async def open(self) -> None:
        """Listen. Refuses ``sip_port_taken``."""
        loop = asyncio.get_running_loop()
        host = self._settings.host
        try:
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, self._settings.port), family=socket.AF_INET
            )
            self.port = int(self._udp.get_extra_info("sockname")[1])
            self._tcp = await asyncio.start_server(self._accept, host, self.port, limit=MOST_BYTES)
        except OSError as error:
            self.close()
            raise Refusal(
                "unavailable", "sip_port_taken", f"SIP 端口 {host}:{self._settings.port} 无法监听",
                f"cannot listen for SIP on {host}:{self._settings.port}", field="sip.port",
            ) from error  # fmt: skip
        log.info("sip_listening", host=host, port=self.port)

    def close(self) -> None:
        if self._udp is not None:
            self._udp.close()
        for writer in list(self._connections):
            writer.close()
        if self._tcp is not None:
            self._tcp.close()

    def host_toward(self, way: Way) -> str:
        """Our own address as that peer reaches it."""
        if self._settings.host != "0.0.0.0":  # noqa: S104  # a comparison
            return self._settings.host
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((way.host, way.port or 9))
            return str(probe.getsockname()[0])

    def datagram(self, data: bytes, address: tuple[str, int]) -> None:
        if len(data) <= 4:  # a keep-alive
            return
        self._take(_with_received(data, address), self.over_udp(*address))

    async def connect(self, host: str, port: int) -> Way:
        """A connection of ours. Raises ``OSError`` and ``TimeoutError``."""
        if len(self._connections) >= MOST_CONNECTIONS:
            raise ConnectionError
        async with asyncio.timeout(CONNECT_WITHIN):
            reader, writer = await asyncio.open_connection(host, port, limit=MOST_BYTES)
        self._connections.add(writer)
        way = _over_tcp(writer, host, port)
        reading = asyncio.get_running_loop().create_task(self._read(reader, writer, way))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        return way

    def over_udp(self, host: str, port: int) -> Way:
        def send(data: bytes) -> None:
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(data, (host, port))

        return Way("UDP", host, port, send)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        host, port = writer.get_extra_info("peername")[:2]
        await self._read(reader, writer, _over_tcp(writer, host, port))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_CONNECTION):
                    data = await read_stream(reader)
                if data:
                    self._take(data, way)
                else:
                    way.send(b"\r\n")
        except (BadMessage, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            self.refused += 1
        finally:
            self._connections.discard(writer)
            writer.close()


def _over_tcp(writer: asyncio.StreamWriter, host: str, port: int) -> Way:
    def send(data: bytes) -> None:
        if not writer.is_closing() and writer.transport.get_write_buffer_size() < 4 * MOST_BYTES:
            writer.write(data)

    return Way("TCP", host, port, send)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, transport: SipTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.datagram(data, addr[:2])


def _with_received(data: bytes, address: tuple[str, int]) -> bytes:
    """Answers go where the request came from (RFC 3581): the top Via says so to whoever looks at it."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for at, line in enumerate(lines[1:], 1):
        name = line.partition(b":")[0].strip().lower()
        if name in (b"via", b"v"):
            first, comma, more = line.partition(b",")
            said = b";received=" + address[0].encode()
            if b";rport" in first and b";rport=" not in first:
                first = first.replace(b";rport", b";rport=" + str(address[1]).encode(), 1)
            if b";received=" not in first:
                first += said
            lines[at] = first + comma + more
            break
    return b"\r\n".join(lines) + separator + rest
