"""Footage is prepared once, in a form that can be repeated without a seam."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from gateway.refusals import Refusal
from gateway.virtual import ClipFootage, RenderedFootage, prepare_footage
from tests.gateway.film_parts import A_QUARTER_RIGHT, to_be_turned


def a_film(path: Path, seconds: float, fps: int = 20, size: tuple[int, int] = (64, 48)) -> Path:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = size
        for number in range(int(seconds * fps)):
            picture = np.full((size[1], size[0], 3), number * 5 % 255, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


async def test_each_access_unit_is_indexed_and_a_keyframe_comes_every_two_seconds(tmp_path: Path) -> None:
    wanted = RenderedFootage("stall", seconds=6.0, fps=5, size=(320, 180), hazard_from=1.0, full_after=1.0)
    prepared = (await prepare_footage([wanted], tmp_path))[wanted]
    facts = json.loads(prepared.index.read_text())
    assert [number for number, frame in enumerate(facts["frames"]) if frame[2]] == [0, 10, 20]
    assert facts["loop_from"] == 10
    assert (prepared.frames, prepared.seconds) == (30, 6.0)
    data = prepared.stream.read_bytes()
    assert sum(size for _, size, *_ in facts["frames"]) == len(data)
    assert all(data[offset:].startswith(b"\x00\x00") for offset, *_ in facts["frames"])
    assert prepared.poster.read_bytes().startswith(b"\xff\xd8")


async def test_the_stream_has_no_picture_that_waits_for_a_later_one(tmp_path: Path, small: RenderedFootage) -> None:
    prepared = (await prepare_footage([small], tmp_path))[small]
    with av.open(str(prepared.stream), format="h264") as film:
        kinds = {PictureType(frame.pict_type).name for frame in film.decode(video=0)}
    assert kinds == {"I", "P"}


async def test_footage_is_encoded_once(tmp_path: Path, small: RenderedFootage) -> None:
    first = (await prepare_footage([small, small], tmp_path))[small]
    written = first.stream.stat().st_mtime_ns
    second = (await prepare_footage([small], tmp_path))[small]
    assert (second, second.stream.stat().st_mtime_ns) == (first, written)
    assert len(await asyncio.to_thread(lambda: list(tmp_path.glob("*.h264")))) == 1


async def test_progress_ends_at_the_whole(tmp_path: Path, small: RenderedFootage) -> None:
    told: list[tuple[str, float]] = []
    await prepare_footage([small], tmp_path, lambda name, share: told.append((name, share)))
    assert told[0] == ("quiet-7", 0.0)
    assert told[-1] == ("quiet-7", 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)


async def test_a_clip_is_played_at_its_own_speed(tmp_path: Path) -> None:
    clip = ClipFootage(a_film(tmp_path / "clip.mp4", 3.0, fps=20), max_fps=10)
    prepared = (await prepare_footage([clip], tmp_path))[clip]
    assert prepared.fps == 10
    assert prepared.seconds == pytest.approx(3.0, abs=0.2)


async def test_a_clip_on_its_side_is_shown_upright(tmp_path: Path) -> None:
    path = a_film(tmp_path / "clip.mp4", 1.0)
    with av.open(str(path)) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (64, 48)
    clip = ClipFootage(to_be_turned(path, A_QUARTER_RIGHT))
    prepared = (await prepare_footage([clip], tmp_path))[clip]
    assert (prepared.width, prepared.height) == (48, 64)
    with av.open(str(prepared.stream), format="h264") as shown:
        assert {(frame.width, frame.height) for frame in shown.decode(video=0)} == {(48, 64)}


async def test_a_clip_is_cut_at_its_longest(tmp_path: Path) -> None:
    clip = ClipFootage(a_film(tmp_path / "clip.mp4", 3.0), max_seconds=1.0)
    prepared = (await prepare_footage([clip], tmp_path))[clip]
    assert prepared.seconds == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("content", [None, b"no film at all"])
async def test_a_clip_that_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal) as refused:
        await prepare_footage([ClipFootage(path)], tmp_path / "cache")
    assert refused.value.reason == "footage_unreadable"
    assert "broken.mp4" in refused.value.zh


def test_footage_that_ends_before_its_loop_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="loop"):
        _ = RenderedFootage("fire", seconds=10, hazard_from=8, full_after=4).loop_from
