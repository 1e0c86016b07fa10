"""What is packetised can be put together again, to the byte, and no payload is larger than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.frame import EncodedFrame, VideoCodec
from gateway.streams.nal import annexb, nal_units
from gateway.streams.packetise import LARGEST, SharedPayloads, payloads

SPS, PPS, SEI = b"\x67\x42\x00\x1f", b"\x68\xce\x3c", b"\x06\x05\x01\x80"
VPS, HEVC_SPS, HEVC_PPS = b"\x40\x01\x0c", b"\x42\x01\x01\x01", b"\x44\x01\xc1"


def together_again(codec: VideoCodec, packets: list[bytes]) -> list[bytes]:
    """A depacketiser after the RFCs: it believes the headers only."""
    header = 1 if codec == "h264" else 2
    aggregation, fragmentation = (24, 28) if codec == "h264" else (48, 49)
    units: list[bytes] = []
    open_unit: bytes | None = None
    for packet in packets:
        kind = packet[0] & 0x1F if codec == "h264" else packet[0] >> 1 & 0x3F
        if kind == aggregation:
            rest = packet[header:]
            while rest:
                size = int.from_bytes(rest[:2], "big")
                units.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == fragmentation:
            mark, body = packet[header], packet[header + 1 :]
            if mark & 0x80:
                assert open_unit is None
                kind = mark & (0x1F if codec == "h264" else 0x3F)
                first = packet[0] & 0xE0 | kind if codec == "h264" else packet[0] & 0x81 | kind << 1
                open_unit = bytes([first]) + packet[1:header]
            assert open_unit is not None
            open_unit += body
            if mark & 0x40:
                units.append(open_unit)
                open_unit = None
        else:
            units.append(packet)
    assert open_unit is None
    return units


def test_parameter_sets_share_a_packet_and_slices_have_their_own() -> None:
    packets = payloads("h264", annexb([SPS, PPS, SEI, b"\x65" + b"\x11" * 50, b"\x65" + b"\x22" * 50]))
    assert [packet[0] & 0x1F for packet in packets] == [24, 5, 5]
    assert packets[0][0] & 0x60 == 0x60
    assert together_again("h264", packets)[:3] == [SPS, PPS, SEI]


def test_small_slices_share_a_packet_where_that_is_asked_for() -> None:
    units = [
        SPS,
        PPS,
        b"\x65" + b"\x11" * 50,
        b"\x65" + b"\x22" * 3000,
        b"\x41" + b"\x33" * 700,
        b"\x41" + b"\x44" * 700,
    ]
    packets = payloads("h264", annexb(units), slices_together=True)
    assert [packet[0] & 0x1F for packet in packets] == [24, 28, 28, 28, 1, 1]
    assert together_again("h264", packets) == units
    two = [b"\x41" + b"\x33" * 90, b"\x41" + b"\x44" * 90]
    (one,) = payloads("h264", annexb(two), slices_together=True)
    assert together_again("h264", [one]) == two


def test_the_same_for_h265() -> None:
    packets = payloads("hevc", annexb([VPS, HEVC_SPS, HEVC_PPS, b"\x26\x01" + b"\x11" * 5000]))
    assert [packet[0] >> 1 & 0x3F for packet in packets] == [48, 49, 49, 49, 49]
    assert packets[0][1] == 1, "layer 0, temporal identifier as its units have"
    assert together_again("hevc", packets)[:3] == [VPS, HEVC_SPS, HEVC_PPS]


@pytest.mark.parametrize("size", [LARGEST - 1, LARGEST, LARGEST + 1, 2 * LARGEST, 100_000])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_large_unit_is_cut_without_losing_a_byte(codec: VideoCodec, size: int) -> None:
    unit = (b"\x65\x88" if codec == "h264" else b"\x26\x01") + bytes(1 + at % 255 for at in range(size - 2))
    packets = payloads(codec, annexb([unit]))
    assert max(map(len, packets)) <= LARGEST
    assert (len(packets) == 1) == (size <= LARGEST)
    assert together_again(codec, packets) == [unit]


@given(
    st.sampled_from(["h264", "hevc"]),
    st.lists(st.tuples(st.integers(0, 23), st.binary(min_size=2, max_size=90)), max_size=12),
)
def test_any_units_come_out_as_they_were(codec: VideoCodec, parts: list[tuple[int, bytes]]) -> None:
    written = annexb(
        [bytes([kind | 0x60] if codec == "h264" else [kind << 1, 1]) + b"\x80" + body for kind, body in parts]
    )
    header = 1 if codec == "h264" else 2
    packets = payloads(codec, written, largest=40)
    assert all(len(packet) <= 40 for packet in packets)
    assert together_again(codec, packets) == [unit for unit in nal_units(written) if len(unit) > header]


def test_a_unit_that_would_pass_for_a_packet_of_rtp_is_left_out() -> None:
    assert payloads("h264", annexb([b"\x7c\x85\x11\x11", b"\x65\x88\x11"])) == [b"\x65\x88\x11"]
    assert payloads("hevc", annexb([b"\x62\x01\x91\x11", b"\x26\x01\x11"])) == [b"\x26\x01\x11"]


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=300))
def test_no_bytes_at_all_break_it(codec: VideoCodec, data: bytes) -> None:
    payloads(codec, data)
    payloads(codec, b"\x00\x00\x01" + data)


@pytest.mark.parametrize("name", ["film", "h265_film"])
def test_a_real_film_survives(name: str, request: pytest.FixtureRequest) -> None:
    frames: list[EncodedFrame] = request.getfixturevalue(name)
    shared = SharedPayloads(kept=2)
    for frame in frames:
        codec: VideoCodec = "h264" if frame.codec == "h264" else "hevc"
        assert together_again(codec, shared.of(frame)) == nal_units(frame.data)
        assert shared.of(frame) is shared.of(frame)


def test_what_is_remembered_is_bounded_in_bytes(film: list[EncodedFrame]) -> None:
    shared = SharedPayloads(kept_bytes=len(film[0].data) + len(film[1].data))
    first = shared.of(film[0])
    shared.of(film[1])
    assert shared.of(film[0]) is first
    shared.of(film[2])
    again = shared.of(film[0])
    assert again is not first
    assert again == first
    SharedPayloads(kept_bytes=1).of(film[0])
