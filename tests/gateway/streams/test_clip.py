"""Evidence clips: copied, playable however they ended, with their true bounds."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.streams import nal
from gateway.streams.clip import ClipWriter
from gateway.streams.frame import EncodedFrame, VideoCodec

FPS, GOP, BEGUN = 10, 10, 1_900_000_000.0


def stream(codec: VideoCodec, frames: int, *, b_frames: bool = False) -> list[EncodedFrame]:
    """Noise in motion, encoded for real; arrivals follow the frame rate."""
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    depth = 2 if b_frames else 0
    shared = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes={depth}:b-adapt=0:open-gop=0:repeat-headers=1:annexb=1"
    encoder.options = (
        {"x264-params": shared} if codec == "h264" else {"x265-params": shared + ":log-level=0", "preset": "ultrafast"}
    )
    noise = np.random.default_rng(5).integers(0, 255, (120, 160, 3), np.uint8)
    packets = []
    for number in range(frames):
        picture = av.VideoFrame.from_ndarray(np.roll(noise, number * 3, axis=1), "bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    ticks = 90_000 // FPS
    return [
        EncodedFrame(
            "video", codec, bytes(packet), (packet.dts or 0) * ticks, 90_000, BEGUN + number / FPS, packet.is_keyframe,
            0, 160, 120, ((packet.pts or 0) - (packet.dts or 0)) * ticks,
        )
        for number, packet in enumerate(packets)
    ]  # fmt: skip


def written(path: Path, frames: list[EncodedFrame]) -> ClipWriter:
    writer = ClipWriter(path)
    for begin in range(0, len(frames), 7):
        writer.write(frames[begin : begin + 7])
    return writer


def decoded(path: Path) -> int:
    """Pictures that FFmpeg decodes, with not one complaint."""
    asked = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == ""
    with av.open(str(path), "r") as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", False), ("h264", True), ("hevc", False), ("hevc", True)])
def test_a_clip_holds_every_picture_in_the_tag_that_browsers_know(
    tmp_path: Path, codec: VideoCodec, b_frames: bool
) -> None:
    frames = stream(codec, 40, b_frames=b_frames)
    clip = written(tmp_path / "clip.mp4", frames).close()
    assert clip is not None
    assert decoded(clip.path) == 40
    with av.open(str(clip.path), "r") as container:
        assert container.streams.video[0].codec_context.codec_tag == ("avc1" if codec == "h264" else "hvc1")
        assert container.duration == pytest.approx(4_000_000, abs=250_000)
    assert (clip.starts_at, clip.ends_at) == (BEGUN, frames[-1].arrival)
    assert not clip.partial
    assert clip.sha256 == hashlib.sha256(clip.path.read_bytes()).hexdigest()
    assert clip.size == clip.path.stat().st_size


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", False), ("h264", True), ("hevc", False), ("hevc", True)])
def test_every_unit_is_copied_bit_by_bit(tmp_path: Path, codec: VideoCodec, b_frames: bool) -> None:
    frames = stream(codec, 20, b_frames=b_frames)
    clip = written(tmp_path / "clip.mp4", frames).close()
    assert clip is not None
    with av.open(str(clip.path), "r") as container:
        # From length-prefixed units back to start codes: what is left must be what came.
        annexb = av.BitStreamFilterContext(f"{codec}_mp4toannexb", container.streams.video[0])
        copied = [bytes(out) for packet in container.demux(video=0) for out in annexb.filter(packet) if out.size]
    for frame, packet in zip(frames, copied, strict=True):
        assert _pictures(codec, packet) == _pictures(codec, frame.data)


def _pictures(codec: VideoCodec, data: bytes) -> list[bytes]:
    return [unit for unit in nal.nal_units(data) if not nal.is_parameter_set(codec, unit)]


@pytest.mark.parametrize("b_frames", [False, True])
def test_pictures_are_shown_from_zero_on_at_the_times_they_had(tmp_path: Path, b_frames: bool) -> None:
    frames = stream("h264", 20, b_frames=b_frames)
    clip = written(tmp_path / "clip.mp4", frames).close()
    assert clip is not None
    with av.open(str(clip.path), "r") as container:
        times = [round(float(picture.time or 0), 3) for picture in container.decode(video=0)]
    assert times == [number / FPS for number in range(20)]


def test_pictures_shown_before_they_seemed_decoded_keep_their_times(
    tmp_path: Path, bframes_film: list[EncodedFrame]
) -> None:
    """Sources that tell no decoding times: the order of arrival stands for them, and B-frames come too late for it."""
    assert min(frame.composition_offset for frame in bframes_film) < 0
    clip = written(tmp_path / "clip.mp4", bframes_film).close()
    assert clip is not None
    with av.open(str(clip.path), "r") as container:
        times = [round(float(picture.time or 0), 3) for picture in container.decode(video=0)]
    assert times == [number / 25 for number in range(len(bframes_film))]


def test_two_pictures_with_one_time_both_stay(tmp_path: Path) -> None:
    frames = stream("h264", 20)
    frames[5] = replace(frames[5], pts=frames[4].pts)
    clip = written(tmp_path / "clip.mp4", frames).close()
    assert clip is not None
    with av.open(str(clip.path), "r") as container:
        assert sum(1 for _ in container.decode(video=0)) == 20


def test_the_index_stands_in_front_so_that_browsers_can_seek(tmp_path: Path) -> None:
    clip = written(tmp_path / "clip.mp4", stream("h264", 30)).close()
    assert clip is not None
    data = clip.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data


def test_a_clip_begins_at_its_first_keyframe(tmp_path: Path) -> None:
    frames = stream("h264", 30)[4:]
    clip = written(tmp_path / "clip.mp4", frames).close()
    assert clip is not None
    assert clip.starts_at == BEGUN + GOP / FPS
    assert decoded(clip.path) == 20


def test_without_a_frame_there_is_no_clip(tmp_path: Path) -> None:
    assert written(tmp_path / "clip.mp4", stream("h264", 9)[1:]).close() is None


def test_a_reconnection_ends_the_clip_as_a_partial_one(tmp_path: Path) -> None:
    frames = stream("h264", 30)
    later = [replace(frame, epoch=1) for frame in frames[20:]]
    writer = written(tmp_path / "clip.mp4", frames[:20] + later)
    assert writer.closed_early
    clip = writer.close()
    assert clip is not None
    assert clip.partial
    assert clip.ends_at == frames[19].arrival
    assert decoded(clip.path) == 20


def test_a_clip_never_outgrows_its_bound(tmp_path: Path) -> None:
    writer = ClipWriter(tmp_path / "clip.mp4", max_bytes=30_000)
    writer.write(stream("h264", 60))
    assert writer.closed_early
    clip = writer.close()
    assert clip is not None
    assert clip.partial
    assert clip.size < 60_000
