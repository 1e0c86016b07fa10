"""What a camera is told of how its packets reach us: receiver reports (RFC 3550, 6.4.2). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSourceInfo

from gateway.streams.rtp_packet import Arrivals
from gateway.streams.rtsp_out_rtp import CANONICAL_NAME

REPORT_EVERY = 5.0
"""Seconds (RFC 3550, 6.2)."""
_MOST = 0xFFFFFFFF
_MOST_LOST = 0x7FFFFF
"""Of the 24 bits one is the sign."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The newest of a source: the middle of its NTP time, and when it came, in seconds of a clock that goes on
    (RFC 3550, 6.4.1)."""

    source: int
    middle: int
    at: float


class Jitter:
    """How unevenly the packets of one source come (RFC 3550, 6.4.1 and A.8). ``clock_rate``: its ticks a second."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._source: int | None = None
        self._transit = 0
        self._ticks = 0.0

    def came(self, source: int, timestamp: int, at: float) -> None:
        """A packet, in the order in which they came. ``at``: seconds of a clock that goes on."""
        before, self._transit = self._transit, (round(at * self._clock_rate) - timestamp) & _MOST
        if source != self._source:
            self._source, self._ticks = source, 0.0
            return
        step = (self._transit - before) & _MOST
        self._ticks += (min(step, _MOST + 1 - step) - self._ticks) / 16

    @property
    def ticks(self) -> int:
        """In units of the timestamps."""
        return int(self._ticks)


class ReceiverReports:
    """Those of one track. ``heard`` answers the newest report of its sender; ``own`` is our source number.

    ``jitter``: where it is known when each packet came. Over the RTSP connection it is not: what has come is read a few
    times a second; there 0 is told.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        heard: Callable[[], SenderReport | None],
        *,
        own: int,
        begun: float,
        jitter: Jitter | None = None,
    ) -> None:
        self._arrivals = arrivals
        self._heard = heard
        self._own = own
        self._jitter = jitter
        self._at = begun + REPORT_EVERY
        self._expected = self._received = 0

    def due(self, now: float) -> bytes | None:
        """The compound packet that is to be sent now, if one is; ``now`` and ``begun`` in seconds of one clock."""
        if now < self._at:
            return None
        self._at = now + REPORT_EVERY
        if self._arrivals.source is None:
            return None
        packet = bytes(RtcpRrPacket(self._own, [self._info(self._arrivals.source, now)]))
        return packet + bytes(RtcpSdesPacket([RtcpSourceInfo(self._own, [(1, CANONICAL_NAME)])]))

    def _info(self, source: int, now: float) -> RtcpReceiverInfo:
        arrivals = self._arrivals
        expected, received = arrivals.expected - self._expected, arrivals.received_of_source - self._received
        self._expected, self._received = arrivals.expected, arrivals.received_of_source
        fraction = min(255, max(0, expected - received) * 256 // expected) if expected > 0 else 0
        heard = self._heard()
        since = 0
        if heard is not None and heard.source == source:
            since = max(0, min(_MOST, round((now - heard.at) * 65536)))
        return RtcpReceiverInfo(
            ssrc=source,
            fraction_lost=fraction,
            packets_lost=max(0, min(_MOST_LOST, arrivals.expected - arrivals.received_of_source)),
            highest_sequence=arrivals.highest & _MOST,
            jitter=self._jitter.ticks if self._jitter is not None else 0,
            lsr=heard.middle if heard is not None and since else 0,
            dlsr=since,
        )
