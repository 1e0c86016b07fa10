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

from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSourceInfo

from gateway.streams.pull_reasons import PullEnded
from gateway.streams.rtp_packet import Arrivals
from gateway.streams.rtp_reordering import Reordering
from gateway.streams.rtsp_in_reading import Kind, Reading
from gateway.streams.rtsp_out_rtp import CANONICAL_NAME

REPORT_EVERY = 5.0
"""Seconds (RFC 3550, 6.2)."""
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
        self._source = secrets.randbits(32)
        self._expected = self._received = 0
        self._report_at = self._loop.time() + REPORT_EVERY
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
        if now >= self._report_at:
            self._report_at = now + REPORT_EVERY
            self._report(now)

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

    def _report(self, now: float) -> None:
        """A receiver report (RFC 3550, 6.4.2): that somebody is there, and how much is lost. The jitter is not told."""
        arrivals = self._reading.arrivals[self._kind]
        if self._reports_to is None or arrivals.source is None:
            return
        packet = bytes(RtcpRrPacket(self._source, [self._info(arrivals, now)]))
        packet += bytes(RtcpSdesPacket([RtcpSourceInfo(self._source, [(1, CANONICAL_NAME)])]))
        with contextlib.suppress(OSError):
            self._rtcp.sendto(packet, (self._camera, self._reports_to))

    def _info(self, arrivals: Arrivals, now: float) -> RtcpReceiverInfo:
        expected, received = arrivals.expected - self._expected, arrivals.received_of_source - self._received
        self._expected, self._received = arrivals.expected, arrivals.received_of_source
        fraction = min(255, max(0, expected - received) * 256 // expected) if expected > 0 else 0
        missing = max(0, min(0x7FFFFF, arrivals.expected - arrivals.received_of_source))
        heard = self._reading.reports.get(self._kind)
        since = round((now - heard.at) * 65536) if heard is not None and heard.source == arrivals.source else 0
        return RtcpReceiverInfo(
            ssrc=arrivals.source or 0, fraction_lost=fraction, packets_lost=missing,
            highest_sequence=arrivals.highest & 0xFFFFFFFF, jitter=0, lsr=heard.middle if heard and since else 0,
            dlsr=min(since, 0xFFFFFFFF),
        )  # fmt: skip


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
