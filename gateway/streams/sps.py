"""What a sequence parameter set says of its pictures' size (ITU-T H.264, 7.3.2.1.1; ITU-T H.265, 7.3.2.2). Pure.

Decoding a keyframe would tell the same, and hold up the event loop for 20 ms at each camera that begins.
"""

from __future__ import annotations

from gateway.streams import nal
from gateway.streams.nal import ParameterSets

_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EMULATED = b"\x00\x00\x03"
LARGEST = 16_384
"""Of a side: level 6.2 of both codecs ends there (ITU-T H.264, A.3.1; H.265, A.4.1)."""


class _Malformed(Exception):
    pass


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise _Malformed
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Exp-Golomb (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise _Malformed
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def size_in(parameters: ParameterSets) -> tuple[int, int]:
    """Width and height as they are shown; (0, 0) where the set makes no sense."""
    h264 = parameters.codec == "h264"
    sets = parameters.of_kind(nal.H264_SPS if h264 else nal.HEVC_SPS)
    if not sets:
        return 0, 0
    bits = _Bits(sets[-1][1 if h264 else 2 : 512].replace(_EMULATED, b"\x00\x00"))
    try:
        width, height = _h264(bits) if h264 else _hevc(bits)
    except _Malformed:
        return 0, 0
    return (width, height) if 0 < width <= LARGEST and 0 < height <= LARGEST else (0, 0)


def _h264(bits: _Bits) -> tuple[int, int]:
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    chroma = 1
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        lists = 12 if chroma == 3 else 8
        if chroma == 3 and bits.take(1):
            chroma = 0  # three planes, each coded as if it were grey
        bits.ue()
        bits.ue()
        bits.take(1)
        if bits.take(1):
            for number in range(lists):
                if bits.take(1):
                    _scaling_list(bits, 16 if number < 6 else 64)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(255, bits.ue())):
            bits.se()
    bits.ue()
    bits.take(1)
    width, map_units = 16 * (bits.ue() + 1), bits.ue() + 1
    frames_only = bits.take(1)
    height = 16 * map_units * (2 - frames_only)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    if not bits.take(1):
        return width, height
    left, right, top, bottom = (bits.ue() for _ in range(4))
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * (2 - frames_only)
    return width - across * (left + right), height - down * (top + bottom)


def _scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _hevc(bits: _Bits) -> tuple[int, int]:
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1)
    bits.take(88 + 8)  # general profile, tier and level
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    width, height = bits.ue(), bits.ue()
    if not bits.take(1):
        return width, height
    left, right, top, bottom = (bits.ue() for _ in range(4))
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
    return width - across * (left + right), height - down * (top + bottom)
