"""A member sends picture and sound into the room (WHIP, RFC 9725): H.264 and Opus, forwarded as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCRtpReceiver

from gateway.refusals import Refusal
from gateway.rooms.assembly import SoundAssembly, VideoAssembly
from gateway.rooms.keyframe_requests import KeyframeRequests
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.offers import read_offer
from gateway.streams.peer import Peer
from gateway.streams.sound import Sound

VIDEO_CLOCK = 90_000
SOUND_CLOCK = 48_000


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
    ) -> None:
        self._peer = Peer(network, on_ended)
        self._bus = bus
        self._sound = sound
        self._epoch = epoch
        self._clock = clock
        self._on_media = on_media
        self._video = VideoAssembly()
        self._audio = SoundAssembly()
        self._receiver: RTCRtpReceiver | None = None
        self._ssrc: int | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self.keyframe_requests = KeyframeRequests(self._send_request)

    @property
    def packets_lost(self) -> int:
        return self._video.lost

    async def answer(self, offer_sdp: str) -> str:
        """Refuses the reasons of ``offers.read_offer`` and ``codecs_not_offered``."""
        try:
            offer = read_offer(offer_sdp)
            if ("video" in offer.kinds and not offer.h264) or ("audio" in offer.kinds and not offer.opus):
                raise Refusal(
                    "invalid",
                    "codecs_not_offered",
                    "发布需要 H.264 视频和 Opus 音频",
                    "publishing needs H.264 video and Opus audio",
                    field="offer",
                )
        except Refusal:
            await self._peer.close()
            raise
        receivers = self._peer.prepare_receiving(offer, video=True, audio=True)
        if (video := receivers.get("video")) is not None:
            self._receiver = video
            seams.receive_encoded(video, self._take_video)
        if (audio := receivers.get("audio")) is not None:
            seams.receive_encoded(audio, self._take_sound)
        return await self._peer.answer(offer)

    def ask_keyframe(self) -> None:
        if self._ssrc is not None:
            self.keyframe_requests.ask()

    async def close(self) -> None:
        self.keyframe_requests.close()
        await self._peer.close()

    def _take_video(self, packet: seams.IncomingPacket) -> bool:
        self._ssrc = packet.ssrc
        lost = self._video.lost
        for frame in self._video.add(packet, asyncio.get_running_loop().time()):
            self._on_media()
            self._bus.publish(
                EncodedFrame(
                    kind="video", codec="h264", data=frame.data, pts=frame.timestamp, clock_rate=VIDEO_CLOCK,
                    arrival=self._clock(), keyframe=frame.keyframe, epoch=self._epoch,
                )
            )  # fmt: skip
        if self._video.lost != lost or (self._video.wants_keyframe and self._video.skipped):
            self.keyframe_requests.ask()
        return False

    def _take_sound(self, packet: seams.IncomingPacket) -> bool:
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
            task = asyncio.get_running_loop().create_task(seams.request_keyframe(self._receiver, self._ssrc))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
