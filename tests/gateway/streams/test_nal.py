"""NAL units are found whatever start codes and zeros stand between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams import nal
from gateway.streams.nal import ParameterSets

SPS, PPS, IDR, SLICE = b"\x67\x42\x00\x1f", b"\x68\xce\x3c", b"\x65\xb8\x01", b"\x41\x9a\x02"


def test_units_are_found_between_start_codes_of_three_and_four_bytes() -> None:
    data = b"\x00\x00\x00\x01" + SPS + b"\x00\x00\x01" + PPS + b"\x00\x00\x00\x00\x01" + IDR + b"\x00\x00"
    assert nal.nal_units(data) == [SPS, PPS, IDR]
    assert nal.nal_units(b"") == nal.nal_units(b"no start code") == nal.nal_units(b"\x00\x00\x01") == []


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda b: b"\x41" + b.replace(b"\x00", b"\x03"))))
def test_what_is_written_is_read_again(units: list[bytes]) -> None:
    assert nal.nal_units(nal.annexb(units)) == units


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reading(data: bytes) -> None:
    for unit in nal.nal_units(data):
        for codec in ("h264", "hevc"):
            nal.is_slice(codec, unit)
            nal.begins_picture(codec, unit)
            nal.is_random_access(codec, unit)


def test_slices_keyframes_and_first_slices_are_known_in_both_codecs() -> None:
    assert [nal.is_slice("h264", unit) for unit in (SPS, PPS, IDR, SLICE)] == [False, False, True, True]
    assert [nal.is_random_access("h264", unit) for unit in (IDR, SLICE)] == [True, False]
    assert nal.begins_picture("h264", IDR)
    assert not nal.begins_picture("h264", b"\x65\x40")
    assert not nal.begins_picture("h264", b"\x65")
    vps, cra, trailing = b"\x40\x01\x0c", b"\x2a\x01\x80", b"\x02\x01\x40"
    assert [nal.is_slice("hevc", unit) for unit in (vps, cra, trailing)] == [False, True, True]
    assert [nal.is_random_access("hevc", unit) for unit in (cra, trailing)] == [True, False]
    assert [nal.begins_picture("hevc", unit) for unit in (cra, trailing)] == [True, False]


def test_parameter_sets_are_complete_when_each_kind_is_there() -> None:
    found = ParameterSets.found_in("h264", [PPS, SPS, IDR, SPS])
    assert found.units == (SPS, PPS)
    assert found.complete
    assert found.of_kind(nal.H264_SPS) == (SPS,)
    assert not ParameterSets.found_in("h264", [SPS, IDR]).complete
    assert not ParameterSets.found_in("hevc", [b"\x42\x01", b"\x44\x01"]).complete
