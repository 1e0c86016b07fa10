"""RTP packets of a publisher back into encoded frames, without decoding. Pure: time comes by argument.

aiortc's own jitter buffer gives a frame out only when the next one begins and searches from its origin for each packet;
this one goes by the marker bit, costs the same for each packet, and asks for a keyframe soon after a loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.streams.access_unit import read_access_unit
from gateway.streams.aiortc_seams import IncomingPacket

GAP_WAIT = 0.2
"""Seconds a missing packet may take to be retransmitted."""
MOST_PENDING = 512
MOST_FRAME_BYTES = 4_000_000
_START_CODES = (b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x27", b"\x00\x00\x00\x01\x09", b"\x00\x00\x00\x01\x47")


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """``timestamp`` in the codec's clock, unwrapped."""

    data: bytes
    timestamp: int
    keyframe: bool


class Unwrapped:
    """Extends a counter of ``bits`` bits that wraps around."""

    def __init__(self, bits: int) -> None:
        self._span = 1 << bits
        self._last: int | None = None

    def __call__(self, value: int) -> int:
        if self._last is None:
            self._last = value
            return value
        step = (value - self._last + self._span // 2) % self._span - self._span // 2
        extended = self._last + step
        self._last = max(self._last, extended)
        return extended


@dataclass(slots=True)
class _Picture:
    timestamp: int
    damaged: bool = False
    size: int = 0
    parts: list[bytes] = field(default_factory=list)


class VideoAssembly:
    """``wants_keyframe`` stands until a keyframe came; ``lost`` counts packets given up, ``skipped`` frames."""

    def __init__(self) -> None:
        self._sequence = Unwrapped(16)
        self._timestamp = Unwrapped(32)
        self._expected: int | None = None
        self._pending: dict[int, IncomingPacket] = {}
        self._gap_since: float | None = None
        self._picture: _Picture | None = None
        self._after_loss = False
        self.wants_keyframe = True
        self.lost = 0
        self.skipped = 0

    def add(self, packet: IncomingPacket, now: float) -> list[AssembledFrame]:
        """Frames completed by this packet, in order; none before the first keyframe or between a loss and the next."""
        number = self._sequence(packet.sequence_number)
        if self._expected is None:
            self._expected = number
        if number < self._expected:
            return []
        self._pending[number] = packet
        frames = self._drain(self._expected)
        if not self._pending:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = now
        elif now - self._gap_since > GAP_WAIT or len(self._pending) > MOST_PENDING:
            frames += self._give_up(self._expected)
            self._gap_since = now if self._pending else None
        return frames

    def _drain(self, expected: int) -> list[AssembledFrame]:
        frames: list[AssembledFrame] = []
        while (packet := self._pending.pop(expected, None)) is not None:
            expected += 1
            self._take(packet, frames)
        self._expected = expected
        return frames

    def _give_up(self, expected: int) -> list[AssembledFrame]:
        first = min(self._pending)
        self.lost += first - expected
        self._picture = None
        self._after_loss = True
        self.wants_keyframe = True
        return self._drain(first)

    def _take(self, packet: IncomingPacket, frames: list[AssembledFrame]) -> None:
        timestamp = self._timestamp(packet.timestamp)
        if self._picture is not None and self._picture.timestamp != timestamp:
            self._finish(frames)
        if self._picture is None:
            begins = not self._after_loss or packet.data.startswith(_START_CODES)
            self._picture = _Picture(timestamp, damaged=not begins)
            self._after_loss = False
        picture = self._picture
        picture.size += len(packet.data)
        if picture.size > MOST_FRAME_BYTES:
            picture.damaged = True
            picture.parts.clear()
        elif packet.data:
            picture.parts.append(packet.data)
        if packet.marker:
            self._finish(frames)

    def _finish(self, frames: list[AssembledFrame]) -> None:
        picture, self._picture = self._picture, None
        if picture is None or not picture.size:
            return
        data = b"".join(picture.parts)
        unit = read_access_unit(data)
        keyframe = unit.keyframe and unit.starts_with_parameters
        if picture.damaged or (self.wants_keyframe and not keyframe):
            self.wants_keyframe = True
            self.skipped += 1
            return
        if keyframe:
            self.wants_keyframe = False
        frames.append(AssembledFrame(data, picture.timestamp, keyframe))


class SoundAssembly:
    """Audio packets in the order of their numbers; what comes late is left out and counted."""

    def __init__(self) -> None:
        self._sequence = Unwrapped(16)
        self._timestamp = Unwrapped(32)
        self._last = -1
        self.late = 0

    def add(self, packet: IncomingPacket) -> AssembledFrame | None:
        number = self._sequence(packet.sequence_number)
        if number <= self._last:
            self.late += 1
            return None
        self._last = number
        if not packet.data:
            return None
        return AssembledFrame(packet.data, self._timestamp(packet.timestamp), True)
