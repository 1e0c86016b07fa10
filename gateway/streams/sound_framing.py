"""A camera's sound on its way from RTP to the bus: which of it is taken, cut into its packets, and with what times.

G.711 and Opus are a packet each (RFC 3551, 4.5.14; RFC 7587, 4.2); AAC comes with a header for each access unit, and
in parts where one is too large (RFC 3640, 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.rtp_packet import Unwrapped
from gateway.streams.source_time import CLOCK_RATE, SourceTime

MOST_BYTES = 4096
"""Of one packet: half a second of G.711; AAC and Opus stay below 1536 (ISO/IEC 14496-3, RFC 6716)."""
SAMPLES_OF_AAC = 1024
_MOST_UNITS = 32


@dataclass(frozen=True, slots=True)
class AacHeaders:
    """Bits of each field of the headers before AAC's access units: their size, and how many are left out (RFC 3640,
    3.2.1). AAC-hbr has 13, 3, 3; AAC-lbr 6, 2, 2."""

    size: int
    index: int
    index_delta: int


class SoundFraming:
    """One for each connection; ``clock_rate`` of the frames is 90000, as that of pictures."""

    def __init__(self, audio: AudioFormat, clock_rate: int, headers: AacHeaders | None = None) -> None:
        self._codec = audio.codec
        self._clock_rate = clock_rate
        self._headers = headers
        self._unwrapped = Unwrapped()
        self._times = SourceTime()
        self._part = b""
        self._part_of = 0

    def frames(
        self, data: memoryview, begin: int, end: int, timestamp: int, arrival: float, epoch: int
    ) -> list[EncodedFrame]:
        """What one RTP payload holds; nothing where it holds nothing, or more than sound."""
        ticks = self._unwrapped.of(timestamp)
        if self._headers is None:
            sounds = [bytes(data[begin:end])] if 0 < end - begin <= MOST_BYTES else []
        else:
            sounds = self._units(bytes(data[begin:end]), self._headers)
        made = []
        for number, sound in enumerate(sounds):
            raw = (ticks + number * SAMPLES_OF_AAC) * CLOCK_RATE // self._clock_rate
            stamp = self._times.stamp(raw, None, arrival)
            made.append(EncodedFrame("audio", self._codec, sound, stamp.pts, CLOCK_RATE, arrival, False, epoch))
        return made

    def lost(self) -> None:
        """A packet is missing: what came in parts cannot be whole."""
        self._part = b""

    def _units(self, payload: bytes, headers: AacHeaders) -> list[bytes]:
        bits = int.from_bytes(payload[:2])
        at = 2 + (bits + 7) // 8
        if len(payload) <= at:
            return []
        header_bits = int.from_bytes(payload[2:at]) >> (-bits % 8)
        sizes: list[int] = []
        left = bits
        while left > 0 and len(sizes) < _MOST_UNITS:
            left -= headers.size + (headers.index_delta if sizes else headers.index)
            if left < 0:
                return []
            index_bits = headers.index_delta if len(sizes) else headers.index
            sizes.append(header_bits >> (left + index_bits) & (1 << headers.size) - 1)
        if len(sizes) == 1 and sizes[0] > len(payload) - at:
            return self._joined(payload[at:], sizes[0])
        self._part = b""
        units = []
        for size in sizes:
            if not 0 < size <= min(MOST_BYTES, len(payload) - at):
                break
            units.append(payload[at : at + size])
            at += size
        return units

    def _joined(self, part: bytes, size: int) -> list[bytes]:
        """One access unit in several packets, each of which tells the size of the whole."""
        if size > MOST_BYTES:
            return []
        before = self._part if self._part_of == size else b""
        self._part, self._part_of = before + part, size
        if len(self._part) < size:
            return []
        whole, self._part = self._part[:size], b""
        return [whole]
