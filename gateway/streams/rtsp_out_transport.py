"""How RTP reaches a reader: over the RTSP connection itself, or as datagrams (RFC 2326, 10.12 and 12.39).

Datagrams go to the address that the connection came from and to no other, whatever is asked for: nobody can have a
stream sent to somebody else. They are paced, since nothing else slows them down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.streams.rtp_sending import Pace

WRITE_AHEAD = 128 * 1024
"""Bytes that wait in this process for the connection, beside one frame."""
_TRIES = 20
_LOWEST_PORT = 1024


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Channels of the connection for RTP and RTCP."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class Datagrams:
    """The reader's ports for RTP and RTCP."""

    rtp: int
    rtcp: int


class Carrier(Protocol):
    """``described`` is the Transport header of the answer, without the source. ``ready`` waits until more may be sent;
    False: the reader takes nothing any more."""

    described: str

    def rtp(self, packets: Sequence[tuple[bytes, bytes]]) -> None: ...

    def rtcp(self, packet: bytes) -> None: ...

    async def ready(self) -> bool: ...

    def close(self) -> None: ...


def wanted_transport(header: str) -> Interleaved | Datagrams | None:
    """The first offer of a Transport header that can be served; None if none can (461)."""
    for offer in header.split(","):
        profile, *parameters = [part.strip() for part in offer.split(";")]
        if any(part.lower() == "multicast" for part in parameters):
            continue
        if profile.upper() == "RTP/AVP/TCP":
            channels = _pair(parameters, "interleaved", "0-1", 255)
            if channels is not None:
                return Interleaved(*channels)
        if profile.upper() in ("RTP/AVP", "RTP/AVP/UDP"):
            ports = _pair(parameters, "client_port", "", 65535)
            if ports is not None and min(ports) >= _LOWEST_PORT:
                return Datagrams(*ports)
    return None


def _pair(parameters: list[str], name: str, default: str, most: int) -> tuple[int, int] | None:
    wanted = [part.partition("=")[2] for part in parameters if part.lower().startswith(f"{name}=")]
    low, dash, high = (wanted or [default])[0].partition("-")
    if not dash:
        high = str(int(low) + 1) if _number(low) else ""
    if not (_number(low) and _number(high)) or low == high or max(int(low), int(high)) > most:
        return None
    return int(low), int(high)


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5


class OverConnection:
    """Framed between the answers of the RTSP connection."""

    def __init__(self, writer: asyncio.StreamWriter, channels: Interleaved, stalled: float) -> None:
        self._writer = writer
        self._channels = channels
        self._stalled = stalled
        self.described = f"RTP/AVP/TCP;unicast;interleaved={channels.rtp}-{channels.rtcp}"
        writer.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    def rtp(self, packets: Sequence[tuple[bytes, bytes]]) -> None:
        start = bytes([0x24, self._channels.rtp])
        framed = []
        for header, payload in packets:
            framed += [start, (len(header) + len(payload)).to_bytes(2, "big"), header, payload]
        self._writer.write(b"".join(framed))

    def rtcp(self, packet: bytes) -> None:
        if packet and self._writer.transport.get_write_buffer_size() <= WRITE_AHEAD:
            self._writer.write(bytes([0x24, self._channels.rtcp]) + len(packet).to_bytes(2, "big") + packet)

    async def ready(self) -> bool:
        return await drained(self._writer, self._stalled)

    def close(self) -> None:
        """The connection is another's."""


class _Port(asyncio.DatagramProtocol):
    """One of ours; ``heard`` is called for each datagram of the reader, ``refused`` when nobody listens there."""

    def __init__(self, heard: Callable[[], None], refused: Callable[[], None]) -> None:
        self._heard = heard
        self._refused = refused

    def datagram_received(self, data: bytes, address: object) -> None:
        self._heard()

    def error_received(self, error: Exception) -> None:
        if isinstance(error, ConnectionRefusedError):
            self._refused()


class OverDatagrams:
    """A pair of ports of ours, connected to the reader's. ``heard``: a sign of life came (RTCP)."""

    def __init__(self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport, ports: Datagrams) -> None:
        self._rtp = rtp
        self._rtcp = rtcp
        self._clock = asyncio.get_running_loop().time
        self._pace = Pace(self._clock())
        self._wait = 0.0
        self.refused = False
        own = "-".join(str(one.get_extra_info("sockname")[1]) for one in (rtp, rtcp))
        self.described = f"RTP/AVP;unicast;client_port={ports.rtp}-{ports.rtcp};server_port={own}"

    @classmethod
    async def to(cls, own: str, reader: str, ports: Datagrams, heard: Callable[[], None]) -> OverDatagrams:
        """From address ``own`` to ``reader``. Raises ``OSError`` where no port is free."""
        loop = asyncio.get_running_loop()
        made: OverDatagrams | None = None

        def refused() -> None:
            if made is not None:
                made.refused = True

        for tries in range(_TRIES):
            rtp, _ = await loop.create_datagram_endpoint(
                lambda: _Port(heard, refused), local_addr=(own, 0), remote_addr=(reader, ports.rtp)
            )
            port = rtp.get_extra_info("sockname")[1]
            try:
                # The even port is RTP's, the next one RTCP's (RFC 3550, 11).
                if port % 2 and tries < _TRIES - 1:
                    raise OSError
                rtcp, _ = await loop.create_datagram_endpoint(
                    lambda: _Port(heard, lambda: None), local_addr=(own, port + 1), remote_addr=(reader, ports.rtcp)
                )
            except OSError:
                rtp.close()
                continue
            made = cls(rtp, rtcp, ports)
            return made
        raise OSError("no pair of ports is free")

    def rtp(self, packets: Sequence[tuple[bytes, bytes]]) -> None:
        self._wait = self._pace.wait(sum(len(payload) for _, payload in packets), self._clock())
        for header, payload in packets:
            self._rtp.sendto(header + payload)

    def rtcp(self, packet: bytes) -> None:
        if packet and not self._rtcp.is_closing():
            with contextlib.suppress(OSError):
                self._rtcp.sendto(packet)

    async def ready(self) -> bool:
        if self._wait > 0:
            await asyncio.sleep(self._wait)
        return not self.refused

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()


async def drained(writer: asyncio.StreamWriter, stalled: float) -> bool:
    """Wait until the reader has taken most of what was written. False: it took nothing for ``stalled`` seconds."""
    while True:
        before = writer.transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(stalled):
                await writer.drain()
        except TimeoutError:
            if writer.transport.get_write_buffer_size() >= before:
                return False
        else:
            return True
