"""What the first packets of a stream tell, and that broken ones tell nothing."""

from __future__ import annotations

import pytest

from camera_registry.errors import CameraRefused
from camera_registry.stream_look import StreamLook

SPS, PPS, IDR, P, B = b"\x67\x42", b"\x68\xce", b"\x65\x88\x80", b"\x41\x9a\x00", b"\x01\xa8\x00"
"""``88``: first_mb 0, slice_type 7 (I); ``9a``: 0, 5 (P); ``a8``: 0, 1 (B)."""


def rtp(timestamp: int, payload: bytes) -> bytes:
    return b"\x80\x60\x00\x00" + (timestamp & 0xFFFFFFFF).to_bytes(4) + b"\x00\x00\x00\x01" + payload


def seen(*packets: tuple[int, bytes], encoding: str = "H264", sdp: str = "") -> StreamLook:
    look = StreamLook(encoding, sdp)
    for timestamp, payload in packets:
        look.packet(rtp(timestamp, payload))
    return look


def stap(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(unit).to_bytes(2) + unit for unit in units)


def test_parameter_sets_are_seen_where_they_come_from() -> None:
    sdp = "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0IA,aM4=;profile-level-id=42001f\r\n"
    keyframe = (0, stap(SPS, PPS, IDR))
    assert seen(keyframe).parameter_sets == "in_band"
    assert seen(keyframe, sdp=sdp).parameter_sets == "both"
    assert seen((0, IDR), sdp=sdp).parameter_sets == "sdp"
    assert seen((0, IDR)).parameter_sets == "missing"
    assert seen((0, P)).parameter_sets == ""


def test_b_frames_are_told_by_their_slices_and_by_their_order() -> None:
    assert not seen((0, IDR), (3000, P), (6000, P)).b_frames
    assert seen((0, IDR), (3000, P), (6000, B)).b_frames
    assert seen((0, b"\x26\x01x"), (9000, b"\x02\x01x"), (3000, b"\x02\x01x"), encoding="H265").b_frames
    assert not seen((0xFFFFF000, IDR), (500, P), (3500, P)).b_frames  # the timestamps wrapped around


def test_a_keyframe_in_fragments_is_one() -> None:
    look = seen((0, SPS), (0, PPS), (0, b"\x7c\x85" + IDR[1:]), (0, b"\x7c\x45\x00"))
    assert (look.keyframes, look.pictures, look.parameter_sets) == (1, 1, "in_band")
    h265 = seen(
        (0, b"\x40\x01x"), (0, b"\x42\x01x"), (0, b"\x44\x01x"), (0, b"\x62\x01\x93x"), (0, b"\x62\x01\x53x"),
        encoding="H265",
    )  # fmt: skip
    assert (h265.keyframes, h265.parameter_sets) == (1, "in_band")


@pytest.mark.parametrize("payload", [b"", b"\x78", b"\x78\xff\xff\x01", b"\x7c", b"\x41", b"\x41\x00\x00\x00"])
def test_cut_short_units_do_no_harm(payload: bytes) -> None:
    assert not seen((0, payload)).b_frames


@pytest.mark.parametrize("packet", [b"", b"\x80" * 11, b"\x00" * 20])
def test_what_is_no_rtp_is_refused(packet: bytes) -> None:
    with pytest.raises(CameraRefused, match="stream_invalid"):
        StreamLook("H264").packet(packet)
