"""The composer in its own process: what it shows, what it mixes, what it records, and what a kill leaves of that."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import psutil
import pytest
from structlog.testing import CapturingLogger

from gateway.rooms import composition as composition_module
from gateway.rooms.composer_messages import AnySaid, Listener, Recorded, Scene, Shown
from gateway.rooms.composition import Composition, Heard
from gateway.rooms.mixing import TICK, SoundTarget
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]


class Outcome:
    def __init__(self) -> None:
        self.sound: list[bytes] = []
        self.recorded: list[Recorded] = []
        self.failed: list[str] = []

    def heard(self) -> Heard:
        return Heard(
            lambda _member, _codec, data, _pts: self.sound.append(data),
            lambda _member: None,
            self.recorded.append,
            self.failed.append,
        )


@pytest.fixture
def outcome() -> Outcome:
    return Outcome()


@pytest.fixture
async def composition(tmp_path: Path, outcome: Outcome) -> AsyncIterator[Composition]:
    made = Composition(tmp_path / "room", outcome.heard(), time.time)
    made.start()
    yield made
    await made.close()


def scene(folder: Path, *members: str, layout: str = "2", recording: str | None = None) -> Scene:
    return Scene(
        "火情会商", layout, [Shown(one, f"成员{one}") for one in members], list(members),
        [Listener("terminal", "pcm_alaw")], True, recording, str(folder),
    )  # fmt: skip


async def newest_picture(bus: FrameBus, good: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The first composed picture for which ``good`` holds, as luma."""
    decoder = av.CodecContext.create("h264", "r")
    subscription = bus.subscribe("test", 60)
    try:
        async with asyncio.timeout(45):
            async for frame in subscription:
                for picture in decoder.decode(av.Packet(frame.data)):
                    luma = picture.to_ndarray(format="gray")
                    if good(luma):
                        return luma
    finally:
        subscription.close()
    raise AssertionError("the composition ended")


def halves(luma: np.ndarray) -> tuple[float, float]:
    return float(np.median(luma[220:480, 60:580])), float(np.median(luma[220:480, 700:1220]))


async def speak(composition: Composition, member: str, ticks: int) -> None:
    encoder = SoundTarget("opus")
    times = np.arange(TICK) / 48_000
    for tick in range(ticks):
        samples = (9000 * np.sin(2 * np.pi * 440 * (times + tick * 0.02))).astype(np.int16)
        for data in encoder.encode(samples):
            composition.sound(member, EncodedFrame("audio", "opus", data, tick * TICK, 48_000, 0.0, True))
        await asyncio.sleep(0.02)


def running_composers() -> list[int]:
    mine = psutil.Process().children()
    return [child.pid for child in mine if "gateway.rooms.composer" in " ".join(child.cmdline())]


async def test_two_sources_of_two_codecs_are_seen_side_by_side_with_names_and_clock_and_heard(
    composition: Composition, outcome: Outcome, tmp_path: Path
) -> None:
    dark, bright = FrameBus(), FrameBus()
    dark.tap(lambda frame: composition.picture("dark", frame))
    bright.tap(lambda frame: composition.picture("bright", frame))
    composition.scene(scene(tmp_path, "dark", "bright"))
    await parts.until(lambda: composition.cost.pictures > 0, 45)
    async with parts.playing(dark, parts.vp8_film(grey=40)), parts.playing(bright, parts.film(grey=170)):
        await speak(composition, "dark", 40)
        luma = await newest_picture(composition.bus, lambda one: halves(one)[1] - halves(one)[0] > 90)
        assert halves(luma)[0] == pytest.approx(40, abs=25)
        assert luma[:40, 900:].max() > 200, "the clock stands in the upper right corner"
        assert luma[500:545, 10:120].max() > 200, "a name stands under each picture"
        composition.scene(scene(tmp_path, "bright", layout="1"))
        await newest_picture(composition.bus, lambda one: min(halves(one)) > 130)
    await newest_picture(composition.bus, lambda one: max(halves(one)) < 40)  # an old picture is never shown as live
    assert len(outcome.sound) > 20
    assert any(data.strip(b"\xd5\x55") for data in outcome.sound)


async def test_a_composed_recording_plays_with_picture_and_sound_and_says_when(
    composition: Composition, outcome: Outcome, tmp_path: Path
) -> None:
    bus = FrameBus()
    bus.tap(lambda frame: composition.picture("a", frame))
    async with parts.playing(bus, parts.film(grey=150)):
        composition.scene(scene(tmp_path / "room", "a", layout="1", recording="composed"))
        await parts.until(lambda: composition.cost.pictures > 0, 45)
        begun = time.time()
        await speak(composition, "a", 150)
        composition.scene(scene(tmp_path / "room", "a", layout="1"))
        await parts.until(lambda: outcome.recorded, 30)
    recorded = outcome.recorded[0]
    path = Path(recorded.path)
    assert hashlib.sha256(await asyncio.to_thread(path.read_bytes)).hexdigest() == recorded.sha256
    assert recorded.member is None
    assert not recorded.partial
    assert abs(recorded.starts_at - begun) < 4
    with av.open(str(path)) as container:
        kinds = {stream.codec_context.name for stream in container.streams if stream.type in ("video", "audio")}
        assert kinds == {"h264", "opus"} or kinds == {"h264", "libopus"}
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) > 20
    assert np.median(frames[-1]) > 120


async def test_a_killed_composer_is_back_and_its_recording_plays_but_for_the_last_seconds(
    composition: Composition, outcome: Outcome, tmp_path: Path
) -> None:
    bus = FrameBus()
    bus.tap(lambda frame: composition.picture("a", frame))
    async with parts.playing(bus, parts.film(grey=150)):
        composition.scene(scene(tmp_path / "room", "a", layout="1", recording="sources"))
        await parts.until(lambda: list((tmp_path / "room").glob("*.mp4")), 45)
        begun = time.time()
        await asyncio.sleep(5)
        composers = await asyncio.to_thread(running_composers)
        assert len(composers) == 1
        killed = time.time()
        os.kill(composers[0], signal.SIGKILL)
        await parts.until(lambda: outcome.recorded, 30)
        await parts.until(lambda: composition.starts == 2, 30)
        await newest_picture(composition.bus, lambda one: float(np.median(one)) > 120)
    recorded = outcome.recorded[0]
    assert recorded.partial
    assert recorded.member == "a"
    assert killed - begun - (recorded.ends_at - recorded.starts_at) < 4.5
    with av.open(recorded.path) as container:
        assert sum(1 for _ in container.decode(video=0)) > 25


async def test_a_picture_too_large_for_the_composer_is_let_go_and_said_and_the_room_goes_on(
    composition: Composition, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a keyframe of more than 8 MB it ended, was begun again, was given the same one, and so on."""
    log = CapturingLogger()  # where the log goes is the process's, and another test may have set it
    monkeypatch.setattr(composition_module, "log", log)
    large = EncodedFrame("video", "h264", bytes(9 * 1024 * 1024), 0, 90_000, time.time(), True, 1, 1280, 720)
    composition.scene(scene(tmp_path / "room", "a", layout="1"))
    await parts.until(lambda: composition.cost.pictures > 0, 45)
    for _ in range(2):
        composition.picture("a", large)
        composition.picture("a", replace(large, data=bytes(100), keyframe=False))
    bus = FrameBus()
    bus.tap(lambda frame: composition.picture("a", frame))
    async with parts.playing(bus, parts.film(grey=150)):
        await newest_picture(composition.bus, lambda one: float(np.median(one)) > 120)
    assert composition.starts == 1
    assert [call.args[0] for call in log.calls].count("picture_too_large") == 1


async def test_a_composition_comes_back_whatever_its_start_its_words_or_what_it_left_behind_did(
    tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a fault of the system's was foreseen: after any other the room had no composed picture any more."""
    start, hear, tried = asyncio.create_subprocess_exec, composition_module.heard, []

    async def no_thread_once(*program: str, **options: Any) -> asyncio.subprocess.Process:
        tried.append("start")
        if tried.count("start") == 1:
            raise RuntimeError("can't start new thread")
        return await start(*program, **options)

    async def nonsense_once(reader: asyncio.StreamReader) -> AnySaid:
        tried.append("word")
        return msgspec.msgpack.decode(b"\xc1", type=AnySaid) if tried.count("word") == 1 else await hear(reader)

    def broken_disk(_path: Path) -> None:
        tried.append("left")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(composition_module, "AGAIN_AFTER", 0.01)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_thread_once)
    monkeypatch.setattr(composition_module, "heard", nonsense_once)
    monkeypatch.setattr(composition_module, "left_behind", broken_disk)
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a-1-2.mp4").write_bytes(b"cut short")
    made = Composition(tmp_path / "room", outcome.heard(), time.time)
    made.scene(scene(tmp_path / "room", "a", layout="1"))
    made.start()
    await newest_picture(made.bus, lambda _luma: True)
    assert made.starts == 2
    assert (tried.count("start"), tried.count("left")) == (3, 1)
    await made.close()


async def test_no_room_waits_while_a_recording_that_was_left_behind_is_read(
    tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gigabytes take half a minute: the worker of all rooms was silent for so long, and killed for that."""
    entered, heard_of = threading.Event(), threading.Event()
    others_went_on: list[bool] = []

    async def no_memory(*_program: str, **_options: Any) -> asyncio.subprocess.Process:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    def slow(_path: Path) -> None:
        entered.set()
        others_went_on.append(heard_of.wait(5))

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_memory)
    monkeypatch.setattr(composition_module, "left_behind", slow)
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a-1-2.mp4").write_bytes(b"cut short")
    made = Composition(tmp_path / "room", outcome.heard(), time.time)
    made.start()
    await parts.until(entered.is_set, 10)
    heard_of.set()
    await parts.until(lambda: others_went_on, 10)
    await made.close()
    assert others_went_on == [True]
