"""A member sends picture and sound into the room (WHIP, RFC 9725): H.264, or VP8 from a browser that has no other, and
Opus; forwarded as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import RTCRtpReceiver

from gateway.refusals import Refusal
from gateway.rooms.assembly import VP8, AssembledFrame, SoundAssembly, VideoAssembly
from gateway.rooms.keyframe_requests import KeyframeRequests
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams import vp8
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame, PictureCodec
from gateway.streams.offers import read_offer
from gateway.streams.peer import Peer
from gateway.streams.sound import Sound

VIDEO_CLOCK = 90_000
SOUND_CLOCK = 48_000
LOOK_EVERY = 0.025
"""Seconds between two looks at a gap, so that a loss is known within 250 ms though no packet comes after it."""


class Publication:
    """One publisher. Frames go to ``bus`` and ``sound``; ``on_media`` hears every frame, ``on_ended`` the end."""

    def __init__(
        self,
        network: WebRtcSettings,
        bus: FrameBus,
        sound: Sound,
        *,
        epoch: int,
        clock: Callable[[], float],
        on_media: Callable[[], None],
        on_ended: Callable[[str], None],
        on_level: Callable[[int], None] = lambda _level: None,
    ) -> None:
        self._peer = Peer(network, on_ended)
        self._bus = bus
        self._sound = sound
        self._epoch = epoch
        self._clock = clock
        self._on_media = on_media
        self._on_level = on_level
        self._looking: asyncio.TimerHandle | None = None
        self._codec: PictureCodec = "h264"
        self._video = VideoAssembly()
        self._lost_seen = 0
        self._audio = SoundAssembly()
        self._receiver: RTCRtpReceiver | None = None
        self._ssrc: int | None = None
        self._closed = False
        self._asking: set[asyncio.Task[None]] = set()
        self.keyframe_requests = KeyframeRequests(self._send_request)

    @property
    def packets_lost(self) -> int:
        return self._video.lost

    async def answer(self, offer_sdp: str) -> str:
        """Refuses the reasons of ``offers.read_offer`` and ``codecs_not_offered``."""
        try:
            offer = read_offer(offer_sdp)
            if ("video" in offer.kinds and not offer.pictures) or ("audio" in offer.kinds and not offer.opus):
                raise Refusal(
                    "invalid",
                    "codecs_not_offered",
                    "发布需要 H.264 或 VP8 视频和 Opus 音频",
                    "publishing needs H.264 or VP8 video and Opus audio",
                    field="offer",
                )
        except Refusal:
            await self._peer.close()
            raise
        receivers = self._peer.prepare_receiving(offer, video=True, audio=True)
        if (video := receivers.get("video")) is not None:
            self._receiver = video
            if offer.pictures[0] == "vp8":
                self._codec, self._video = "vp8", VideoAssembly(VP8)
                seams.receive_encoded(video, self._take_video, vp8.begins)
            else:
                seams.receive_encoded(video, self._take_video)
        if (audio := receivers.get("audio")) is not None:
            seams.receive_encoded(audio, self._take_sound)
        return await self._peer.answer(offer)

    def ask_keyframe(self) -> None:
        if self._ssrc is not None:
            self.keyframe_requests.ask()

    async def close(self) -> None:
        self.keyframe_requests.close()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._closed = True
        await self._peer.close()

    def _take_video(self, packet: seams.IncomingPacket) -> bool:
        self._ssrc = packet.ssrc
        self._forward(self._video.add(packet, asyncio.get_running_loop().time()))
        return False

    def _forward(self, frames: list[AssembledFrame]) -> None:
        """Put whole frames on the bus, and see to what is missing: ask for it, and again, and then for a keyframe."""
        for frame in frames:
            self._on_media()
            self._bus.publish(
                EncodedFrame(
                    kind="video", codec=self._codec, data=frame.data, pts=frame.timestamp, clock_rate=VIDEO_CLOCK,
                    arrival=self._clock(), keyframe=frame.keyframe, epoch=self._epoch,
                )
            )  # fmt: skip
        if self._video.lost != self._lost_seen or (self._video.wants_keyframe and self._video.skipped):
            self._lost_seen = self._video.lost
            self.keyframe_requests.ask()
        if self._video.waits and self._looking is None and not self._closed:
            self._ask_missing()
            self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looking = None
        self._forward(self._video.overdue(asyncio.get_running_loop().time()))

    def _ask_missing(self) -> None:
        numbers = self._video.missing(asyncio.get_running_loop().time())
        if numbers and self._receiver is not None and self._ssrc is not None:
            self._spawn(seams.request_packets(self._receiver, self._ssrc, numbers))

    def _take_sound(self, packet: seams.IncomingPacket) -> bool:
        if packet.level is not None:
            self._on_level(packet.level)
        frame = self._audio.add(packet)
        if frame is not None:
            self._on_media()
            self._sound.publish(
                EncodedFrame(
                    kind="audio", codec="opus", data=frame.data, pts=frame.timestamp, clock_rate=SOUND_CLOCK,
                    arrival=self._clock(), keyframe=True, epoch=self._epoch,
                )
            )  # fmt: skip
        return False

    def _send_request(self) -> None:
        if self._receiver is not None and self._ssrc is not None:
            self._spawn(seams.request_keyframe(self._receiver, self._ssrc))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
