"""From a bus to one WebRTC viewer: where to start, which timestamps to give, how fast to send, what to do on a PLI.

A viewer starts from the GOP cache. Cached frames get timestamps a fraction of a millisecond apart, so that the player
runs through them at once and shows the live picture, instead of staying a GOP behind for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Literal

import structlog

from gateway.streams.access_unit import read_access_unit
from gateway.streams.aiortc_seams import OutgoingFrame, packetise_h264
from gateway.streams.bus import FrameBus, Subscription
from gateway.streams.frame import EncodedFrame

log = structlog.get_logger(__name__)

Start = Literal["gop_cache", "next_keyframe"]

VIDEO_CLOCK = 90_000
CACHED_STEP = 10
"""Ticks between cached frames: 250 of them take less than one frame's time."""
BURST_BYTES_PER_SECOND = 6_000_000
"""Speed of the burst: a receiver's socket buffer (208 KiB by default) loses packets to a faster one."""
BURST_ALLOWANCE = 0.02
KEYFRAME_EVERY = 1.0
QUEUE = 300


class PacketisedFrames:
    """Packetises each frame once for all viewers of a process; a viewer that joins late costs its own packetising."""

    def __init__(self, kept: int = 64) -> None:
        self._kept = kept
        self._payloads: OrderedDict[int, tuple[EncodedFrame, list[bytes]]] = OrderedDict()

    def of(self, frame: EncodedFrame) -> list[bytes]:
        held = self._payloads.get(id(frame))
        if held is not None and held[0] is frame:
            return held[1]
        payloads = packetise_h264(frame.data)
        self._payloads[id(frame)] = (frame, payloads)
        if len(self._payloads) > self._kept:
            self._payloads.popitem(last=False)
        return payloads


class Timeline:
    """RTP timestamps that never go back, whatever the source's clock does. Pure."""

    def __init__(self) -> None:
        self._last = 0
        self._offset: int | None = None
        self._epoch: int | None = None

    def cached(self) -> int:
        self._last += CACHED_STEP
        return self._last

    def live(self, frame: EncodedFrame) -> int:
        pts = frame.pts * VIDEO_CLOCK // frame.clock_rate
        if self._offset is None or self._epoch != frame.epoch:
            self._offset = self._last + CACHED_STEP - pts
            self._epoch = frame.epoch
        self._last = max(self._last + CACHED_STEP, pts + self._offset)
        return self._last


class OutgoingVideo:
    """One viewer's H.264. ``next_frame`` and ``keyframe_wanted`` are what ``aiortc_seams.send_encoded`` asks for.

    ``on_ended`` hears once that there is nothing to show: ``source_ended``, ``codec_not_h264`` or ``b_frames``.
    ``ask_source``: where the source makes a keyframe on request (a browser); a camera's comes from the cache.
    """

    def __init__(
        self,
        bus: FrameBus,
        name: str,
        packetised: PacketisedFrames,
        *,
        clock: Callable[[], float],
        start: Start = "gop_cache",
        ask_source: Callable[[], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> None:
        self._bus = bus
        self._name = name
        self._packetised = packetised
        self._clock = clock
        self._start: Start = start
        self._ask_source = ask_source
        self._on_ended = on_ended
        self.epoch = -1
        self._timeline = Timeline()
        self._subscription: Subscription | None = None
        self._frames: AsyncIterator[EncodedFrame] | None = None
        self._since = 0.0
        self._needs_keyframe = True
        self._lost_seen = 0
        self._wanted_at = float("-inf")
        self._restart = False
        self._free_at = 0.0
        self.sent = 0
        self.skipped = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Frames dropped because this viewer was too slow."""
        return self._lost + (self._subscription.drops if self._subscription is not None else 0)

    async def next_frame(self) -> OutgoingFrame | None:
        """The next frame to send; None when the source has ended."""
        while True:
            frames = self._frames
            if frames is None or self._restart:
                frames = self._subscribe()
            frame = await anext(frames, None)
            if frame is None:
                self._end("source_ended")
                return None
            if frame.kind != "video" or self._restart:
                continue
            if not self._fits(frame):
                self.skipped += 1
                continue
            cached = frame.arrival <= self._since
            payloads = self._packetised.of(frame)
            if not payloads:
                continue
            if cached:
                await self._pace(len(frame.data))
            self.sent += 1
            return OutgoingFrame(payloads, self._timeline.cached() if cached else self._timeline.live(frame))

    def keyframe_wanted(self) -> None:
        """The viewer lost the picture. Served at most once a second, from the cache or by asking the source."""
        now = asyncio.get_running_loop().time()
        if now - self._wanted_at < KEYFRAME_EVERY:
            return
        self._wanted_at = now
        if self._ask_source is not None:
            self._ask_source()
        elif self.sent:
            self._restart = True

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    def _subscribe(self) -> AsyncIterator[EncodedFrame]:
        if self._subscription is not None:
            self._lost += self._subscription.drops
            self._subscription.close()
        self._restart = False
        self._needs_keyframe = True
        self._lost_seen = self._lost
        self._since = self._clock() if self._start == "gop_cache" else float("-inf")
        subscription = self._bus.subscribe(self._name, QUEUE, start=self._start)
        self._subscription = subscription
        self._frames = frames = aiter(subscription)
        self._free_at = asyncio.get_running_loop().time()
        if self._ask_source is not None:
            self._ask_source()
        return frames

    def _fits(self, frame: EncodedFrame) -> bool:
        """Whether a decoder can use the frame: after a loss or a new epoch only a keyframe starts it again."""
        if frame.codec != "h264":
            self._refuse("codec_not_h264", frame)
            return False
        if read_access_unit(frame.data).b_slice:
            self._refuse("b_frames", frame)
            return False
        lost = self.lost
        if frame.epoch != self.epoch or lost != self._lost_seen:
            self._needs_keyframe = True
            if lost != self._lost_seen and self._ask_source is not None:
                self._ask_source()
            self.epoch, self._lost_seen = frame.epoch, lost
        if self._needs_keyframe and not frame.keyframe:
            return False
        self._needs_keyframe = False
        return True

    def _refuse(self, reason: str, frame: EncodedFrame) -> None:
        self.epoch = frame.epoch
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._on_ended is not None:
            ended, self._on_ended = self._on_ended, None
            ended(reason)

    async def _pace(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - BURST_ALLOWANCE) + size / BURST_BYTES_PER_SECOND
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
