"""RTP packets as they come (RFC 3550, 5.1): their headers, what is missing between them, and times without a wrap."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD = struct.Struct("!BBHII")
PLAIN = 0x80
"""The first byte of a header that is nothing but a header."""
_VERSION = 2
LATEST = 1024
"""Packets by which one may come late. A sequence number further back is that of a stream begun anew."""
RTCP_TYPES = range(192, 224)
"""The second byte of RTCP; as RTP it would be a marker and one of the types that RFC 3551 (6) keeps free for that."""


class RtpPacket(NamedTuple):
    """``begin`` and ``end`` are where its payload lies in what was read; ``timestamp`` has 32 bits."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    source: int
    begin: int
    end: int


def read_packet(data: memoryview, begin: int, end: int) -> RtpPacket | None:
    """The packet between ``begin`` and ``end``; None where there is none. Contributors, extension and padding are left
    out; what cameras write into the padding's length is taken for none where it makes no sense."""
    if end - begin < HEAD.size:
        return None
    first, second, sequence, timestamp, source = HEAD.unpack_from(data, begin)
    at = begin + HEAD.size
    if first != PLAIN:
        if first >> 6 != _VERSION:
            return None
        at += 4 * (first & 0x0F)
        if first & 0x10:
            at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
        if at > end:
            return None
        if first & 0x20 and 0 < data[end - 1] <= end - at:
            end -= data[end - 1]
    return RtpPacket(second & 0x7F, second >= 0x80, sequence, timestamp, source, at, end)


class Arrivals:
    """What came of one track, and what did not. ``expected`` and ``lost`` count packets, sources before included."""

    def __init__(self) -> None:
        self.source: int | None = None
        self.lost = 0
        self.highest = 0
        self._first = 0
        self._received_before = 0
        self.received = 0

    def came(self, sequence: int, source: int) -> int | None:
        """How many packets are missing before this one; None for one that came twice or too late.

        A track that goes on as another source, or far back, begins anew: what is missing in between nobody knows, so it
        is one.
        """
        step = (sequence - self.highest) & 0xFFFF
        if source != self.source or 0x8000 <= step < 0x1_0000 - LATEST:
            begun = self.source is not None
            self.source, self._first, self.highest = source, sequence, sequence
            self._received_before = self.received
            self.received += 1
            self.lost += begun
            return int(begun)
        if step == 1:
            self.highest += 1
            self.received += 1
            return 0
        if step == 0 or step >= 0x8000:
            return None
        self.highest += step
        self.received += 1
        self.lost += step - 1
        return step - 1

    @property
    def expected(self) -> int:
        """Of the present source."""
        return self.highest - self._first + 1 if self.source is not None else 0

    @property
    def received_of_source(self) -> int:
        return self.received - self._received_before


class Unwrapped:
    """Timestamps without the wrap of their 32 bits: each is the one nearest to that before."""

    def __init__(self) -> None:
        self._last: int | None = None

    def of(self, timestamp: int) -> int:
        if self._last is None:
            self._last = timestamp
        else:
            step = (timestamp - self._last) & 0xFFFFFFFF
            self._last += step - 0x1_0000_0000 if step >= 0x8000_0000 else step
        return self._last
