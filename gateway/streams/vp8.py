"""VP8 in RTP (RFC 7741), and what must be known of a frame in order to forward it (RFC 6386, 9.1).

What is sent carries the one-byte descriptor alone, without picture numbers: the packets count themselves, and payloads
are the same for all viewers. A stream of several temporal layers is forwarded whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.codecs.vpx import VpxPayloadDescriptor

MOST_PIXELS = 4096 * 2304
"""A hostile stream may announce 16383 by 16383, which is 400 MB in each decoder."""
_BEGINS, _GOES_ON = b"\x10", b"\x00"
_START_CODE = b"\x9d\x01\x2a"
_HEAD = 10


@dataclass(frozen=True, slots=True)
class PictureSize:
    width: int
    height: int


def payloads(data: bytes, largest: int) -> list[bytes]:
    """The RTP payloads of one frame, in order."""
    size = largest - 1
    return [(_GOES_ON if at else _BEGINS) + data[at : at + size] for at in range(0, len(data), size)]


def begins(payload: bytes) -> bool:
    """Whether a frame begins with this payload (S set, partition 0)."""
    try:
        descriptor, _ = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        return False
    return descriptor.partition_start == 1 and descriptor.partition_id == 0


def keyframe_size(data: bytes) -> PictureSize | None:
    """Of a keyframe; None of any other frame, of nonsense, and of what is too large to be decoded."""
    if len(data) < _HEAD or data[0] & 1 or data[3:6] != _START_CODE:
        return None
    # The two uppermost bits of each say how a player should stretch it.
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return PictureSize(width, height) if 0 < width * height <= MOST_PIXELS else None
