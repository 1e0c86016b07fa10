"""Which sources are transcoded now: one encoder for all viewers of a source in a codec, while there is one.

Each runs in a thread of its own that steps back behind all others: when there is too little processor, transcoded
viewers see fewer pictures, and nobody else notices. How many may run at once is limited.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import structlog

from gateway.refusals import Refusal
from gateway.streams.bus import FrameBus
from gateway.streams.frame import PictureCodec
from gateway.streams.transcoder import Transcoder

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 2
SMALL = 0.25
"""What a small picture (360p) takes of what a camera's (1080p) does: 9 % of a core where that takes 46 % (measured)."""
QUEUE = 25
"""Frames: an encoder that is a second behind goes on at the next keyframe."""
_NICE = 10


ThreadsFor = Callable[[FrameBus, Executor], Executor]
"""Threads as those that work for one source."""


def as_they_are(_source: FrameBus, threads: Executor) -> Executor:
    return threads


class Transcoding:
    """One source's bus made into ``codec``, on a bus of its own. ``ask_source``: where keyframes come on request."""

    def __init__(
        self, source: FrameBus, codec: PictureCodec, clock: Callable[[], float],
        threads_for: ThreadsFor = as_they_are, ask_source: Callable[[], None] | None = None, *, small: bool = False,
    ) -> None:  # fmt: skip
        self.cost = SMALL if small else 1.0
        self.bus = FrameBus()
        self.viewers = 0
        thread = ThreadPoolExecutor(1, thread_name_prefix="transcode", initializer=_step_back)
        self._thread = threads_for(source, thread)
        self._subscription = source.subscribe("transcoding", QUEUE)
        self.transcoder = Transcoder(self._live_from(source, clock()), codec)
        self._ask_source = ask_source
        self._task = asyncio.create_task(self._run(), name="transcoding")

    @staticmethod
    def _live_from(source: FrameBus, now: float) -> float:
        """Of the pictures that are there already the newest is shown."""
        cached = source.gop()
        return cached[-1].arrival if cached else now

    @property
    def drops(self) -> int:
        return self._subscription.drops

    async def close(self) -> None:
        self._subscription.close()
        await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        lost = -1
        try:
            async for frame in self._subscription:
                for made in await loop.run_in_executor(self._thread, self.transcoder.take, frame):
                    self.bus.publish(made)
                if self._ask_source is not None and lost != self.drops + self.transcoder.damaged:
                    lost = self.drops + self.transcoder.damaged
                    self._ask_source()
        except Exception:  # a defect ends the picture of these viewers, who are told, and of nobody else
            log.exception("transcoding_failed")
        finally:
            self._subscription.close()
            self.bus.close()
            self._thread.shutdown(wait=False, cancel_futures=True)


class Transcodings:
    """All of a process. ``take`` and ``leave`` in pairs."""

    def __init__(
        self,
        most: int = MOST_AT_ONCE,
        clock: Callable[[], float] = time.time,
        threads_for: ThreadsFor = as_they_are,
    ) -> None:
        self._most = most
        self._threads_for = threads_for
        self._clock = clock
        self._running: dict[tuple[FrameBus, PictureCodec], Transcoding] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._drops_of_gone = 0

    def __len__(self) -> int:
        return len(self._running)

    @property
    def drops(self) -> int:
        """Frames that encoders were too late for, those gone included."""
        return self._drops_of_gone + sum(one.drops for one in self._running.values())

    def take(
        self, source: FrameBus, codec: PictureCodec = "h264", ask_source: Callable[[], None] | None = None, *,
        small: bool = False,
    ) -> FrameBus:  # fmt: skip
        """The transcoded bus of a source for one viewer more. Refuses ``transcodings_too_many``."""
        key = source, codec
        running = self._running.get(key)
        if running is not None and running.bus.closed:
            self._end(key)
            running = None
        if running is None:
            cost = SMALL if small else 1.0
            if sum(one.cost for one in self._running.values()) + cost > self._most:
                raise Refusal(
                    "too_many",
                    "transcodings_too_many",
                    f"该画面需转码才能在本浏览器播放，而同时转码已达上限（{self._most}）；"
                    "请稍后再试，或改用支持 H.264 的浏览器、将摄像机改为 H.264 无 B 帧",
                    f"this picture must be transcoded for this browser and {self._most} are already; try again later, "
                    "or use a browser that has H.264, or set the camera to H.264 without B-frames",
                )
            running = Transcoding(source, codec, self._clock, self._threads_for, ask_source, small=small)
            self._running[key] = running
            log.info("transcoding_began", codec=codec)
        running.viewers += 1
        return running.bus

    def leave(self, source: FrameBus, bus: FrameBus) -> None:
        """A viewer of ``bus`` has left; the last one ends it."""
        for key, running in self._running.items():
            if key[0] is source and running.bus is bus:
                running.viewers -= 1
                if running.viewers == 0:
                    self._end(key)
                return

    async def close(self) -> None:
        for key in list(self._running):
            self._end(key)
        await asyncio.gather(*self._ending)

    def _end(self, key: tuple[FrameBus, PictureCodec]) -> None:
        running = self._running.pop(key)
        self._drops_of_gone += running.drops
        log.info("transcoding_ended", pictures=running.transcoder.pictures, drops=running.drops)
        task = asyncio.create_task(running.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _step_back() -> None:
    """On Linux a thread has a priority of its own."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
