"""VP8 in packets: whole frames come back, a keyframe is known by its head, and nothing from outside breaks it."""

from __future__ import annotations

from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams import vp8
from gateway.streams.vp8 import PictureSize


def keyframe(width: int, height: int) -> bytes:
    return b"\x50\xbd\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + bytes(40)


@given(st.binary(min_size=1, max_size=5000), st.integers(2, 1400))
def test_a_frame_comes_out_of_its_packets_as_it_went_in(data: bytes, largest: int) -> None:
    packets = vp8.payloads(data, largest)
    assert all(len(packet) <= largest for packet in packets)
    assert b"".join(VpxPayloadDescriptor.parse(packet)[1] for packet in packets) == data
    assert [vp8.begins(packet) for packet in packets] == [True] + [False] * (len(packets) - 1)


@given(st.binary(max_size=64))
def test_whatever_stands_there_is_read_without_an_error(data: bytes) -> None:
    vp8.begins(data)
    size = vp8.keyframe_size(data)
    assert size is None or size.width * size.height <= vp8.MOST_PIXELS


def test_a_keyframe_is_known_by_its_head_and_one_too_large_to_decode_is_none() -> None:
    assert vp8.keyframe_size(keyframe(640, 360)) == PictureSize(640, 360)
    assert vp8.keyframe_size(keyframe(640 | 1 << 14, 360)) == PictureSize(640, 360), "how to stretch it is not its size"
    assert vp8.keyframe_size(keyframe(16_383, 16_383)) is None
    assert vp8.keyframe_size(keyframe(640, 0)) is None
    assert vp8.keyframe_size(b"\x51" + keyframe(640, 360)[1:]) is None, "built upon the frame before"
    assert vp8.keyframe_size(keyframe(640, 360).replace(b"\x9d", b"\x9e")) is None


def test_a_frame_begins_with_its_first_partition_alone_however_the_packet_is_numbered() -> None:
    numbered = bytes(VpxPayloadDescriptor(1, 0, picture_id=17_000, tl0picidx=3, tid=(1, 0), keyidx=4))
    assert vp8.begins(numbered + b"data")
    assert not vp8.begins(bytes(VpxPayloadDescriptor(1, 1, picture_id=3)) + b"data")
    assert not vp8.begins(numbered[:3])
