"""What the first pictures of a stream tell, from their RTP packets alone (RFC 6184, RFC 7798). Pure, without decoding.

Two things keep a browser from playing a stream that a player shows well: B-frames, which WebRTC does not take, and
parameter sets that come neither in the SDP nor before the keyframes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from camera_registry.errors import CameraRefused
from camera_registry.reasons import STREAM_INVALID

PICTURES = 8
"""Enough to see a B-frame: encoders put one to three of them between two others."""

ParameterSets = Literal["sdp", "in_band", "both", "missing", ""]
"""Where SPS and PPS come from; empty: no keyframe came while it was looked at, and the SDP has none."""

_SETS = {"H264": (frozenset({7, 8}), frozenset({5})), "H265": (frozenset({33, 34}), frozenset(range(16, 22)))}
"""Types of NAL units: the parameter sets needed, and the slices of a keyframe."""


@dataclass(slots=True)
class StreamLook:
    """Fed with RTP packets of one video; ``encoding`` ``H264`` or ``H265``, ``sdp`` as the camera described it."""

    encoding: str
    sdp: str = ""
    pictures: int = 0
    keyframes: int = 0
    b_frames: bool = False
    _timestamp: int | None = None
    _latest: int = 0
    _seen: frozenset[int] = frozenset()
    _in_band: bool = False

    def packet(self, data: bytes) -> None:
        """One RTP packet (RFC 3550). Raises ``stream_invalid`` for what is none."""
        payload, timestamp = _payload(data)
        if timestamp != self._timestamp:
            self.pictures += 1
            if self._timestamp is not None and _behind(timestamp, self._latest):
                self.b_frames = True  # shown before one that was sent earlier
            else:
                self._latest = timestamp
            self._timestamp = timestamp
        for kind, body in _units(self.encoding, payload):
            self._unit(kind, body)

    @property
    def enough(self) -> bool:
        """Whether nothing more is to be learnt by waiting a little longer."""
        return self.pictures >= PICTURES and (self.keyframes > 0 or self._in_sdp)

    @property
    def parameter_sets(self) -> ParameterSets:
        if self._in_sdp:
            return "both" if self._in_band else "sdp"
        if self._in_band:
            return "in_band"
        return "missing" if self.keyframes else ""

    @property
    def _in_sdp(self) -> bool:
        if self.encoding == "H264":
            return re.search(r"sprop-parameter-sets=[^;,\s]+,[^;\s]+", self.sdp) is not None
        return all(re.search(rf"sprop-{name}=[^;\s]+", self.sdp) for name in ("sps", "pps"))

    def _unit(self, kind: int, body: bytes) -> None:
        needed, keyframe = _SETS[self.encoding]
        if kind in needed:
            self._seen |= {kind}
        elif kind in keyframe:
            self.keyframes += 1
            self._in_band = self._in_band or needed <= self._seen
        if self.encoding == "H264" and kind in (1, 5) and _slice_type(body) % 5 == 1:
            self.b_frames = True


def _payload(data: bytes) -> tuple[bytes, int]:
    if len(data) < 12 or data[0] >> 6 != 2:
        raise CameraRefused(STREAM_INVALID, detail="not RTP")
    start = 12 + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data) - (data[-1] if data[0] & 0x20 else 0)
    return data[start:end], int.from_bytes(data[4:8])


def _behind(timestamp: int, latest: int) -> bool:
    return (timestamp - latest) & 0xFFFFFFFF > 0x7FFFFFFF


def _units(encoding: str, payload: bytes) -> list[tuple[int, bytes]]:
    """Type and body of each NAL unit that begins in this packet."""
    header = 1 if encoding == "H264" else 2
    if len(payload) <= header:
        return []
    kind = payload[0] & 0x1F if encoding == "H264" else payload[0] >> 1 & 0x3F
    if kind == (24 if encoding == "H264" else 48):  # STAP-A, AP
        return _aggregated(encoding, payload[header:])
    if kind == (28 if encoding == "H264" else 49):  # FU-A, FU: only the first piece tells what it is
        piece = payload[header]
        begun = piece & 0x1F if encoding == "H264" else piece & 0x3F
        return [(begun, payload[header + 1 :])] if piece & 0x80 else []
    return [(kind, payload[header:])]


def _aggregated(encoding: str, rest: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(rest) > 2:
        size = int.from_bytes(rest[:2])
        unit, rest = rest[2 : 2 + size], rest[2 + size :]
        if unit:
            kind = unit[0] & 0x1F if encoding == "H264" else unit[0] >> 1 & 0x3F
            found.append((kind, unit[1 if encoding == "H264" else 2 :]))
    return found


def _slice_type(body: bytes) -> int:
    """``slice_type`` of an H.264 slice header: after ``first_mb_in_slice``, both ue(v) (7.3.3, 9.1); 0 if cut short."""
    bits = "".join(f"{byte:08b}" for byte in body[:8])
    _, rest = _exp_golomb(bits)
    kind, _ = _exp_golomb(rest)
    return kind


def _exp_golomb(bits: str) -> tuple[int, str]:
    zeros = len(bits) - len(bits.lstrip("0"))
    if 2 * zeros + 1 > len(bits):
        return 0, ""
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1, bits[2 * zeros + 1 :]
