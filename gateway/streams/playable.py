"""Which of a camera's streams browsers can play: H.264 without B-frames, or none of them.

Where the main stream is another (H.265, B-frames) and the camera has a sub-stream that browsers can play, that one is
shown as it is. What it costs is a second, small connection to the camera, shared with detection where that pulls it
anyway; transcoding the main stream costs most of a core.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from gateway.refusals import Refusal
from gateway.streams.access_unit import read_access_unit
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.outgoing import QUEUE

FIRST_FRAME_WITHIN = 5.0
SUB_WITHIN = 3.0
"""Seconds that a viewer waits for the first picture of a sub-stream: longer than most groups of pictures last."""
CACHE_LOOK = 0.05
FRAMES_LOOKED_AT = 12
UNPLAYABLE = ("codec_not_taken", "b_frames")
"""Why a browser would show a stream black; with these ``OutgoingVideo`` ends."""


class Playability:
    """What is known of the buses of a process."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[FrameBus, tuple[int, str | None]] = WeakKeyDictionary()

    async def why_not(self, bus: FrameBus) -> str | None:
        """Look at what the cache holds: one of ``UNPLAYABLE``, or None. Refuses ``no_picture``."""
        first: EncodedFrame | None = None
        subscription = bus.subscribe("whep-check", QUEUE, start="gop_cache")
        looked = 0
        try:
            async with asyncio.timeout(FIRST_FRAME_WITHIN) as limit:
                async for frame in subscription:
                    if frame.kind != "video":
                        continue
                    if frame.codec != "h264":
                        return "codec_not_taken"
                    if first is None:
                        known = self._known.get(bus)
                        if known is not None and known[0] == frame.epoch:
                            return known[1]
                        first = frame
                        limit.reschedule(asyncio.get_running_loop().time() + CACHE_LOOK)
                    if read_access_unit(frame.data).b_slice:
                        return "b_frames"
                    looked += 1
                    if looked >= FRAMES_LOOKED_AT:
                        self._known[bus] = (frame.epoch, None)
                        return None
        except TimeoutError:
            pass
        finally:
            subscription.close()
        if first is None:
            raise no_picture()
        return None

    def found(self, bus: FrameBus, epoch: int, why: str) -> None:
        """A viewer met what cannot be played, after all."""
        self._known[bus] = (epoch, why)

    async def shows(self, sub: OnDemandSource) -> bool:
        """Whether a sub-stream, which the caller has acquired, has a picture that browsers play, now or soon."""
        try:
            return await sub.picture_within(SUB_WITHIN) and await self.why_not(sub.bus) is None
        except Refusal:
            return False


class PlayableSource:
    """A ``FrameSource``: the main stream, or the sub-stream where browsers can play that one alone. Started and stopped
    once. A sub-stream that gives no picture now is waited for, where the main one could not be shown anyway."""

    def __init__(self, main: FrameBus, sub: OnDemandSource | None, playability: Playability) -> None:
        self.bus = main
        self._sub = sub
        self._playability = playability
        self._held: OnDemandSource | None = None

    @property
    def note(self) -> str | None:
        """As in ``sub_stream_note``, where it is the sub-stream."""
        return sub_stream_note(self.bus) if self._held is not None else None

    async def start(self) -> None:
        """Which one it is. May take ``FIRST_FRAME_WITHIN`` for the one and ``SUB_WITHIN`` for the other."""
        if self._sub is None or not await self._unplayable():
            return
        self._held = self._sub
        self._held.acquire()
        shown = await self._playability.shows(self._held)
        if not shown and self._held.bus.last_keyframe is not None:
            return await self.stop()
        self.bus = self._held.bus

    async def _unplayable(self) -> bool:
        try:
            return await self._playability.why_not(self.bus) is not None
        except Refusal:
            return False

    async def stop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.release()


def sub_stream_note(bus: FrameBus) -> str:
    """What a viewer is told of a sub-stream's picture: a structured field (RFC 8941), such as
    ``sub_stream;width=640;height=360``."""
    frame = bus.last_keyframe
    return f"sub_stream;width={frame.width};height={frame.height}" if frame is not None else "sub_stream"


async def first_picture(bus: FrameBus) -> None:
    """Wait for it; refuses ``no_picture``."""
    subscription = bus.subscribe("whep-first", 1, keyframes_only=True)
    try:
        async with asyncio.timeout(FIRST_FRAME_WITHIN):
            async for _ in subscription:
                return
    except TimeoutError:
        pass
    finally:
        subscription.close()
    raise no_picture()


def no_picture() -> Refusal:
    return Refusal("unavailable", "no_picture", "摄像机当前没有画面", "the camera gives no picture at the moment")
