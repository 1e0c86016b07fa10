"""From an access unit to RTP payloads: H.264 after RFC 6184 (single NAL unit, STAP-A, FU-A), H.265 after RFC 7798.

Parameter sets and other small units that stand together travel in one packet; what is too large is cut in fragments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.streams import nal
from gateway.streams.frame import EncodedFrame, VideoCodec

LARGEST = 1400
"""Bytes of a payload. Over TCP it could be more, but readers hand packets on to networks with an MTU of 1500."""

_STAP_A, _FU_A = 24, 28
_AGGREGATION, _FRAGMENTATION = 48, 49
_FIRST_OF_RTP = {"h264": _STAP_A, "hevc": _AGGREGATION}
_START, _END = 0x80, 0x40


def payloads(codec: VideoCodec, data: bytes, largest: int = LARGEST, *, slices_together: bool = False) -> list[bytes]:
    """The payloads of one Annex-B access unit, in order. ``slices_together``: slices that fit one packet share it, too.

    Left out are units that hold nothing, and those whose type RTP has given a meaning of its own.
    """
    header = 1 if codec == "h264" else 2
    fragments = _h264_fragments if codec == "h264" else _hevc_fragments
    aggregated = _stap_a if codec == "h264" else _aggregation
    made: list[bytes] = []
    together: list[bytes] = []
    for unit in nal.nal_units(data):
        if len(unit) <= header or nal.nal_type(codec, unit) >= _FIRST_OF_RTP[codec]:
            continue
        small = slices_together or not nal.is_slice(codec, unit)
        if together and (not small or _size([*together, unit], header) > largest):
            made.append(_together(together, aggregated))
            together = []
        if len(unit) > largest:
            made += fragments(unit, largest)
        elif small and _size([unit], header) <= largest:
            together.append(unit)
        else:
            made.append(unit)
    if together:
        made.append(_together(together, aggregated))
    return made


class SharedPayloads:
    """Packetises each frame once for all readers; ``kept`` frames of together ``kept_bytes`` are remembered."""

    def __init__(self, kept: int = 128, kept_bytes: int = 16 * 1024 * 1024) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._payloads: OrderedDict[int, _Made] = OrderedDict()

    def of(self, frame: EncodedFrame) -> list[bytes]:
        held = self._payloads.get(id(frame))
        if held is not None and held.frame is frame:
            return held.payloads
        made = payloads("h264" if frame.codec == "h264" else "hevc", frame.data)
        self._payloads[id(frame)] = _Made(frame, made)
        self._bytes += len(frame.data)
        while len(self._payloads) > self._kept or self._bytes > self._kept_bytes:
            _, gone = self._payloads.popitem(last=False)
            self._bytes -= len(gone.frame.data)
        return made


@dataclass(frozen=True, slots=True)
class _Made:
    # The frame is held with its payloads, so that its id stays its own.
    frame: EncodedFrame
    payloads: list[bytes]


def _size(units: list[bytes], header: int) -> int:
    return header + sum(2 + len(unit) for unit in units)


def _together(units: list[bytes], aggregated: Callable[[list[bytes]], bytes]) -> bytes:
    return units[0] if len(units) == 1 else aggregated(units)


def _counted(units: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _stap_a(units: list[bytes]) -> bytes:
    """RFC 6184, 5.7.1: F is the OR of the units' F bits, NRI the highest of theirs."""
    forbidden = max(unit[0] & 0x80 for unit in units)
    importance = max(unit[0] & 0x60 for unit in units)
    return bytes([forbidden | importance | _STAP_A]) + _counted(units)


def _aggregation(units: list[bytes]) -> bytes:
    """RFC 7798, 4.4.2: the lowest LayerId and TID of the units."""
    layer = min((unit[0] & 1) << 5 | unit[1] >> 3 for unit in units)
    temporal = min(unit[1] & 0x07 for unit in units)
    return bytes([_AGGREGATION << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal]) + _counted(units)


def _h264_fragments(unit: bytes, largest: int) -> list[bytes]:
    """RFC 6184, 5.8."""
    indicator = bytes([unit[0] & 0xE0 | _FU_A])
    return [indicator + part for part in _parts(unit[1:], largest - 2, unit[0] & 0x1F)]


def _hevc_fragments(unit: bytes, largest: int) -> list[bytes]:
    """RFC 7798, 4.4.3."""
    header = bytes([unit[0] & 0x81 | _FRAGMENTATION << 1, unit[1]])
    return [header + part for part in _parts(unit[2:], largest - 3, unit[0] >> 1 & 0x3F)]


def _parts(body: bytes, size: int, kind: int) -> list[bytes]:
    parts = []
    for at in range(0, len(body), size):
        flags = (_START if at == 0 else 0) | (_END if at + size >= len(body) else 0)
        parts.append(bytes([flags | kind]) + body[at : at + size])
    return parts
