"""Recordings are copied picture by picture into files that follow one another, and survive whatever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from worker_parts import BEGUN, FPS, film, until

from gateway.streams.bus import FrameBus
from gateway.streams.clip import ClipFailed, ClipWriter
from gateway.streams.frame import EncodedFrame
from gateway.streams.recordings import GROWING, RecordingFile, listed
from gateway.workers.camera import recorder as recorder_module
from gateway.workers.camera.recorder import CameraRecorder


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE", 0.05)
    monkeypatch.setattr(recorder_module, "DISK_PAUSE", 0.05)


@pytest.fixture
async def bus() -> AsyncIterator[FrameBus]:
    made = FrameBus()
    yield made
    made.close()


def frames_in(file: RecordingFile) -> int:
    with av.open(str(file.path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


async def play(bus: FrameBus, frames: list[EncodedFrame]) -> None:
    for number, frame in enumerate(frames):
        bus.publish(frame)
        if number % FPS == 0:
            await asyncio.sleep(0.01)


async def recorded(bus: FrameBus, recorder: CameraRecorder, frames: list[EncodedFrame]) -> None:
    recorder.start()
    recorder.want(True)
    await until(lambda: bus.stats().subscribers == 1)
    await play(bus, frames)
    await until(lambda: bus.subscribers()["record"].longest_queue == 0)
    await asyncio.sleep(0.2)
    await recorder.stop()


async def test_files_follow_one_another_without_a_picture_lost_or_doubled(bus: FrameBus, tmp_path: Path) -> None:
    frames = film(10 * FPS)
    await recorded(bus, CameraRecorder("a", tmp_path / "a", bus, segment=4.0), frames)
    files = list(listed(tmp_path / "a"))
    assert [round(file.starts_at - BEGUN) for file in files] == [0, 4, 8]
    assert sum(frames_in(file) for file in files) == len(frames)
    assert not list((tmp_path / "a").glob(f"*{GROWING}"))
    assert all(later.starts_at > file.ends_at for file, later in pairwise(files))


async def test_a_clock_that_is_set_back_begins_a_new_file(bus: FrameBus, tmp_path: Path) -> None:
    """The file grew, unseen by whoever keeps the disk within its bounds, until the clock had made up for it."""
    frames = film(4 * FPS)
    frames = frames[: 2 * FPS] + [replace(frame, arrival=frame.arrival - 3600) for frame in frames[2 * FPS :]]
    await recorded(bus, CameraRecorder("a", tmp_path / "a", bus), frames)
    assert [frames_in(file) for file in listed(tmp_path / "a")] == [2 * FPS, 2 * FPS]


async def test_a_reconnection_begins_a_new_file(bus: FrameBus, tmp_path: Path) -> None:
    frames = film(4 * FPS)
    frames = frames[: 2 * FPS] + [replace(frame, epoch=1) for frame in frames[2 * FPS :]]
    await recorded(bus, CameraRecorder("a", tmp_path / "a", bus), frames)
    assert [frames_in(file) for file in listed(tmp_path / "a")] == [2 * FPS, 2 * FPS]


async def test_what_a_crash_left_growing_is_closed_at_the_next_start(bus: FrameBus, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    writer = ClipWriter(folder / f"0190b0a0-0000-7000-8000-000000000000{GROWING}")
    writer.write(film(5 * FPS))
    del writer
    (folder / f"0190b0a0-0000-7000-8000-000000000001{GROWING}").write_bytes(b"nothing that plays")
    recorder = CameraRecorder("a", folder, bus)
    recorder.start()
    await until(lambda: not list(folder.glob(f"*{GROWING}")))
    await recorder.stop()
    [file] = listed(folder)
    assert file.partial
    assert file.starts_at == BEGUN
    assert 3.0 <= file.ends_at - file.starts_at <= 5.0


async def test_a_full_disk_ends_no_recording_for_good(
    bus: FrameBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = ClipWriter.write, [True]

    def write(writer: ClipWriter, frames: list[EncodedFrame]) -> None:
        if full:
            raise ClipFailed("clip_disk_full", "磁盘空间不足", "no room")
        real(writer, frames)

    monkeypatch.setattr(ClipWriter, "write", write)
    recorder = CameraRecorder("a", tmp_path / "a", bus)
    recorder.want(True)
    await until(lambda: bus.stats().subscribers == 1)
    await play(bus, film(FPS))
    await until(lambda: recorder.failures)
    full.clear()
    await until(lambda: bus.stats().subscribers == 1)
    await play(bus, film(2 * FPS, begun=BEGUN + 100))
    await until(lambda: bus.subscribers()["record"].longest_queue == 0)
    await asyncio.sleep(0.2)
    await recorder.stop()
    assert sum(frames_in(file) for file in listed(tmp_path / "a")) >= FPS


async def test_wanting_again_and_no_more_is_what_was_said_last(bus: FrameBus, tmp_path: Path) -> None:
    recorder = CameraRecorder("a", tmp_path / "a", bus)
    recorder.want(True)
    recorder.want(True)
    await until(lambda: bus.stats().subscribers == 1)
    recorder.want(False)
    await until(lambda: not recorder.recording)
    recorder.want(False)
    assert bus.stats().subscribers == 0
    await recorder.stop()
