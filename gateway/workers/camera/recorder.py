"""Recording one camera on demand or by plan: packets copied into files of a few minutes, one after the other.

What is deleted, and what a crash may shorten, is never more than one file. What a crash left growing is closed at the
camera's next start, with its true bounds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from pathlib import Path

import structlog

from gateway.processes.active import InThread
from gateway.storage.ids import new_id
from gateway.streams.bus import FrameBus, Subscription
from gateway.streams.clip import MOST_BYTES, ClipFailed, ClipWriter
from gateway.streams.clip_recovery import recover_clip
from gateway.streams.frame import EncodedFrame
from gateway.streams.recordings import GROWING, recording_name

log = structlog.get_logger(__name__)

SEGMENT = 300.0
"""Seconds of one file."""
BATCH = 100
PATIENCE = 2.0
"""Seconds after which what has come is written."""
QUEUE = 1500
"""Frames that may wait while the disk is slow: a minute at 25 a second."""
DISK_PAUSE = 5.0


class CameraRecorder:
    """Records while it is wanted, into ``folder``, which is the camera's own. ``in_thread`` is where it muxes."""

    def __init__(
        self,
        code: str,
        folder: Path,
        bus: FrameBus,
        *,
        segment: float = SEGMENT,
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        self._code = code
        self._folder = folder
        self._bus = bus
        self._segment = segment
        self._in_thread = in_thread
        self._ending = asyncio.Event()
        self._recovering: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None
        self.failures = 0

    @property
    def recording(self) -> bool:
        return self._recording is not None and not self._recording.done()

    def start(self) -> None:
        """Close what an earlier run left growing."""
        self._recovering = asyncio.create_task(self._in_thread(self._recover), name=f"recover-{self._code}")

    def want(self, wanted: bool) -> None:
        """Record from now on, or no more. Saying so again changes nothing."""
        if not wanted:
            self._ending.set()
        elif not self.recording or self._ending.is_set():
            self._ending = asyncio.Event()
            self._recording = asyncio.create_task(self._run(self._ending, self._recording), name=f"record-{self._code}")

    async def stop(self) -> None:
        """End; what is being written is closed."""
        self._ending.set()
        tasks = [task for task in (self._recovering, self._recording) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, ending: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        await asyncio.gather(*(task for task in (self._recovering, before) if task), return_exceptions=True)
        while not ending.is_set() and not self._bus.closed:
            try:
                await self._record(ending)
            except (ClipFailed, OSError) as failed:
                # Most likely the disk is full: control makes room.
                self.failures += 1
                log.error("recording_failed", camera=self._code, error=str(failed))
                await _within(ending.wait(), DISK_PAUSE)
            except Exception:  # a picture that the writer chokes on must not end the recording for good
                self.failures += 1
                log.exception("recording_failed", camera=self._code)
                await _within(ending.wait(), DISK_PAUSE)

    async def _record(self, ending: asyncio.Event) -> None:
        coming = self._bus.subscribe(f"record-{self._code}", QUEUE)
        waiting: list[EncodedFrame] = []
        try:
            while not ending.is_set() and not self._bus.closed:
                segment = _Segment(self._folder, self._segment)
                try:
                    while not segment.full and not ending.is_set() and not self._bus.closed:
                        waiting = await self._in_thread(segment.write, waiting or await _batch(coming))
                finally:
                    await self._in_thread(segment.close)
        finally:
            coming.close()

    def _recover(self) -> None:
        for path in sorted(self._folder.glob(f"*{GROWING}")) if self._folder.is_dir() else ():
            clip = recover_clip(path)
            if clip is None:
                path.unlink(missing_ok=True)
            else:
                path.rename(self._folder / recording_name(clip.starts_at, clip.ends_at, new_id(), partial=True))


class _Segment:
    """One file. Its calls block."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._id = new_id()
        self._growing = folder / f"{self._id}{GROWING}"
        self._writer: ClipWriter | None = None
        self._first: EncodedFrame | None = None
        self._bytes = 0
        self.full = False

    def write(self, frames: Sequence[EncodedFrame]) -> list[EncodedFrame]:
        """Copy frames; answers those with which the next file begins."""
        taken = 0
        for frame in frames:
            if self._ends_before(frame):
                self.full = True
                break
            taken += 1
            if self._first is None and frame.kind == "video" and frame.keyframe:
                self._first = frame
            self._bytes += len(frame.data)
        if self._first is not None:
            if self._writer is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._writer = ClipWriter(self._growing, plain=False)
            self._writer.write(frames[:taken])
        return list(frames[taken:])

    def close(self) -> None:
        """Give the file its name; without a frame there is none."""
        clip = self._writer.close() if self._writer is not None else None
        if clip is None:
            self._growing.unlink(missing_ok=True)
            return
        name = recording_name(clip.starts_at, clip.ends_at, self._id, partial=clip.partial)
        self._growing.rename(self._folder / name)

    def _ends_before(self, frame: EncodedFrame) -> bool:
        first = self._first
        if first is None or frame.kind != "video" or not frame.keyframe:
            return False
        other = (frame.epoch, frame.codec, frame.width, frame.height) != (
            first.epoch, first.codec, first.width, first.height,
        )  # fmt: skip
        # A picture that came before the first one: the clock was set back.
        whole = not 0 <= frame.arrival - first.arrival < self._seconds
        return other or whole or self._bytes > MOST_BYTES // 2


async def _batch(coming: Subscription) -> list[EncodedFrame]:
    """What comes within a moment."""
    batch: list[EncodedFrame] = []
    with contextlib.suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(PATIENCE):
            while len(batch) < BATCH:
                batch.append(await anext(coming))
    return batch


async def _within(waiting: Awaitable[object], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting
