"""NAL units of H.264 (ITU-T H.264, 7.4.1) and H.265 (ITU-T H.265, 7.4.2): where they begin, what kind they are."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.streams.frame import VideoCodec

START_CODE = b"\x00\x00\x00\x01"
_START = b"\x00\x00\x01"

H264_IDR, H264_SEI, H264_SPS, H264_PPS, H264_AUD = 5, 6, 7, 8, 9
_RECOVERY_POINT = 6
H264_PROFILES = tuple(bytes([profile]) for profile in (66, 77, 88, 100, 110, 122, 244))
HEVC_FIRST_IRAP, HEVC_LAST_IRAP = 16, 21
HEVC_VPS, HEVC_SPS, HEVC_PPS, HEVC_AUD = 32, 33, 34, 35
_PARAMETERS = {"h264": (H264_SPS, H264_PPS), "hevc": (HEVC_VPS, HEVC_SPS, HEVC_PPS)}
_DELIMITER = {"h264": H264_AUD, "hevc": HEVC_AUD}


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of an Annex-B byte stream, without start codes and the zeros between them."""
    begins = data.find(_START)
    units = []
    while begins >= 0:
        begins += 3
        ends = data.find(_START, begins)
        unit = data[begins : ends if ends >= 0 else len(data)].rstrip(b"\x00")
        if unit:
            units.append(unit)
        begins = ends
    return units


def annexb(units: list[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def nal_type(codec: VideoCodec, unit: bytes) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def is_slice(codec: VideoCodec, unit: bytes) -> bool:
    """Whether the unit carries a part of a picture (VCL)."""
    kind = nal_type(codec, unit)
    return 1 <= kind <= H264_IDR if codec == "h264" else kind < HEVC_VPS


def is_random_access(codec: VideoCodec, unit: bytes) -> bool:
    """Whether the unit is a slice at which a decoder may begin (IDR, IRAP)."""
    kind = nal_type(codec, unit)
    return kind == H264_IDR if codec == "h264" else HEVC_FIRST_IRAP <= kind <= HEVC_LAST_IRAP


def begins_picture(codec: VideoCodec, unit: bytes) -> bool:
    """Whether a slice is the first of its picture: ``first_mb_in_slice`` is 0, ``first_slice_segment_in_pic_flag`` 1.

    Both are the first bit after the NAL header: ue(v) codes 0 as a single 1.
    """
    header = 1 if codec == "h264" else 2
    return len(unit) > header and bool(unit[header] & 0x80)


def is_parameter_set(codec: VideoCodec, unit: bytes) -> bool:
    return nal_type(codec, unit) in _PARAMETERS[codec]


def tells_other_codec(codec: VideoCodec, unit: bytes) -> bool:
    """Whether the unit is a parameter set of the other codec: a VPS where H.264 should be, an SPS where H.265 should.

    Neither is possible in the codec itself: type 0 of H.264 and types 48 to 63 of H.265 are left unspecified.
    """
    if codec == "h264":
        return unit[:2] == b"\x40\x01"
    return unit[0] in (0x27, 0x47, 0x67) and unit[1:2] in H264_PROFILES


def is_recovery_point(unit: bytes) -> bool:
    """Whether the unit is an SEI of H.264 that holds a recovery point message (7.3.2.3.1 and D.1.8)."""
    if unit[0] & 0x1F != H264_SEI:
        return False
    at, last = 1, len(unit) - 1
    while at < last:
        kind, at = _sei_number(unit, at)
        size, at = _sei_number(unit, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _sei_number(unit: bytes, at: int) -> tuple[int, int]:
    """255 for each byte FF, and the byte behind them."""
    number = 0
    while at < len(unit) and unit[at] == 0xFF:
        number, at = number + 255, at + 1
    return (number + unit[at] if at < len(unit) else number), at + 1


def is_delimiter(codec: VideoCodec, unit: bytes) -> bool:
    return nal_type(codec, unit) == _DELIMITER[codec]


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder needs before its first slice: [VPS,] SPS, PPS, in this order, each kind in the order it came."""

    codec: VideoCodec
    units: tuple[bytes, ...]

    @classmethod
    def found_in(cls, codec: VideoCodec, units: list[bytes]) -> ParameterSets:
        found = dict.fromkeys(unit for unit in units if is_parameter_set(codec, unit))
        return cls(codec, tuple(sorted(found, key=lambda unit: nal_type(codec, unit))))

    @property
    def complete(self) -> bool:
        """Whether every kind is there."""
        return {nal_type(self.codec, unit) for unit in self.units} == set(_PARAMETERS[self.codec])

    def of_kind(self, kind: int) -> tuple[bytes, ...]:
        return tuple(unit for unit in self.units if nal_type(self.codec, unit) == kind)
