"""From RTP payloads to NAL units: H.264 (RFC 6184) and H.265 (RFC 7798). Pure.

Of H.264 the packets of non-interleaved and single-unit mode are known, of H.265 all but PACI. What a payload says
wrongly of itself makes the units around it ``damaged``; nothing that comes raises but a kind of packet that cannot be
taken at all.
"""

from __future__ import annotations

from gateway.streams import nal
from gateway.streams.frame import VideoCodec

_STAP_A, _FU_A = 24, 28
_H264_REFUSED = frozenset({25, 26, 27, 29})
"""STAP-B, MTAP16, MTAP24, FU-B: of the interleaved mode, which no camera is known to use."""
_AP, _FU, _PACI = 48, 49, 50
_FILLER = {"h264": 12, "hevc": 38}
_START = b"\x00\x00\x01"
_PARAMETERS_END = 1024
"""Parameter sets and SEI are shorter; some cameras put several into one packet, with start codes between them."""
_BEGINS, _ENDS = 0x80, 0x40


class PacketisationUnsupported(Exception):
    """The camera sends packets of a kind that is not understood (RFC 6184, 5.2; RFC 7798, 4.4), or units in another
    order than they are decoded in."""


class Depacketiser:
    """One for each connection. ``decoding_order_numbers``: ``sprop-max-don-diff`` is above 0, so DONL fields are there
    (RFC 7798, 4.4). They are held against the order in which units come: where that is another, it is refused."""

    def __init__(self, codec: VideoCodec, *, decoding_order_numbers: bool = False) -> None:
        self._codec: VideoCodec = codec
        self._header = 1 if codec == "h264" else 2
        self._skip = 2 if decoding_order_numbers else 0
        self._fragments: list[bytes] = []
        self._number: int | None = None
        self.damaged = False

    def take(self, data: memoryview, begin: int, end: int) -> list[bytes]:
        """The units that are whole with this payload. Raises ``PacketisationUnsupported``."""
        if end - begin <= self._header:
            self.damaged = self.damaged or end > begin
            return []
        if self._codec == "h264":
            kind = data[begin] & 0x1F
            if kind == _FU_A:
                return self._fragment(data, begin, end, data[begin + 1], data[begin] & 0xE0 | data[begin + 1] & 0x1F)
            if kind == _STAP_A:
                return self._aggregate(data, begin + 1, end)
            if kind in _H264_REFUSED:
                raise PacketisationUnsupported
        else:
            kind = data[begin] >> 1 & 0x3F
            if kind == _FU:
                flags = data[begin + 2]
                return self._fragment(data, begin, end, flags, data[begin] & 0x81 | (flags & 0x3F) << 1)
            if kind == _AP:
                return self._aggregate(data, begin + 2, end)
            if kind == _PACI:
                raise PacketisationUnsupported
        return self.flush() + self._single(data, begin, end)

    def goes_on(self, data: memoryview, begin: int, end: int) -> bool:
        """Whether the payload is neither first nor last of the fragments that are being put together; then it is taken.
        ``take`` would do the same: nine packets of ten are such, and this is their shortest way."""
        at = begin + self._header
        if not self._fragments or end - at < 2 or data[at] & (_BEGINS | _ENDS):
            return False
        kind = data[begin] & 0x1F if at == begin + 1 else data[begin] >> 1 & 0x3F
        if kind != (_FU_A if at == begin + 1 else _FU):
            return False
        self._fragments.append(bytes(data[at + 1 : end]))
        return True

    def flush(self) -> list[bytes]:
        """The unit that never said it ended: nothing of it is missing, some cameras forget the bit."""
        fragments, self._fragments = self._fragments, []
        return self._kept(b"".join(fragments)) if fragments else []

    def lost(self) -> None:
        """A packet is missing: the unit that it belonged to cannot be whole."""
        self._fragments = []
        self._number = None  # another source may have begun

    def _fragment(self, data: memoryview, begin: int, end: int, flags: int, first: int) -> list[bytes]:
        at = begin + self._header + 1
        done: list[bytes] = []
        if flags & _BEGINS:
            done = self.flush()
            self._in_order(data, at, end)
            head = bytes([first]) if self._header == 1 else bytes([first, data[begin + 1]])
            self._fragments = [head, bytes(data[at + self._skip : end])]
        elif self._fragments:
            self._fragments.append(bytes(data[at:end]))
        else:
            self.damaged = True
            return []
        if flags & _ENDS:
            done += self.flush()
        return done

    def _aggregate(self, data: memoryview, at: int, end: int) -> list[bytes]:
        units = self.flush()
        skip = self._skip
        self._in_order(data, at, end)
        while at + skip + 2 < end:
            at += skip
            size = int.from_bytes(data[at : at + 2])
            at += 2
            if at + size > end:
                self.damaged = True
                break
            if size > 0:
                units += self._kept(bytes(data[at : at + size]))
            at += size
            skip = min(1, self._skip)  # DOND stands where the first has DONL
        return units

    def _single(self, data: memoryview, begin: int, end: int) -> list[bytes]:
        if self._skip:
            self._in_order(data, begin + 2, end)
            return self._kept(bytes(data[begin : begin + 2]) + bytes(data[begin + 2 + self._skip : end]))
        unit = bytes(data[begin:end])
        if unit[0] == 0 or (len(unit) < _PARAMETERS_END and _START in unit):
            return [one for part in nal.nal_units(_START + unit) for one in self._kept(part)]
        return self._kept(unit)

    def _in_order(self, data: memoryview, at: int, end: int) -> None:
        """Holds a DONL against the one before (RFC 7798, 6): numbers wrap, and those further back than half of them are
        ahead. DOND fields only count on. Raises ``PacketisationUnsupported``."""
        if not self._skip or end - at < self._skip:
            return
        before, self._number = self._number, int.from_bytes(data[at : at + 2])
        if before is not None and (self._number - before) & 0xFFFF >= 0x8000:
            raise PacketisationUnsupported

    def _kept(self, unit: bytes) -> list[bytes]:
        """Filler data says nothing to anybody (ITU-T H.264, 7.4.2.7)."""
        if len(unit) <= self._header or nal.nal_type(self._codec, unit) == _FILLER[self._codec]:
            return []
        return [unit]
