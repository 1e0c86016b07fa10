"""A camera that is awake: every frame of one of its streams is decoded, and looked at whenever a look is due.

Where the stream's own keyframes come often enough they are decoded alone: many cameras send a plain sub-stream beside
a "smart" main stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from gateway.processes.active import ActiveMarks, MarkedThreads
from gateway.streams.bus import FrameBus, Subscription
from gateway.streams.decoding import KeyframeDecoders
from gateway.streams.frame import EncodedFrame
from gateway.streams.running_decoder import RunningDecoder
from gateway.workers.camera.glimpse import Glimpse, Profile, of_decoded
from gateway.workers.camera.look_plan import EARLY, KeyframeGap

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 25
"""Frames decoded in one go, so that no camera keeps a thread from the others: a group of pictures may be long."""
QUEUE = 256
MEASURED_AFTER = 3.0
"""Seconds after which what decoding costs is known well enough."""
LEAST_CORES = 0.005
PAUSE_BATCHES = 10
"""So many batches' time passes after one that could not be decoded."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """By what pictures are decoded: keyframes in ``threads``, the frames of woken cameras in ``awake``, as all cameras
    may send a keyframe at the same time, and who has something in sight waits for none. ``bounds`` tells height
    and width in px of the engine's input now. ``batch``: seconds for which frames are gathered before they are decoded
    together."""

    threads: Executor
    awake: Executor
    bounds: Callable[[], tuple[int, int]]
    clock: Callable[[], float]
    batch: float = 0.1
    keyframes: KeyframeDecoders = field(default_factory=KeyframeDecoders)

    def marked(self, marks: ActiveMarks, code: str) -> Decoding:
        """The same, for one camera."""
        threads, awake = (MarkedThreads(one, marks, code) for one in (self.threads, self.awake))
        return replace(self, threads=threads, awake=awake)


class Awake:
    """``gap`` tells the seconds between two looks that are wanted now, ``due`` whether a picture of that arrival is to
    be looked at, and ``take`` looks, which may last. ``needed_at``: when somebody last needed it."""

    def __init__(
        self,
        profile: Profile,
        bus: FrameBus,
        *,
        code: str,
        gap: Callable[[], float],
        due: Callable[[float], bool],
        take: Callable[[Glimpse], Awaitable[None]],
        decoding: Decoding,
    ) -> None:
        self.profile: Profile = profile
        self._bus = bus
        self._code = code
        self._gap = gap
        self._due = due
        self._take = take
        self._decoding = decoding
        self._decoder = RunningDecoder()
        self._keyframes = KeyframeGap()
        self._only_keyframes = False
        self._subscription: Subscription | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._begun = self.needed_at = decoding.clock()
        self._task = asyncio.create_task(self._run(), name=f"awake-{profile}")

    @property
    def seconds_used(self) -> float:
        """Processor time that decoding has taken."""
        return self._decoder.seconds_used

    def cores(self, now: float, expected: float) -> float:
        """What it costs, measured; ``expected`` until that is known."""
        passed = now - self._begun
        return expected if passed < MEASURED_AFTER else max(LEAST_CORES, self.seconds_used / passed)

    def reconsider(self) -> None:
        """What is wanted may have changed: go over to keyframes alone, or to every frame, if that is so."""
        if self._subscription is not None and self._keyframes_suffice() != self._only_keyframes:
            self._subscription.close()

    async def stop(self) -> None:
        tasks = {self._task, *self._looks}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while not self._bus.closed:
            self._only_keyframes = self._keyframes_suffice()
            # Beginning with the cached group, a decoder is at the present at once.
            self._subscription = self._bus.subscribe(
                f"awake-{self.profile}", QUEUE, keyframes_only=self._only_keyframes
            )
            self._decoder.begin_anew()
            try:
                async for batch in _batches(self._subscription, self._decoding.batch):
                    await self._decode(batch, past=self._subscription.catching_up)
            except Exception:  # begun anew with the cached group: one fault must not leave the camera unwatched
                log.exception("awake_failed", camera=self._code, decoded=self.profile)
                await asyncio.sleep(PAUSE_BATCHES * self._decoding.batch)
            finally:
                self._subscription.close()

    async def _decode(self, batch: list[EncodedFrame], *, past: bool) -> None:
        """``past``: newer pictures are there already, which need this one to be decoded; it is not looked at."""
        for frame in batch:
            if frame.keyframe:
                self._keyframes.came(frame.arrival)
        due = not past and self._due(batch[-1].arrival)
        if self._only_keyframes and not due:
            return
        work = partial(self._glimpse, batch[-1:] if self._only_keyframes else batch, due)
        glimpse = await asyncio.get_running_loop().run_in_executor(self._decoding.awake, work)
        if glimpse is not None:
            look = asyncio.ensure_future(self._take(glimpse))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    def _glimpse(self, frames: list[EncodedFrame], due: bool) -> Glimpse | None:
        decoded = self._decoder.take(frames, alone=self._only_keyframes)
        if decoded is None or not due:
            return None
        return of_decoded(decoded, self._decoding.bounds(), frames[-1].arrival, self.profile)

    def _keyframes_suffice(self) -> bool:
        distance = self._keyframes.distance
        return distance is not None and distance <= self._gap() + EARLY


async def _batches(subscription: Subscription, seconds: float) -> AsyncIterator[list[EncodedFrame]]:
    """What has come within a moment, in runs that are not too long. What was cached is there at once."""
    async for first in subscription:
        if not subscription.catching_up:
            await asyncio.sleep(seconds)
        batch = [first]
        while len(subscription) and len(batch) < MOST_AT_ONCE:
            batch.append(await anext(subscription))
        yield batch
