"""RTP packets of a publisher back into encoded frames, without decoding. Pure: time comes by argument.

aiortc's own jitter buffer gives a frame out only when the next one begins and searches from its origin for each packet;
this one goes by the marker bit, costs the same for each packet, and asks for a keyframe soon after a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.streams import vp8
from gateway.streams.access_unit import read_access_unit
from gateway.streams.aiortc_seams import IncomingPacket

GAP_WAIT = 0.2
"""Seconds a missing packet may take to be retransmitted."""
ASK_AGAIN = 0.045
"""Seconds after which it is asked for again: four times within the wait."""
MOST_ASKED = 64
"""Packets asked for at once; of a longer gap the rest is not waited for, a keyframe is cheaper."""
MOST_PENDING = 512
MOST_FRAME_BYTES = 4_000_000
_START_CODES = (b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x27", b"\x00\x00\x00\x01\x09", b"\x00\x00\x00\x01\x47")


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """``timestamp`` in the codec's clock, unwrapped."""

    data: bytes
    timestamp: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class PictureForm:
    """How frames of a codec are known: by the packet with which one ``begins``, and whether one is a ``keyframe`` with
    which a decoder can start."""

    begins: Callable[[IncomingPacket], bool]
    keyframe: Callable[[bytes], bool]


def _h264_keyframe(data: bytes) -> bool:
    unit = read_access_unit(data)
    return unit.keyframe and unit.starts_with_parameters


H264 = PictureForm(lambda packet: packet.data.startswith(_START_CODES), _h264_keyframe)
VP8 = PictureForm(lambda packet: packet.begins, lambda data: vp8.keyframe_size(data) is not None)


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


@dataclass(frozen=True, slots=True)
class _Pending:
    """A packet that came before its turn, and when."""

    packet: IncomingPacket
    at: float


class VideoAssembly:
    """``wants_keyframe`` stands until a keyframe came; ``lost`` counts packets given up, ``skipped`` frames."""

    def __init__(self, form: PictureForm = H264) -> None:
        self._form = form
        self._sequence = Unwrapped(16)
        self._timestamp = Unwrapped(32)
        self._expected: int | None = None
        self._pending: dict[int, _Pending] = {}
        self._gap_since: float | None = None
        self._asked_at = float("-inf")
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
        self._pending[number] = _Pending(packet, now)
        before = self._expected
        frames = self._drain(before)
        if self._gap_since is None or self._expected != before:
            since = self._pending[min(self._pending)].at if self._pending else None
            if since != self._gap_since:
                self._gap_since, self._asked_at = since, float("-inf")
        if self._gap_since is not None:
            frames += self.overdue(now)
        return frames

    @property
    def waits(self) -> bool:
        """Whether a packet is missing: ``overdue`` and ``missing`` want to be asked from time to time."""
        return self._gap_since is not None

    def overdue(self, now: float) -> list[AssembledFrame]:
        """Give up what has been missing for too long; frames that can be used without it."""
        if self._gap_since is None or self._expected is None:
            return []
        if now - self._gap_since <= GAP_WAIT and len(self._pending) <= MOST_PENDING:
            return []
        frames: list[AssembledFrame] = []
        while self._gap_since is not None and (now - self._gap_since > GAP_WAIT or len(self._pending) > MOST_PENDING):
            frames += self._give_up(self._expected)
            self._gap_since = self._pending[min(self._pending)].at if self._pending else None
        self._asked_at = float("-inf")
        return frames

    def missing(self, now: float) -> list[int]:
        """Sequence numbers (16 bits) to be asked for again now; none if that has just been done."""
        if self._gap_since is None or self._expected is None or now - self._asked_at < ASK_AGAIN:
            return []
        self._asked_at = now
        newest = max(self._pending)
        gaps = [number & 0xFFFF for number in range(self._expected, newest) if number not in self._pending]
        return gaps[:MOST_ASKED]

    def _drain(self, expected: int) -> list[AssembledFrame]:
        frames: list[AssembledFrame] = []
        while (pending := self._pending.pop(expected, None)) is not None:
            expected += 1
            self._take(pending.packet, frames)
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
            begins = not self._after_loss or self._form.begins(packet)
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
        keyframe = self._form.keyframe(data)
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
