"""Reads what must be known of an H.264 access unit in order to forward it: is it a keyframe, has it B slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

NAL_SLICE, NAL_IDR, NAL_SPS = 1, 5, 7
_HEAD_OF_NAL = 16
_START = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """``starts_with_parameters``: an SPS comes first, so that a decoder can begin here without more."""

    keyframe: bool
    b_slice: bool
    starts_with_parameters: bool


def read_access_unit(data: bytes) -> AccessUnit:
    """Look at an Annex-B access unit up to its first slice (ITU-T H.264, 7.3.1 and 7.3.3)."""
    parameters = False
    for position in _nal_units(data):
        kind = data[position] & 0x1F
        if kind == NAL_SPS:
            parameters = True
        elif kind == NAL_IDR:
            return AccessUnit(True, False, parameters)
        elif kind == NAL_SLICE:
            return AccessUnit(False, _slice_type(data[position + 1 : position + _HEAD_OF_NAL]) == 1, parameters)
    return AccessUnit(False, False, parameters)


def _nal_units(data: bytes) -> Iterator[int]:
    position = data.find(_START)
    while 0 <= position < len(data) - 3:
        yield position + 3
        position = data.find(_START, position + 3)


def _slice_type(head: bytes) -> int:
    """``slice_type`` modulo 5 (1 is B), the second ue(v) of a slice header."""
    bits = "".join(f"{byte:08b}" for byte in head)
    at = 0
    value = -1
    for _ in range(2):
        one = bits.find("1", at)
        if one < 0:
            return -1
        zeros = one - at
        value = int(bits[one : one + zeros + 1], 2) - 1
        at = one + zeros + 1
    return value % 5
