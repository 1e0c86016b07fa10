"""How a track's packets reach us (RFC 2326, 12.39): on channels of the connection, or as datagrams to ports of ours.

Datagrams are taken from the address of the RTSP connection and from no other, whatever a camera says its source is.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import Callable
from ipaddress import ip_address

from gateway.streams.pull_reasons import PullEnded
from gateway.streams.rtcp_reports import Jitter, ReceiverReports, SenderReport
from gateway.streams.rtp_packet import HEAD
from gateway.streams.rtp_reordering import Reordering
from gateway.streams.rtsp_in_reading import Kind, Reading

KERNEL_BUFFER = 2 * 1024 * 1024
"""Bytes: a keyframe comes at the rate of the line. The kernel grants what its net.core.rmem_max allows."""
LARGEST_DATAGRAM = 65_536
MOST_AT_ONCE = 512
_TRIES = 20
_PAIR = r"\s*=\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?"


def interleaved(first: int) -> str:
    return f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"


def channels_in(answer: str, asked: int) -> tuple[int, int]:
    """RTP's and RTCP's channels; a camera that says none uses those it was asked for. Raises ``PullEnded`` for an
    answer to another question."""
    found = re.search(f"interleaved{_PAIR}", answer, re.IGNORECASE)
    if found is None:
        if "client_port" in answer.lower():
            raise PullEnded("invalid_answer")
        return asked, asked + 1
    rtp = int(found[1])
    rtcp = int(found[2] or rtp + 1)
    if max(rtp, rtcp) > 255:
        raise PullEnded("invalid_answer")
    return rtp, rtcp


class ConnectionReports:
    """Receiver reports of a track whose packets come over the RTSP connection. ``channel``: where its RTCP goes."""

    def __init__(self, kind: Kind, channel: int, reading: Reading, send: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._send = send
        self._reports = _reports(kind, reading, self._loop.time(), None)

    def check(self) -> None:
        """Call it a few times a second. Raises ``OSError``."""
        report = self._reports.due(self._loop.time())
        if report is not None:
            self._send(b"$" + bytes([self._channel]) + len(report).to_bytes(2) + report)


class DatagramPorts:
    """A pair of ports for one track, read as soon as something comes: the kernel keeps little for them. ``failed``
    hears what ends the stream; ``own`` and ``camera`` are IP addresses."""

    _buffer = memoryview(bytearray(LARGEST_DATAGRAM))

    def __init__(
        self, kind: Kind, own: str, camera: str, reading: Reading, failed: Callable[[Exception], None]
    ) -> None:
        self._kind: Kind = kind
        self._camera = camera
        self._reading = reading
        self._failed = failed
        self._reordering = Reordering()
        self._loop = asyncio.get_running_loop()
        self._rtp, self._rtcp = _pair(own)
        self._reports_to: int | None = None
        self._jitter = Jitter(reading.clock_rates[kind])
        self._reports = _reports(kind, reading, self._loop.time(), self._jitter)
        self._loop.add_reader(self._rtp, self._guarded, self._take_packets)
        self._loop.add_reader(self._rtcp, self._guarded, self._take_reports)

    @property
    def asked(self) -> str:
        """The Transport header that asks for it."""
        port = self._rtp.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def answered(self, transport: str) -> None:
        """Raises ``PullEnded`` where the camera would send otherwise."""
        if "interleaved" in transport.lower():
            raise PullEnded("invalid_answer")
        found = re.search(f"server_port{_PAIR}", transport, re.IGNORECASE)
        port = int(found[2] or int(found[1]) + 1) if found else 0
        self._reports_to = port if 0 < port <= 65535 else None

    def check(self) -> None:
        """Call it a few times a second."""
        now = self._loop.time()
        for packet in self._reordering.overdue(now):
            self._pass_on(packet)
        self._reading.received()
        report = self._reports.due(now)
        if report is not None and self._reports_to is not None:
            with contextlib.suppress(OSError):
                self._rtcp.sendto(report, (self._camera, self._reports_to))

    def close(self) -> None:
        for one in (self._rtp, self._rtcp):
            self._loop.remove_reader(one)
            one.close()

    def _guarded(self, take: Callable[[], None]) -> None:
        try:
            take()
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits for the end must hear of it
            self._failed(error)

    def _take_packets(self) -> None:
        now = self._loop.time()
        for datagram in self._datagrams(self._rtp):
            if len(datagram) > 1 and 192 <= datagram[1] <= 223:
                self._pass_on(datagram)
            else:
                if len(datagram) >= HEAD.size:
                    _, _, _, timestamp, source = HEAD.unpack_from(datagram)
                    self._jitter.came(source, timestamp, now)
                for packet in self._reordering.put(datagram, now):
                    self._pass_on(packet)
        self._reading.received()

    def _take_reports(self) -> None:
        for datagram in self._datagrams(self._rtcp):
            self._pass_on(datagram)
        self._reading.received()

    def _datagrams(self, port: socket.socket) -> list[bytes]:
        found = []
        for _ in range(MOST_AT_ONCE):
            try:
                size, address = port.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error for a report of ours
            if address[0] == self._camera:
                found.append(bytes(self._buffer[:size]))
        return found

    def _pass_on(self, packet: bytes) -> None:
        self._reading.take(self._kind, memoryview(packet), 0, len(packet))


def _reports(kind: Kind, reading: Reading, begun: float, jitter: Jitter | None) -> ReceiverReports:
    def heard() -> SenderReport | None:
        return reading.reports.get(kind)

    return ReceiverReports(reading.arrivals[kind], heard, own=secrets.randbits(32), begun=begun, jitter=jitter)


def _pair(own: str) -> tuple[socket.socket, socket.socket]:
    """The even port is RTP's, the next one RTCP's (RFC 3550, 11). Raises ``PullEnded`` where no pair is free."""
    family = socket.AF_INET if ip_address(own).version == 4 else socket.AF_INET6
    for _ in range(_TRIES):
        rtp, rtcp = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        try:
            rtp.bind((own, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((own, port + 1))
                for one in (rtp, rtcp):
                    one.setblocking(False)
                rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()
    raise PullEnded("rejected")
