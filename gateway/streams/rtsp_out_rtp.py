"""The RTP and RTCP packets of one reader (RFC 3550), framed for the RTSP connection (RFC 2326, 10.12). Pure."""

from __future__ import annotations

import struct

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

    def __init__(self, first: int, live_from: float = float("-inf")) -> None:
        self._now = first
        self._live_from = live_from
        self._last: EncodedFrame | None = None

    def of(self, frame: EncodedFrame) -> int:
        """When the frame is shown, in ticks of 1/90000 s that are not yet cut to 32 bits."""
        drawn_together = DRAWN_TOGETHER if frame.arrival < self._live_from else 1
        last, self._last = self._last, frame
        if last is not None and last.epoch == frame.epoch:
            self._now += (_ticks(frame.pts, frame) - _ticks(last.pts, last)) // drawn_together
        elif last is not None:
            self._now += max(1, round((frame.arrival - last.arrival) * CLOCK_RATE / drawn_together))
        return self._now + _ticks(frame.composition_offset, frame) // drawn_together

    def at(self, wall_clock: float) -> int | None:
        """The tick that belongs to a time (seconds since the epoch); None before the first frame."""
        if self._last is None:
            return None
        return self._now + round((wall_clock - self._last.arrival) * CLOCK_RATE)


def _ticks(count: int, frame: EncodedFrame) -> int:
    return count * CLOCK_RATE // frame.clock_rate


class RtpStream:
    """One reader's video. ``first_sequence`` and ``first_timestamp`` are those of its first packet."""

    def __init__(
        self, source: int, first_sequence: int, first_timestamp: int, rtp_channel: int, rtcp_channel: int
    ) -> None:
        self.source = source
        self.first_sequence = first_sequence
        self.first_timestamp = first_timestamp
        self._sequence = first_sequence
        self._timeline = RtpTimeline(first_timestamp)
        self._rtp_channel = rtp_channel
        self._rtcp_channel = rtcp_channel
        self._packets = self._octets = 0

    def live_from(self, wall_clock: float) -> None:
        """Frames that arrived before are the past, see ``RtpTimeline``. Before the first frame only."""
        self._timeline = RtpTimeline(self.first_timestamp, wall_clock)

    def frame(self, frame: EncodedFrame, payloads: list[bytes]) -> bytes:
        """The packets of one frame, ready to be written; the marker is on the last (RFC 6184, 5.1)."""
        timestamp = self._timeline.of(frame) % _MODULUS
        written: list[bytes] = []
        for number, payload in enumerate(payloads, 1):
            marked = PAYLOAD_TYPE | (0x80 if number == len(payloads) else 0)
            written.append(
                struct.pack(
                    "!cBHBBHII", b"$", self._rtp_channel, 12 + len(payload),
                    0x80, marked, self._sequence, timestamp, self.source,
                )
            )  # fmt: skip
            written.append(payload)
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._octets += len(payload)
        self._packets += len(payloads)
        return b"".join(written)

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
        return self._control(report + self._description())

    def goodbye(self) -> bytes:
        """There is no more to come (RFC 3550, 6.6); a compound packet begins with a report, if an empty one."""
        empty = struct.pack("!BBHI", 0x80, 201, 1, self.source)
        return self._control(empty + self._description() + struct.pack("!BBHI", 0x81, 203, 1, self.source))

    def _description(self) -> bytes:
        items = struct.pack("!IBB", self.source, 1, len(CANONICAL_NAME)) + CANONICAL_NAME
        items += b"\x00" * (4 - len(items) % 4)
        return struct.pack("!BBH", 0x81, 202, len(items) // 4) + items

    def _control(self, packet: bytes) -> bytes:
        return struct.pack("!cBH", b"$", self._rtcp_channel, len(packet)) + packet
