"""The RTP and RTCP packets of one track of one reader (RFC 3550). Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.streams.frame import EncodedFrame
from gateway.streams.rtsp_out_sdp import CLOCK_RATE, PAYLOAD_TYPE

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
CANONICAL_NAME = b"gateway"
DRAWN_TOGETHER = 100
"""Two seconds of the past pass in 20 ms."""
_MODULUS = 1 << 32


class RtpTimeline:
    """RTP timestamps from the frames' ``pts``. Where a source began anew (another epoch) the two times have nothing to
    do with each other: there the time that really passed is counted.

    Frames that arrived before ``live_from`` (seconds since the epoch) are the past: their times are drawn together, so
    that a reader that keeps to them is not a group of pictures behind for as long as it reads.
    """

    def __init__(self, first: int, live_from: float = float("-inf"), clock_rate: int = CLOCK_RATE) -> None:
        self._now = first
        self._clock_rate = clock_rate
        self._live_from = live_from
        self._last: EncodedFrame | None = None

    def of(self, frame: EncodedFrame) -> int:
        """When the frame is shown, in ticks of the clock rate that are not yet cut to 32 bits."""
        drawn_together = DRAWN_TOGETHER if frame.arrival < self._live_from else 1
        last, self._last = self._last, frame
        if last is not None and last.epoch == frame.epoch:
            self._now += (self._ticks(frame.pts, frame) - self._ticks(last.pts, last)) // drawn_together
        elif last is not None:
            self._now += max(1, round((frame.arrival - last.arrival) * self._clock_rate / drawn_together))
        return self._now + self._ticks(frame.composition_offset, frame) // drawn_together

    def at(self, wall_clock: float) -> int | None:
        """The tick that belongs to a time (seconds since the epoch); None before the first frame."""
        if self._last is None:
            return None
        return self._now + round((wall_clock - self._last.arrival) * self._clock_rate)

    def _ticks(self, count: int, frame: EncodedFrame) -> int:
        return count * self._clock_rate // frame.clock_rate


@dataclass(frozen=True, slots=True)
class TrackFormat:
    """``marks``: the last packet of each frame has the marker bit (RFC 6184, 5.1; RFC 3640, 3.1)."""

    payload_type: int = PAYLOAD_TYPE
    clock_rate: int = CLOCK_RATE
    marks: bool = True


VIDEO = TrackFormat()


class RtpStream:
    """``first_sequence`` and ``first_timestamp`` are those of its first packet."""

    def __init__(self, source: int, first_sequence: int, first_timestamp: int, track: TrackFormat = VIDEO) -> None:
        self.source = source
        self.first_sequence = first_sequence
        self.first_timestamp = first_timestamp
        self._sequence = first_sequence
        self._track = track
        self._timeline = RtpTimeline(first_timestamp, clock_rate=track.clock_rate)
        self._packets = self._octets = 0

    def live_from(self, wall_clock: float) -> None:
        """Frames that arrived before are the past, see ``RtpTimeline``. Before the first frame only."""
        self._timeline = RtpTimeline(self.first_timestamp, wall_clock, self._track.clock_rate)

    def packets(self, frame: EncodedFrame, payloads: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Header and payload of each packet of one frame."""
        timestamp = self._timeline.of(frame) % _MODULUS
        made = []
        for number, payload in enumerate(payloads, 1):
            marker = 0x80 if self._track.marks and number == len(payloads) else 0
            second = self._track.payload_type | marker
            made.append((struct.pack("!BBHII", 0x80, second, self._sequence, timestamp, self.source), payload))
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._octets += len(payload)
        self._packets += len(payloads)
        return made

    def report(self, wall_clock: float) -> bytes:
        """A sender report: which RTP time belongs to which time of day (RFC 3550, 6.4.1). Empty before a frame."""
        tick = self._timeline.at(wall_clock)
        if tick is None:
            return b""
        seconds = int(wall_clock)
        fraction = int((wall_clock - seconds) * _MODULUS)
        report = struct.pack(
            "!BBHIIIIII", 0x80, 200, 6, self.source, (seconds + NTP_EPOCH) % _MODULUS, fraction, tick % _MODULUS,
            self._packets % _MODULUS, self._octets % _MODULUS,
        )  # fmt: skip
        return report + self._description()

    def goodbye(self) -> bytes:
        """There is no more to come (RFC 3550, 6.6); a compound packet begins with a report, if an empty one."""
        empty = struct.pack("!BBHI", 0x80, 201, 1, self.source)
        return empty + self._description() + struct.pack("!BBHI", 0x81, 203, 1, self.source)

    def _description(self) -> bytes:
        items = struct.pack("!IBB", self.source, 1, len(CANONICAL_NAME)) + CANONICAL_NAME
        items += b"\x00" * (4 - len(items) % 4)
        return struct.pack("!BBH", 0x81, 202, len(items) // 4) + items
