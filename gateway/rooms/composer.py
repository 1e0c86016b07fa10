"""The composer: a process of its own for one room. It decodes each visible source once, paints one canvas, encodes it
once, mixes sound for each listener without its own, and writes the room's recordings.

A crash of FFmpeg in here costs the composed picture a second, and nobody who is forwarded to anything at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import structlog

from gateway.events.local_time import LOCAL_TIME
from gateway.rooms.composer_messages import (
    Cost,
    Listener,
    NewKeyframe,
    PictureIn,
    PictureOut,
    Recorded,
    RecordingFailed,
    Said,
    Scene,
    SoundIn,
    SoundOut,
    WantsKeyframe,
    heard,
    packed,
)
from gateway.rooms.mixing import TICK, Mixer, SoundTarget
from gateway.rooms.painter import PER_SECOND, Painter
from gateway.rooms.recorder import Recorder

log = structlog.get_logger(__name__)

MOST_WRITES = 2000
MOST_UNSENT = 8 * 1024 * 1024
ALL = "*"
"""The listener that is no member: the recording."""


@dataclass(frozen=True, slots=True)
class Clock:
    """``steady`` and ``wall`` in seconds; ``sleep`` waits so many of the steady one's."""

    steady: Callable[[], float]
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Composer:
    """Everything put together, on one event loop and two threads. ``clock`` None: that of the loop and the machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock | None = None) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._clock = clock or Clock(self._loop.time)
        self._painter = Painter()
        self._mixer = Mixer()
        self._recorder = Recorder(self._say_from_thread)
        self._painting = ThreadPoolExecutor(1, "paint")
        self._writing = ThreadPoolExecutor(1, "record")
        self._writes = 0
        self._listeners: tuple[Listener, ...] = ()
        self._targets: dict[str, SoundTarget] = {}
        self._recording: str | None = None
        self._asked: dict[str, float] = {}

    async def written(self) -> None:
        """Once all that has been asked of the recording's thread so far is done."""
        await self._loop.run_in_executor(self._writing, lambda: None)

    async def run(self) -> None:
        tasks = [asyncio.create_task(work) for work in (self._read(), self._paint(), self._mix(), self._report())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.run_in_executor(self._writing, self._recorder.arrange, None)
        await asyncio.sleep(0)  # the last files are told of
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(2):
                await self._writer.drain()
        self._writer.close()

    async def _read(self) -> None:
        while True:
            try:
                said = await heard(self._reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            match said:
                case Scene():
                    self._arrange(said)
                case PictureIn():
                    self._take_picture(said)
                case SoundIn():
                    self._take_sound(said)
                case NewKeyframe():
                    self._painter.new_keyframe()
                case _:
                    log.warning("composer_heard_nonsense", kind=type(said).__name__)

    def _arrange(self, scene: Scene) -> None:
        self._painter.scene(scene)
        self._mixer.keep(scene.present)
        self._recording = scene.recording
        extra = [Listener(ALL, "opus")] if scene.recording == "composed" else []
        self._listeners = (*scene.listeners, *extra)
        wanted = {one.member: one.codec for one in self._listeners}
        self._targets = {member: one for member, one in self._targets.items() if wanted.get(member) == one.codec}
        for member, codec in wanted.items():
            if member not in self._targets:
                self._targets[member] = SoundTarget(codec)
        folder = Path(scene.folder) if scene.recording is not None else None
        self._record(self._recorder.arrange, folder)
        if scene.recording == "composed":
            self._painter.new_keyframe()

    def _take_picture(self, picture: PictureIn) -> None:
        now = self._clock.steady()
        if self._recording == "sources":
            self._record(
                self._recorder.picture, picture.member, picture.codec, picture.data, picture.pts, picture.keyframe,
                picture.epoch, self._clock.wall(),
            )  # fmt: skip
        if not self._painter.add(picture, now) and now - self._asked.get(picture.member, -9.0) > 1.0:
            self._asked[picture.member] = now
            self._say(WantsKeyframe(picture.member))

    def _take_sound(self, sound: SoundIn) -> None:
        if self._listeners:
            self._mixer.add(sound.member, sound.codec, sound.data)
        if self._recording == "sources" and sound.codec == "opus":
            self._record(self._recorder.sound, sound.member, sound.data, self._clock.wall())

    async def _paint(self) -> None:
        begun = self._clock.steady()
        number = 0
        while True:
            number += 1
            now = self._clock.steady()
            due = begun + number / PER_SECOND
            if due < now - 1 / PER_SECOND:  # behind: pictures are left out, never delayed
                number = int((now - begun) * PER_SECOND) + 1
                due = begun + number / PER_SECOND
            await self._clock.sleep(max(0.0, due - now))
            pts = number * (90_000 // PER_SECOND)
            now, wall = self._clock.steady(), datetime.fromtimestamp(self._clock.wall(), LOCAL_TIME)
            made = await self._loop.run_in_executor(self._painting, self._painter.step, now, wall, pts)
            if made is None:
                continue
            data, keyframe = made
            self._say(PictureOut(data, pts, keyframe))
            if self._recording == "composed":
                self._record(self._recorder.picture, None, "h264", data, pts, keyframe, 0, self._clock.wall())

    async def _mix(self) -> None:
        begun, ticks = self._clock.steady(), 0
        while True:
            ticks += 1
            now = self._clock.steady()
            due = begun + ticks * 0.02
            if due < now - 0.2:
                ticks = int((now - begun) / 0.02) + 1
                due = begun + ticks * 0.02
            await self._clock.sleep(max(0.0, due - now))
            if not self._listeners:
                continue
            for member, samples in self._mixer.tick([one.member for one in self._listeners]).items():
                target = self._targets[member]
                for data in target.encode(samples):
                    if member == ALL:
                        self._record(self._recorder.sound, None, data, self._clock.wall())
                    else:
                        self._say(SoundOut(member, target.codec, data, ticks * TICK))

    async def _report(self) -> None:
        while True:
            await self._clock.sleep(2)
            self._say(Cost(time.process_time(), self._painter.pictures))

    def _record(self, work: Callable[..., None], *arguments: object) -> None:
        """In order, in the recording's thread; a disk that does not keep up ends the recording, not the room."""
        if self._writes >= MOST_WRITES:
            if self._recording is not None:
                self._recording = None
                self._say(RecordingFailed("disk_too_slow"))
            return
        self._writes += 1

        def done(_future: object) -> None:
            self._loop.call_soon_threadsafe(self._written)

        self._writing.submit(work, *arguments).add_done_callback(done)

    def _written(self) -> None:
        self._writes -= 1

    def _say_from_thread(self, said: Said) -> None:
        self._loop.call_soon_threadsafe(self._say, said)

    def _say(self, said: Said) -> None:
        if self._writer.transport.get_write_buffer_size() < MOST_UNSENT or isinstance(said, Recorded):
            self._writer.write(packed(said))


async def _serve(handle: int) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=handle), limit=1 << 20)
    await Composer(reader, writer).run()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--handle", required=True, type=int)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    asyncio.run(_serve(arguments.handle))


if __name__ == "__main__":
    main()
