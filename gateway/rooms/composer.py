"""The composer: a process of its own for one room. It decodes each visible source once, paints one canvas, encodes it
once, mixes sound for each listener without its own, and writes the room's recordings.

A crash of FFmpeg in here costs the composed picture a second, and nobody who is forwarded to anything at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import structlog
from av.video.frame import PictureType

from gateway.events.local_time import LOCAL_TIME
from gateway.rooms.canvas import Canvas
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
from gateway.rooms.layouts import Tile, most, tiles
from gateway.rooms.mixing import TICK, Mixer, SoundTarget
from gateway.rooms.recording_file import RecordedFile, RecordingFile

log = structlog.get_logger(__name__)

WIDTH, HEIGHT = 1280, 720
PER_SECOND = 15
BITS_PER_SECOND = 1_500_000
GOP = 2 * PER_SECOND
LARGEST_SLICE = 1200
"""Bytes: each slice fits a packet, as packetization-mode 0 wants it, which many terminals know alone."""
MOST_WAITING = 90
"""Pictures of one source that wait to be decoded: three seconds at 30 a second; then a keyframe is waited for."""
MOST_WRITES = 2000
MOST_UNSENT = 8 * 1024 * 1024
SILENT_AFTER = 3.0
ALL = "*"
"""The listener that is no member: the recording."""


class Source:
    """One visible member: what waits to be decoded, and its newest picture."""

    def __init__(self) -> None:
        self.waiting: deque[PictureIn] = deque()
        self.newest: av.VideoFrame | None = None
        self.changed = False
        self.at = 0.0
        self.lost = True
        self._epoch = -1
        self._decoder = _decoder()

    def add(self, picture: PictureIn, now: float) -> bool:
        """False: this one is of no use; a keyframe is."""
        if picture.epoch != self._epoch:
            self._epoch, self.lost = picture.epoch, True
        if picture.keyframe:
            if len(self.waiting) > MOST_WAITING // 2:
                self.waiting.clear()
            self.lost = False
        if self.lost or len(self.waiting) >= MOST_WAITING:
            self.lost = True
            self.waiting.clear()
            return False
        self.waiting.append(picture)
        self.at = now
        return True

    def decode(self) -> None:
        while self.waiting:
            picture = self.waiting.popleft()
            try:
                for frame in self._decoder.decode(av.Packet(picture.data)):
                    self.newest, self.changed = frame, True
            except av.error.FFmpegError:
                self._decoder = _decoder()
                self.lost = True


def _decoder() -> av.VideoCodecContext:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(4096 * 2304), "flags": "low_delay"}
    return decoder


def _encoder() -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), Fraction(PER_SECOND)
    encoder.bit_rate = BITS_PER_SECOND
    encoder.thread_count = 1
    encoder.profile = "Baseline"
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "maxrate": str(BITS_PER_SECOND),
        "bufsize": str(BITS_PER_SECOND // 2), "level": "31",
        "x264-params": f"annexb=1:repeat-headers=1:keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0"
        f":slice-max-size={LARGEST_SLICE}",
    }  # fmt: skip
    encoder.open()
    return encoder


class Painter:
    """The composed picture. ``step`` runs in its thread; ``scene`` and ``add`` may come at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._scene: Scene | None = None
        self._laid_out: tuple[object, ...] | None = None
        self._canvas = Canvas(WIDTH, HEIGHT)
        self._encoder = _encoder()
        self._keyframe = True
        self._places: dict[str, tuple[Tile, str]] = {}
        self.pictures = 0

    def scene(self, scene: Scene) -> None:
        with self._lock:
            self._scene = scene
            shown = [one.member for one in scene.shown[: most(scene.layout)]] if scene.picture else []
            self._sources = {member: self._sources.get(member) or Source() for member in shown}

    def add(self, picture: PictureIn, now: float) -> bool:
        with self._lock:
            source = self._sources.get(picture.member)
            return True if source is None else source.add(picture, now)

    def new_keyframe(self) -> None:
        self._keyframe = True

    def step(self, now: float, wall: datetime, pts: int) -> tuple[bytes, bool] | None:
        """One picture: the access unit and whether it is a keyframe. None: nobody takes it."""
        with self._lock:
            scene, sources = self._scene, dict(self._sources)
        if scene is None or not scene.picture:
            return None
        for source in sources.values():
            source.decode()
        self._lay_out(scene, sources)
        for member, (tile, name) in self._places.items():
            source = sources[member]
            silent = now - source.at > SILENT_AFTER
            if silent and source.newest is not None:
                source.newest = None  # an old picture is never shown as live
                self._canvas.clear(tile)
                self._canvas.write(tile, f"{name} · 无信号", 22)
            elif source.changed and source.newest is not None:
                source.changed = False
                self._canvas.paint(tile, source.newest)
                self._canvas.write(tile, name, 22)
        self._canvas.write(Tile(0, 0, WIDTH, HEIGHT), f"{scene.title}  {wall:%Y-%m-%d %H:%M:%S}", 22, top=True)
        frame = self._canvas.frame()
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        if self._keyframe:
            self._keyframe = False
            frame.pict_type = PictureType.I
        packets = self._encoder.encode(frame)
        self.pictures += 1
        if not packets:
            return None
        return b"".join(bytes(packet) for packet in packets), any(packet.is_keyframe for packet in packets)

    def _lay_out(self, scene: Scene, sources: dict[str, Source]) -> None:
        shown = [one for one in scene.shown if one.member in sources]
        layout = (scene.layout, tuple((one.member, one.name) for one in shown))
        if layout == self._laid_out:
            return
        self._laid_out = layout
        self._canvas.clear()
        places = tiles(scene.layout, len(shown), WIDTH, HEIGHT)
        self._places = {one.member: (tile, one.name) for one, tile in zip(shown, places, strict=False)}
        for one, tile in zip(shown, places, strict=False):
            self._canvas.write(tile, one.name, 22)
            sources[one.member].changed = True


class Recorder:
    """The room's files; every call runs in one thread, in order."""

    def __init__(self, say: Callable[[Said], None]) -> None:
        self._say = say
        self._files: dict[str | None, RecordingFile] = {}
        self._number = 0
        self._folder: Path | None = None
        self._failed = False

    def arrange(self, folder: Path | None) -> None:
        """Begin to record into ``folder``, or (None) finish what is open."""
        if folder == self._folder:
            return
        for member in list(self._files):
            self.finish(member)
        self._folder = folder
        self._failed = False
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def picture(self, member: str | None, data: bytes, pts: int, keyframe: bool, epoch: int, at: float) -> None:
        with self._failures():
            file = self._file(member)
            if file is not None and not file.picture(data, pts, keyframe, at, epoch):
                self.finish(member)
                file = self._file(member)
                if file is not None:
                    file.picture(data, pts, keyframe, at, epoch)
            if file is not None and file.full:
                self.finish(member)

    def sound(self, member: str | None, data: bytes, at: float) -> None:
        with self._failures():
            file = self._files.get(member)
            if file is not None:
                file.sound(data, at)

    def finish(self, member: str | None) -> None:
        file = self._files.pop(member, None)
        closed: RecordedFile | None = None
        with self._failures():
            closed = file.close() if file is not None else None
        if closed is not None:
            self._say(
                Recorded(
                    member, str(closed.path), closed.sha256, closed.size, closed.starts_at, closed.ends_at,
                    closed.partial,
                )
            )  # fmt: skip

    def _file(self, member: str | None) -> RecordingFile | None:
        if self._folder is None or self._failed:
            return None
        file = self._files.get(member)
        if file is None:
            self._number += 1
            name = f"{member or 'composed'}-{time.time_ns()}-{self._number}.mp4"
            file = self._files[member] = RecordingFile(self._folder / name)
        return file

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, av.error.FFmpegError) as error:
            if not self._failed:
                self._failed = True
                self._say(RecordingFailed(type(error).__name__))


class Composer:
    """Everything put together, on one event loop and two threads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
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
        now = self._loop.time()
        if self._recording == "sources":
            self._record(
                self._recorder.picture, picture.member, picture.data, picture.pts, picture.keyframe, picture.epoch,
                time.time(),
            )  # fmt: skip
        if not self._painter.add(picture, now) and now - self._asked.get(picture.member, -9.0) > 1.0:
            self._asked[picture.member] = now
            self._say(WantsKeyframe(picture.member))

    def _take_sound(self, sound: SoundIn) -> None:
        if self._listeners:
            self._mixer.add(sound.member, sound.codec, sound.data)
        if self._recording == "sources" and sound.codec == "opus":
            self._record(self._recorder.sound, sound.member, sound.data, time.time())

    async def _paint(self) -> None:
        begun = self._loop.time()
        number = 0
        while True:
            number += 1
            now = self._loop.time()
            due = begun + number / PER_SECOND
            if due < now - 1 / PER_SECOND:  # behind: pictures are left out, never delayed
                number = int((now - begun) * PER_SECOND) + 1
                due = begun + number / PER_SECOND
            await asyncio.sleep(max(0.0, due - now))
            pts = number * (90_000 // PER_SECOND)
            wall = datetime.now(LOCAL_TIME)
            made = await self._loop.run_in_executor(self._painting, self._painter.step, self._loop.time(), wall, pts)
            if made is None:
                continue
            data, keyframe = made
            self._say(PictureOut(data, pts, keyframe))
            if self._recording == "composed":
                self._record(self._recorder.picture, None, data, pts, keyframe, 0, time.time())

    async def _mix(self) -> None:
        begun, ticks = self._loop.time(), 0
        while True:
            ticks += 1
            now = self._loop.time()
            due = begun + ticks * 0.02
            if due < now - 0.2:
                ticks = int((now - begun) / 0.02) + 1
                due = begun + ticks * 0.02
            await asyncio.sleep(max(0.0, due - now))
            if not self._listeners:
                continue
            for member, samples in self._mixer.tick([one.member for one in self._listeners]).items():
                target = self._targets[member]
                for data in target.encode(samples):
                    if member == ALL:
                        self._record(self._recorder.sound, None, data, time.time())
                    else:
                        self._say(SoundOut(member, target.codec, data, ticks * TICK))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(2)
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
