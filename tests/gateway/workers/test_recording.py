"""A clip of what was before the hazard and what came after, with no frame lost or doubled between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest
from worker_parts import BEGUN, FPS, film, until

from gateway.processes.active import ActiveMarks, InThread, active_in
from gateway.streams.bus import FrameBus, Start
from gateway.streams.clip import ClipWriter, ClosedClip
from gateway.streams.frame import EncodedFrame
from gateway.streams.ring import ClipRing
from gateway.workers.camera import recording
from gateway.workers.camera.recording import QUEUE, ClipRecording

FILM = film(60)


class Camera:
    """A bus with a ring, as a camera has them, fed by the test; its clock is the arrival of the newest frame."""

    def __init__(self) -> None:
        self.bus = FrameBus()
        self.ring = ClipRing(30)
        self.bus.tap(self.ring.add)
        self.now = BEGUN

    def send(self, frames: list[EncodedFrame]) -> None:
        for frame in frames:
            self.now = frame.arrival
            self.bus.publish(frame)

    def record(
        self, place: Callable[[], Path], since: float = 0.0, in_thread: InThread = asyncio.to_thread
    ) -> ClipRecording:
        held = self.ring.since(since)
        start: Start = "next_frame" if held else "next_keyframe"
        return ClipRecording(place, held, self.bus.subscribe("clip", QUEUE, start), lambda: self.now, in_thread)


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PATIENCE", 0.05)


async def closed(clip: ClipRecording) -> ClosedClip:
    async with asyncio.timeout(30):
        found = await clip.closed()
    assert found is not None
    return found


def copied(path: Path) -> list[bytes]:
    """The pictures in the clip, byte by byte as they came."""
    with av.open(str(path), "r") as container:
        annexb = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
        return [bytes(out) for packet in container.demux(video=0) for out in annexb.filter(packet) if out.size]


def slices(frames: list[bytes]) -> list[bytes]:
    """The last unit of each access unit: the picture itself, which is no other picture's."""
    return [data[data.rindex(b"\x00\x00\x01") + 3 :] for data in frames]


def expected(frames: list[EncodedFrame]) -> list[bytes]:
    return slices([frame.data for frame in frames])


async def test_what_the_ring_held_and_what_came_after_meet_without_a_frame_lost_or_doubled(
    camera: Camera, tmp_path: Path
) -> None:
    camera.send(FILM[:25])
    clip = camera.record(lambda: tmp_path / "clip.mp4", since=BEGUN + 1.5)
    camera.send(FILM[25:26])
    await asyncio.sleep(0.02)
    camera.send(FILM[26:40])
    clip.finish_at(FILM[49].arrival)
    camera.send(FILM[40:50])
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[10:50])
    assert (found.starts_at, found.ends_at, found.partial) == (FILM[10].arrival, FILM[49].arrival, False)


async def test_without_anything_held_a_clip_begins_at_the_next_keyframe(camera: Camera, tmp_path: Path) -> None:
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    clip.finish_at(FILM[39].arrival)
    camera.send(FILM[5:40])
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[10:40])
    assert found.starts_at == FILM[10].arrival


async def test_a_clip_goes_on_past_pauses_until_its_end_is_known(camera: Camera, tmp_path: Path) -> None:
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    await asyncio.sleep(0.15)  # three times its patience
    camera.send(FILM[20:30])
    clip.finish_at(FILM[39].arrival)
    await asyncio.sleep(0.1)
    camera.send(FILM[30:40])
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[:40])
    assert not found.partial


async def test_a_clip_that_is_cut_is_partial_and_holds_what_had_come(camera: Camera, tmp_path: Path) -> None:
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    await until((tmp_path / "clip.mp4").exists)
    async with asyncio.timeout(30):
        found = await clip.cut()
    assert found is not None
    assert slices(copied(found.path)) == expected(FILM[:20])
    assert found.partial
    assert camera.bus.stats().subscribers == 0


async def test_a_camera_that_is_taken_away_leaves_a_partial_clip(camera: Camera, tmp_path: Path) -> None:
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    clip.finish_at(FILM[50].arrival)
    camera.send(FILM[20:30])
    camera.bus.close()
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[:30])
    assert found.partial


async def test_a_camera_that_falls_silent_leaves_a_partial_clip_once_its_end_is_past(
    camera: Camera, tmp_path: Path
) -> None:
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    clip.finish_at(FILM[30].arrival)
    await asyncio.sleep(0.1)
    assert camera.bus.stats().subscribers == 1
    camera.now = FILM[30].arrival + 1
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[:20])
    assert found.partial


async def test_a_clip_whose_alert_never_comes_ends_by_itself(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LONGEST", 2.0)
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    camera.send(FILM[:30])
    found = await closed(clip)
    assert found.partial


async def test_a_clip_whose_alert_came_late_runs_on_to_its_planned_end(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It broke off in the midst of the hazard once it had waited and run on for seven minutes together."""
    monkeypatch.setattr(recording, "LONGEST", 2.0)
    camera.send(FILM[:15])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    clip.finish_at(FILM[49].arrival)
    camera.send(FILM[15:40])
    await asyncio.sleep(0.1)
    assert not clip.over
    camera.send(FILM[40:50])
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[:50])
    assert not found.partial
    assert clip.over


async def test_a_clip_ends_in_time_though_the_clock_was_set_back(camera: Camera, tmp_path: Path) -> None:
    """It ran on for as long as the clock had been set back, and the alert was without a clip until then."""
    back = [replace(frame, arrival=frame.arrival - 1000) for frame in FILM]
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    clip.finish_at(FILM[30].arrival)
    camera.send(FILM[20:21])
    await asyncio.sleep(0.1)
    camera.send(back[21:22])
    await asyncio.sleep(0.1)
    camera.send(back[22:60])
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM)
    assert not found.partial


async def test_a_camera_that_comes_back_with_another_stream_ends_the_clip(camera: Camera, tmp_path: Path) -> None:
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    camera.send(film(10, size=(192, 96), begun=FILM[20].arrival))
    found = await closed(clip)
    assert slices(copied(found.path)) == expected(FILM[:20])
    assert found.partial


async def test_a_disk_that_takes_nothing_means_no_clip_and_no_subscriber_left_behind(
    camera: Camera, tmp_path: Path
) -> None:
    def full() -> Path:
        raise OSError(28, "No space left on device")

    camera.send(FILM[:20])
    clip = camera.record(full)
    async with asyncio.timeout(30):
        assert await clip.closed() is None
    assert camera.bus.stats().subscribers == 0


async def test_a_clip_to_which_nothing_came_is_none(camera: Camera, tmp_path: Path) -> None:
    clip = camera.record(lambda: tmp_path / "clip.mp4")
    async with asyncio.timeout(30):
        assert await clip.cut() is None
    assert not (tmp_path / "clip.mp4").exists()


def test_the_film_has_a_keyframe_each_second_and_no_two_pictures_alike() -> None:
    assert [number for number, frame in enumerate(FILM) if frame.keyframe] == list(range(0, 60, FPS))
    assert len(set(expected(FILM))) == len(FILM)


async def test_a_camera_is_marked_while_its_clip_is_muxed_so_that_a_crash_there_is_put_down_to_it(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, steps = ActiveMarks(tmp_path / "marks"), list[tuple[str, frozenset[str]]]()

    class Noting(ClipWriter):
        def write(self, frames: Sequence[EncodedFrame]) -> None:
            steps.append(("write", active_in(tmp_path / "marks")))
            super().write(frames)

        def close(self, complete: bool = True) -> ClosedClip | None:
            steps.append(("close", active_in(tmp_path / "marks")))
            return super().close(complete)

    monkeypatch.setattr(recording, "ClipWriter", Noting)
    camera.send(FILM[:20])
    clip = camera.record(lambda: tmp_path / "clip.mp4", in_thread=marks.in_thread("a"))
    clip.finish_at(FILM[29].arrival)
    camera.send(FILM[20:30])
    assert (await closed(clip)).size > 0
    assert {step for step, _ in steps} == {"write", "close"}
    assert {active for _, active in steps} == {frozenset({"a"})}
    assert active_in(tmp_path / "marks") == frozenset()
