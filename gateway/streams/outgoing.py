"""From a bus to one WebRTC viewer: where to start, which timestamps to give, how fast to send, what to do on a PLI.

A viewer starts from the GOP cache. Cached frames get timestamps a fraction of a millisecond apart, so that the player
runs through them at once and shows the live picture, instead of staying a GOP behind for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

import structlog

from gateway.refusals import Refusal
from gateway.streams import vp8
from gateway.streams.access_unit import read_access_unit
from gateway.streams.bus import FrameBus, Subscription
from gateway.streams.frame import EncodedFrame, PictureCodec
from gateway.streams.packetise import payloads
from gateway.streams.rtp_sending import AtOnce, OutgoingFrame

log = structlog.get_logger(__name__)

Start = Literal["gop_cache", "next_keyframe"]

VIDEO_CLOCK = 90_000
CACHED_STEP = 10
"""Ticks between cached frames: 250 of them take less than one frame's time."""
LARGEST_PAYLOAD = 1300
"""With all headers and the SRTP tag an IP packet of 1366 bytes: it also fits the tunnels between town and city."""
KEYFRAME_EVERY = 1.0
QUEUE = 300
H264_ALONE: tuple[PictureCodec, ...] = ("h264",)


@dataclass(frozen=True, slots=True)
class Packetised:
    """``frame`` is held with its payloads, so that its id stays its own. ``size``: bytes of all payloads."""

    frame: EncodedFrame
    payloads: list[bytes]
    b_slice: bool
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(map(len, self.payloads)))


class PacketisedFrames:
    """Packetises each frame (H.264, VP8) once for all viewers of a process; one who joins late costs its own
    packetising.

    ``slices_together``: a picture of several small slices travels in one packet, as browsers take it."""

    def __init__(self, kept: int = 64, *, slices_together: bool = False) -> None:
        self._kept = kept
        self._slices_together = slices_together
        self._made: OrderedDict[int, Packetised] = OrderedDict()
        self._newest: Packetised | None = None

    def of(self, frame: EncodedFrame) -> Packetised:
        newest = self._newest
        if newest is not None and newest.frame is frame:
            return newest
        held = self._made.get(id(frame))
        if held is not None and held.frame is frame:
            self._newest = held
            return held
        if frame.codec == "vp8":
            made = Packetised(frame, vp8.payloads(frame.data, LARGEST_PAYLOAD), False)
        else:
            together = self._slices_together
            b_slice = read_access_unit(frame.data).b_slice
            made = Packetised(frame, payloads("h264", frame.data, LARGEST_PAYLOAD, slices_together=together), b_slice)
        self._newest = self._made[id(frame)] = made
        if len(self._made) > self._kept:
            self._made.popitem(last=False)
        return made


class Timeline:
    """RTP timestamps that never go back, whatever the source's clock does. Pure."""

    def __init__(self) -> None:
        self._last = 0
        self._offset: int | None = None
        self._epoch: int | None = None

    def other_source(self) -> None:
        self._offset = None

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
    """One viewer's video. ``next_frame`` and ``keyframe_wanted`` are what ``aiortc_seams.send_encoded`` asks for.

    ``takes``: the codecs that the viewer has agreed to. ``on_first`` hears of the first frame that leaves.
    ``playable``: gives a bus with the same picture as the viewer can play it, once one comes that it cannot; refuses
    what stands against that. ``on_ended`` hears once that there is nothing to show: ``source_ended``,
    ``codec_not_taken``, ``b_frames`` or that refusal's reason.
    ``ask_source``: where the source makes a keyframe on request (a browser); a camera's comes from the cache.
    ``passes``: whether this viewer may have the picture now; after a pause it begins at a keyframe again.
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
        on_first: Callable[[], None] | None = None,
        passes: Callable[[], bool] | None = None,
        takes: Collection[PictureCodec] = H264_ALONE,
        playable: Callable[[], FrameBus] | None = None,
    ) -> None:
        self._takes = takes
        self._playable = playable
        self._bus = bus
        self._name = name
        self._packetised = packetised
        self._sending: AtOnce | None = None
        self._clock = clock
        self._start: Start = start
        self._ask_source = ask_source
        self._on_ended = on_ended
        self._on_first = on_first
        self._passes = passes
        self.epoch = -1
        self._timeline = Timeline()
        self._subscription: Subscription | None = None
        self._frames: AsyncIterator[EncodedFrame] | None = None
        self._since = 0.0
        self._needs_keyframe = True
        self._lost_seen = 0
        self._wanted_at = float("-inf")
        self._restart = False
        self._closed = False
        self._paused = False
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
                if self._restart and not self._closed:
                    continue
                self._end("source_ended")
                return None
            if frame.kind != "video" or self._restart:
                continue
            packetised = self._fitting(frame)
            if packetised is None:
                self.skipped += 1
            elif packetised.payloads:
                return OutgoingFrame(packetised.payloads, self._timestamp(frame), frame.codec)

    def can_send_at_once(self, sending: AtOnce) -> None:
        """From now on what may leave without waiting does so while it is published."""
        self._sending = sending

    def _take_at_once(self, frame: EncodedFrame) -> bool:
        sending = self._sending
        if sending is None or self._restart or frame.kind != "video":
            return False
        packetised = self._fitting(frame)
        if packetised is None or not packetised.payloads:
            self.skipped += packetised is None
            return True
        if not sending.room_for(packetised.size):
            return False
        sending.frame_now(packetised.payloads, self._timestamp(frame), frame.codec)
        return True

    def _timestamp(self, frame: EncodedFrame) -> int:
        """Of a frame that is sent now."""
        self.sent += 1
        if self.sent == 1 and self._on_first is not None:
            self._on_first()
        return self._timeline.cached() if frame.arrival <= self._since else self._timeline.live(frame)

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

    def turn_to(
        self, bus: FrameBus, playable: Callable[[], FrameBus] | None = None,
        ask_source: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Go on with this bus from its newest keyframe: the same picture as the viewer can play it, or in another size.
        ``playable`` and ``ask_source`` as in the beginning."""
        self._bus, self._start, self._ask_source, self._playable = bus, "gop_cache", ask_source, playable
        self._timeline.other_source()
        self._restart = True
        if self._subscription is not None:
            self._subscription.close()

    def close(self) -> None:
        self._closed = True
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
        subscription.at_once = self._take_at_once
        self._subscription = subscription
        self._frames = frames = aiter(subscription)
        if self._ask_source is not None:
            self._ask_source()
        return frames

    def _fitting(self, frame: EncodedFrame) -> Packetised | None:
        """The frame, if a decoder can use it: after a loss or a new epoch only a keyframe starts it again."""
        if self._passes is not None and not self._passes():
            self._needs_keyframe = self._paused = True
            return None
        if frame.codec not in self._takes:
            self._unplayable("codec_not_taken", frame)
            return None
        packetised = self._packetised.of(frame)
        if packetised.b_slice:
            self._unplayable("b_frames", frame)
            return None
        lost = self.lost
        if frame.epoch != self.epoch or lost != self._lost_seen:
            self._needs_keyframe = True
            if lost != self._lost_seen and self._ask_source is not None:
                self._ask_source()
            self.epoch, self._lost_seen = frame.epoch, lost
        if self._paused:
            self._paused = False
            self.keyframe_wanted()
        if self._needs_keyframe and not frame.keyframe:
            return None
        self._needs_keyframe = False
        return packetised

    def _unplayable(self, reason: str, frame: EncodedFrame) -> None:
        self.epoch = frame.epoch
        if self._playable is not None:
            try:
                self.turn_to(self._playable())
            except Refusal as refusal:
                reason = refusal.reason
            else:
                return
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._on_ended is not None:
            ended, self._on_ended = self._on_ended, None
            ended(reason)
