"""The encoded-frame bus of one stream: one source, any number of bounded subscribers, none of which slows another.

A subscriber that does not keep up loses whole groups of pictures, never a part of one: it goes on at a keyframe, and
what it lost is counted. The newest group is kept, so that whoever comes can begin at once (the GOP cache).
All calls belong to the thread of the event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.sound import Sound

Start = Literal["gop_cache", "next_keyframe", "next_frame"]
"""Where a subscriber begins: with the cached group of pictures; at the next keyframe; or at the very next frame, for
one that holds the group's beginning already."""

GOP_FRAMES = 900
GOP_BYTES = 16 * 1024 * 1024
"""Bounds of the GOP cache. "Smart" encoders put a keyframe every 10 s and more; 900 frames are 36 s at 25 a second."""


@dataclass(frozen=True, slots=True)
class BusStats:
    """Totals since the bus was made. ``drops`` counts frames that slow subscribers lost, those gone included."""

    frames: int
    bytes: int
    keyframes: int
    subscribers: int
    drops: int


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """Of all subscribers of one kind: how many, the longest queue (frames), and drops, of those gone too."""

    count: int
    longest_queue: int
    drops: int


class Subscription:
    """One subscriber's bounded queue. Iterate over it in one task; the iteration ends when it or the bus is closed."""

    def __init__(
        self,
        name: str,
        maxsize: int,
        *,
        keyframes_only: bool,
        backlog: tuple[EncodedFrame, ...],
        waiting: bool,
        on_close: Callable[[Subscription], None],
    ) -> None:
        self.name = name
        self.drops = 0
        self._maxsize = maxsize
        self.keyframes_only = keyframes_only
        self._frames: deque[EncodedFrame] = deque(backlog)
        self._backlog = len(backlog)
        self._waiting = waiting
        self._dropping = False
        self._on_close = on_close
        self._waiter: asyncio.Future[None] | None = None
        self.at_once: Callable[[EncodedFrame], bool] | None = None
        """Asked first, while the subscriber waits and nothing waits for it: whether it has dealt with the frame there
        and then, which spares it a turn of the event loop. It must be quick and never raise."""
        self.closed = False

    @property
    def kind(self) -> str:
        """What its name begins with, up to a colon or hyphen: one of few, where the rest may be one of many."""
        return self.name.partition(":")[0].partition("-")[0]

    def __len__(self) -> int:
        """Frames that wait to be taken."""
        return len(self._frames)

    @property
    def catching_up(self) -> bool:
        """Whether what comes next was cached when it began: a picture of the past."""
        return self._backlog > 0

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> EncodedFrame:
        while not self._frames:
            if self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._backlog:
            self._backlog -= 1
        return self._frames.popleft()

    def close(self) -> None:
        """End the iteration; frames not taken are let go. Closing twice does no harm."""
        if self.closed:
            return
        self._frames.clear()
        self._end()
        self._on_close(self)

    def _end(self) -> None:
        self.closed = True
        self._wake()

    def _offer(self, frame: EncodedFrame) -> None:
        opens = frame.kind == "video" and frame.keyframe
        if self.keyframes_only and not opens:
            return
        if self._waiting:
            if not opens:
                self.drops += self._dropping
                return
            self._waiting = self._dropping = False
        waits = self._waiter is not None and not self._frames and not self._waiter.done()
        if waits and self.at_once is not None and self.at_once(frame):
            return
        if len(self._frames) >= self._maxsize + self._backlog and not self._make_room(opens):
            self.drops += 1
            return
        self._frames.append(frame)
        self._wake()

    def _make_room(self, opens: bool) -> bool:
        """Let go of everything before the newest keyframe. False: there is none, so the new frame is of no use."""
        lost = len(self._frames)
        if not opens:
            lost = next((at for at in range(lost - 1, 0, -1) if _opens(self._frames[at])), lost)
        for _ in range(lost):
            self._frames.popleft()
        self._backlog = 0
        self.drops += lost
        if opens or self._frames:
            return True
        self._waiting = self._dropping = True
        return False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class FrameBus:
    """See the head of this module. ``arrival`` times of the frames are the bus's only clock."""

    def __init__(self, *, gop_frames: int = GOP_FRAMES, gop_bytes: int = GOP_BYTES) -> None:
        self._gop_frames = gop_frames
        self._gop_bytes = gop_bytes
        self._gop: list[EncodedFrame] = []
        self._gop_size = 0
        self._subscriptions: list[Subscription] = []
        self._taps: list[Callable[[EncodedFrame], None]] = []
        self._frames = self._bytes = self._keyframes = 0
        self._drops_of_gone: Counter[str] = Counter()
        self.keyframe_interval: float | None = None
        """Seconds between the arrivals of the two newest keyframes."""
        self.last_frame_at: float | None = None
        self.last_keyframe: EncodedFrame | None = None
        self.audio: AudioFormat | None = None
        self.sound = Sound()
        self.hurried = False
        """Whether somebody subscribes to more than keyframes."""
        self.closed = False

    def publish(self, frame: EncodedFrame) -> None:
        """Hand a frame to every subscriber. Never waits; on a closed bus it does nothing.

        Sound goes to the listeners of ``sound`` alone: it is in no backlog, and no subscriber's queue counts it.
        """
        if self.closed:
            return
        if frame.kind == "audio":
            self.sound.publish(frame)
            return
        self._frames += 1
        self._bytes += len(frame.data)
        self.last_frame_at = frame.arrival
        self._remember(frame)
        for tap in self._taps:
            tap(frame)
        for subscription in self._subscriptions:
            subscription._offer(frame)

    def subscribe(
        self, name: str, maxsize: int, start: Start = "gop_cache", *, keyframes_only: bool = False
    ) -> Subscription:
        """A new subscriber. ``maxsize`` frames may wait for it, and the cached ones it began with beside them."""
        if maxsize < 1:
            raise ValueError("maxsize must be at least 1")
        backlog = tuple(self._gop) if start == "gop_cache" else ()
        if keyframes_only:
            backlog = backlog[:1]
        subscription = Subscription(
            name,
            maxsize,
            keyframes_only=keyframes_only,
            backlog=backlog,
            waiting=start != "next_frame" and not backlog,
            on_close=self._forget,
        )
        if self.closed:
            subscription.close()
        else:
            # A new list: a subscriber may come or go while a frame is being handed out.
            self._subscriptions = [*self._subscriptions, subscription]
            self.hurried = self.hurried or not keyframes_only
        return subscription

    def tap(self, take: Callable[[EncodedFrame], None]) -> Callable[[], None]:
        """Call ``take`` with every frame, at once. For what keeps frames in bounded memory: it must be quick and never
        raise. Answers how to remove it."""
        self._taps = [*self._taps, take]

        def remove() -> None:
            self._taps = [other for other in self._taps if other is not take]

        return remove

    def gop(self) -> tuple[EncodedFrame, ...]:
        """The newest keyframe and what followed it; empty before the first, or when the group outgrew its bounds."""
        return tuple(self._gop)

    def interrupted(self) -> None:
        """The source is away: what is cached is the past, and nobody who comes now may take it for the present."""
        self._gop = []
        self.last_keyframe = None

    def stats(self) -> BusStats:
        drops = self._drops_of_gone.total() + sum(subscription.drops for subscription in self._subscriptions)
        return BusStats(self._frames, self._bytes, self._keyframes, len(self._subscriptions), drops)

    def subscribers(self) -> dict[str, SubscriberStats]:
        """By kind, those that were there once included."""
        found = {kind: SubscriberStats(0, 0, drops) for kind, drops in self._drops_of_gone.items()}
        for one in self._subscriptions:
            so_far = found.get(one.kind, SubscriberStats(0, 0, 0))
            longest = max(so_far.longest_queue, len(one))
            found[one.kind] = SubscriberStats(so_far.count + 1, longest, so_far.drops + one.drops)
        return found

    def close(self) -> None:
        """The source has ended for good: subscribers get what waits for them, then their iteration ends."""
        self.closed = True
        self._gop = []
        self.sound.close()
        for subscription in self._subscriptions:
            subscription._end()

    def _remember(self, frame: EncodedFrame) -> None:
        if frame.kind == "video" and frame.keyframe:
            self._keyframes += 1
            before = self.last_keyframe
            self.keyframe_interval = None if before is None else max(0.0, frame.arrival - before.arrival)
            self.last_keyframe = frame
            self._gop, self._gop_size = [frame], len(frame.data)
            return
        if not self._gop:
            return
        self._gop_size += len(frame.data)
        outgrown = len(self._gop) >= self._gop_frames or self._gop_size > self._gop_bytes
        if outgrown or frame.epoch != self._gop[0].epoch:
            self._gop = []
        else:
            self._gop.append(frame)

    def _forget(self, subscription: Subscription) -> None:
        self._drops_of_gone[subscription.kind] += subscription.drops
        self._subscriptions = [other for other in self._subscriptions if other is not subscription]
        self.hurried = any(not other.keyframes_only for other in self._subscriptions)


def _opens(frame: EncodedFrame) -> bool:
    return frame.kind == "video" and frame.keyframe
