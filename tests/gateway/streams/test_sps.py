"""The size of a picture is read from its parameter set as a decoder would tell it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.frame import VideoCodec
from gateway.streams.nal import ParameterSets, nal_units
from gateway.streams.sps import LARGEST, size_in
from tests.gateway.streams.conftest import read_film, write_film


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(320, 180), (352, 288), (640, 360), (1282, 722), (1920, 1080)])
def test_the_size_is_that_of_the_decoded_picture(tmp_path: Path, codec: VideoCodec, size: tuple[int, int]) -> None:
    write_film(tmp_path / "one.mkv", 1, codec=codec, width=size[0], height=size[1])
    frame = read_film(tmp_path / "one.mkv", codec=codec)[0]
    assert size_in(ParameterSets.found_in(codec, nal_units(frame.data))) == size


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=200))
def test_whatever_stands_there_a_size_is_told_within_bounds(codec: VideoCodec, data: bytes) -> None:
    head = b"\x67" if codec == "h264" else b"\x42\x01"
    width, height = size_in(ParameterSets(codec, (head + data,)))
    assert 0 <= width <= LARGEST
    assert 0 <= height <= LARGEST
