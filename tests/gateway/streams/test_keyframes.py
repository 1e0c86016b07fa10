"""Real keyframes become pictures; what is no picture is refused, and nothing is decoded that would fill the memory."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gateway.streams.decoding import decode_last
from gateway.streams.frame import EncodedFrame, VideoCodec
from gateway.streams.keyframes import PictureUnreadable, decode_keyframe, jpeg, smaller
from gateway.streams.nal import annexb


def keyframe(frames: list[EncodedFrame], number: int = 1) -> EncodedFrame:
    return [frame for frame in frames if frame.keyframe][number]


@pytest.mark.parametrize("name", ["film", "h265_film", "bframes_film"])
def test_a_keyframe_in_mid_stream_is_decoded_alone(name: str, request: pytest.FixtureRequest) -> None:
    frames: list[EncodedFrame] = request.getfixturevalue(name)
    picture = decode_keyframe(keyframe(frames))
    assert (picture.shape, picture.dtype) == ((180, 320, 3), np.dtype(np.uint8))
    # Frame 25: the bar stands from column 100 to 119.
    assert picture[:, 102:118].mean() > 200
    assert picture[:, :95].mean() < 90


def refused(frame: EncodedFrame) -> PictureUnreadable:
    with pytest.raises(PictureUnreadable) as error:
        decode_keyframe(frame)
    return error.value


def test_what_is_no_keyframe_is_refused_in_words(film: list[EncodedFrame]) -> None:
    error = refused(film[1])
    assert error.reason == "not_a_keyframe"
    assert "关键帧" in error.zh
    assert "keyframe" in error.en


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"\xff" * 5000, b"\x00\x00\x00\x01\x65" + b"\x55" * 300])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_bytes_that_are_no_picture_are_damaged(film: list[EncodedFrame], codec: VideoCodec, data: bytes) -> None:
    assert refused(replace(film[0], codec=codec, data=data)).reason == "damaged"


def test_a_keyframe_without_its_slices_is_damaged(film: list[EncodedFrame]) -> None:
    assert refused(replace(film[0], data=film[0].data[:40])).reason == "damaged"


def test_a_frame_that_says_it_is_huge_is_not_decoded(film: list[EncodedFrame]) -> None:
    assert refused(replace(film[0], width=16384, height=8192)).reason == "too_large"


def sequence_of(width_in_blocks: int, height_in_blocks: int) -> bytes:
    """An SPS of the baseline profile (ITU-T H.264, 7.3.2.1.1) for pictures of so many 16 x 16 blocks."""

    def ue(value: int) -> str:
        binary = f"{value + 1:b}"
        return "0" * (len(binary) - 1) + binary

    bits = ue(0) + ue(0) + ue(2) + ue(1) + "0" + ue(width_in_blocks - 1) + ue(height_in_blocks - 1) + "1100" + "1"
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return b"\x67\x42\x00\x34" + body


def test_a_stream_that_hides_its_size_is_not_decoded_either(film: list[EncodedFrame]) -> None:
    def hidden(blocks: int) -> EncodedFrame:
        units = [sequence_of(blocks, blocks), b"\x68\xce\x38\x80", b"\x65\x88\x84" + b"\xd5" * 3000]
        return replace(film[0], data=annexb(units))

    modest = decode_last("h264", [hidden(20).data])
    assert modest is not None, "at a modest size the same bytes give a picture, if a damaged one"
    assert modest.width == 320
    assert decode_last("h264", [hidden(520).data]) is None
    assert (refused(hidden(20)).reason, refused(hidden(520)).reason) == ("damaged", "damaged")


def test_a_picture_is_made_smaller_within_both_bounds_and_never_larger() -> None:
    picture = np.zeros((1080, 1920, 3), np.uint8)
    assert smaller(picture, 640, 640).shape == (360, 640, 3)
    assert smaller(picture, 1920, 540).shape == (540, 960, 3)
    assert smaller(picture, 4000, 4000) is picture
    assert smaller(np.zeros((1, 5000, 3), np.uint8), 100, 100).shape == (1, 100, 3)


def test_making_smaller_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.all(smaller(stripes, 16, 16) == 100)


def test_a_jpeg_shows_the_same_picture(film: list[EncodedFrame]) -> None:
    picture = decode_keyframe(film[0])
    data = jpeg(picture)
    assert data.startswith(b"\xff\xd8\xff")
    assert len(jpeg(picture, 30)) < len(data)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert np.abs(shown.astype(int) - picture).mean() < 2
