"""One medium of one WebRTC viewer on its way out: RTP headers, pacing, retransmission (RFC 3550, RFC 4588).

aiortc builds, encrypts and sends each packet by itself, in 24 µs. Here the payloads are those that all viewers share, a
burst is written and encrypted in one buffer, and it leaves in one system call: 3 µs a packet (measured). What fits the
pace leaves where it is published, without a turn of the event loop for each viewer (``AtOnce``).
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

BURST_BYTES = 48 * 1024
"""At once: a receiver's socket takes some 90 packets (208 KiB by default) while its owner does something else."""
BYTES_PER_SECOND = 6_000_000
"""Beyond a burst: large keyframes and the cached group of pictures are spread, or they would be lost in that socket."""
PACKETS_KEPT = 2048
"""For retransmission: a keyframe of 2.6 MB does not push its own first packets out before a NACK can come."""
TOLD_EVERY = 0.25
"""Seconds between two tellings of what was sent: sender reports go out every half second at the most."""
RESENT_PER_SECOND, RESENT_AT_ONCE = 500, 500
"""A viewer that asks for more has no line for the stream; it gets a keyframe instead."""

_FIXED = "!BBHII"
_VERSION, _EXTENSION, _MARKER = 0x80, 0x10, 0x80
_SEQUENCES = 1 << 16
_TIMES = 1 << 32


@dataclass(frozen=True, slots=True)
class OutgoingFrame:
    """RTP payloads of one encoded frame, and its timestamp in the codec's clock (any origin, any size). ``codec``: its
    name, where several were agreed; None: the first of them."""

    payloads: Sequence[bytes]
    timestamp: int
    codec: str | None = None


class Line(Protocol):
    """Where packets go: encrypted, to the peer. Raises ``ConnectionError`` when it is over."""

    def send(self, packets: Sequence[tuple[bytes, bytes]]) -> int:
        """Header and payload of each packet; answers how many the system did not take."""


class AtOnce(Protocol):
    """Sends without waiting what may leave without waiting."""

    def room_for(self, size: int) -> bool:
        """Whether ``size`` bytes may leave now; then they count as gone, and ``frame_now`` follows."""

    def frame_now(self, payloads: Sequence[bytes], timestamp: int, codec: str | None = None) -> None:
        """As ``OutgoingFrame`` says. Never raises: a line that is over has no room from then on."""


@dataclass(frozen=True, slots=True)
class RtpNumbers:
    """What was agreed: ``extension`` is the whole header extension (RFC 8285) or empty; ``resent_as``: SSRC and payload
    type of retransmissions, None where lost packets are sent again as they were. ``payload_types`` by codec, and
    ``resent_types`` by payload type: of those beside the first."""

    source: int
    payload_type: int
    extension: bytes = b""
    resent_as: tuple[int, int] | None = None
    payload_types: Mapping[str, int] = field(default_factory=dict)
    resent_types: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class SentSoFar:
    """Totals; ``lost``: packets that this system's own queue did not take. ``timestamp``: of the last frame."""

    packets: int = 0
    octets: int = 0
    resent: int = 0
    lost: int = 0
    timestamp: int = 0


class Pace:
    """A token bucket: ``burst`` at once, ``rate`` a second. Pure."""

    def __init__(self, now: float, burst: float = BURST_BYTES, rate: float = BYTES_PER_SECOND) -> None:
        self._burst = burst
        self._rate = rate
        self._free_at = now - burst / rate

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait before ``size`` bytes may leave, which then count as gone."""
        begins = max(self._free_at, now - self._burst / self._rate)
        self._free_at = begins + size / self._rate
        return max(0.0, self._free_at - now)

    def allows(self, size: int, now: float) -> bool:
        """Whether ``size`` may leave at once; then it counts as gone."""
        begins = max(self._free_at, now - self._burst / self._rate)
        if begins + size / self._rate > now:
            return False
        self._free_at = begins + size / self._rate
        return True


class RtpSending:
    """``clock`` counts seconds from anywhere. ``on_sent`` hears of the totals from time to time."""

    def __init__(
        self,
        line: Line,
        numbers: RtpNumbers,
        clock: Callable[[], float],
        on_sent: Callable[[SentSoFar], None] | None = None,
    ) -> None:
        self._line = line
        self._numbers = numbers
        self._clock = clock
        self._on_sent = on_sent
        self._told_at = float("-inf")
        self._over = False
        self._first_byte = _VERSION | (_EXTENSION if numbers.extension else 0)
        self._header = struct.Struct(f"{_FIXED}{len(numbers.extension)}s")
        # In the lower half: Chromium loses the roll-over counter of a sequence that wraps at once (RFC 3711, 3.3.1).
        self._sequence = secrets.randbelow(1 << 15)
        self._resent_sequence = secrets.randbelow(1 << 15)
        self._origin = secrets.randbits(32)
        self._kept: list[tuple[int, int, int, bytes] | None] = [None] * PACKETS_KEPT
        self._pace = Pace(clock())
        self._resending = Pace(clock(), RESENT_AT_ONCE, RESENT_PER_SECOND)
        self.sent = SentSoFar()

    async def frame(self, frame: OutgoingFrame) -> None:
        """Send a frame; a large one in bursts."""
        timestamp = self.sent.timestamp = (self._origin + frame.timestamp) % _TIMES
        payloads = frame.payloads
        payload_type = self._numbers.payload_types.get(frame.codec or "", self._numbers.payload_type)
        begin, size = 0, 0
        for end, payload in enumerate(payloads, 1):
            size += len(payload)
            if size < BURST_BYTES and end < len(payloads):
                continue
            wait = self._pace.wait(size, self._clock())
            if wait > 0:
                await asyncio.sleep(wait)
            self._burst(payloads[begin:end], timestamp, payload_type, last=end == len(payloads))
            begin, size = end, 0
        self._tell(self._clock())

    def room_for(self, size: int) -> bool:
        """See ``AtOnce``."""
        if self._over or size >= BURST_BYTES:
            return False
        now = self._clock()
        if now - self._told_at >= TOLD_EVERY:
            self._tell(now)
        return self._pace.allows(size, now)

    def frame_now(self, payloads: Sequence[bytes], timestamp: int, codec: str | None = None) -> None:
        """See ``AtOnce``."""
        payload_type = self._numbers.payload_types.get(codec or "", self._numbers.payload_type)
        timestamp = self.sent.timestamp = (self._origin + timestamp) % _TIMES
        try:
            self._burst(payloads, timestamp, payload_type, last=True)
        except ConnectionError:
            self._over = True

    def again(self, sequence: int) -> None:
        """Send a packet again that the peer did not get; nothing where it is gone, or where it asks for too many."""
        kept = self._kept[sequence % PACKETS_KEPT]
        if kept is None or kept[0] != sequence or not self._resending.allows(1, self._clock()):
            return
        _, second_byte, timestamp, payload = kept
        source = self._numbers.source
        if self._numbers.resent_as is not None:
            source, payload_type = self._numbers.resent_as
            payload_type = self._numbers.resent_types.get(second_byte & ~_MARKER, payload_type)
            payload = sequence.to_bytes(2, "big") + payload
            second_byte = second_byte & _MARKER | payload_type
            sequence, self._resent_sequence = self._resent_sequence, (self._resent_sequence + 1) % _SEQUENCES
        header = self._header.pack(self._first_byte, second_byte, sequence, timestamp, source, self._numbers.extension)
        self.sent.resent += 1
        self.sent.lost += self._line.send([(header, payload)])

    def _burst(self, payloads: Sequence[bytes], timestamp: int, payload_type: int, *, last: bool) -> None:
        first_byte, extension, source = self._first_byte, self._numbers.extension, self._numbers.source
        second_byte, sequence, kept = payload_type, self._sequence, self._kept
        left, size, pack = len(payloads), 0, self._header.pack
        packets = []
        for payload in payloads:
            left -= 1
            size += len(payload)
            if last and not left:
                second_byte |= _MARKER
            packets.append((pack(first_byte, second_byte, sequence, timestamp, source, extension), payload))
            kept[sequence % PACKETS_KEPT] = (sequence, second_byte, timestamp, payload)
            sequence = (sequence + 1) % _SEQUENCES
        self._sequence = sequence
        sent = self.sent
        sent.packets += len(packets)
        sent.octets += size
        lost = self._line.send(packets)
        if lost:
            sent.lost += lost

    def _tell(self, now: float) -> None:
        if self._on_sent is not None:
            self._told_at = now
            self._on_sent(self.sent)
