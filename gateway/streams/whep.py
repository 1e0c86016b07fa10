"""Live viewing in a browser (WHEP, RFC draft-ietf-wish-whep): a camera's H.264 passed through, never transcoded."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import structlog

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.access_unit import read_access_unit
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.offers import Offer, read_offer
from gateway.streams.outgoing import QUEUE, OutgoingVideo, PacketisedFrames
from gateway.streams.peer import CONNECT_WITHIN, Peer

log = structlog.get_logger(__name__)

MOST_SESSIONS = 80
"""60–80 viewers of 2 Mbps fill a process (measured)."""
FIRST_FRAME_WITHIN = 5.0
CACHE_LOOK = 0.05
FRAMES_LOOKED_AT = 12

_REFUSALS = {
    "codec_not_h264": (
        "该摄像机不是 H.264 编码，浏览器无法直接播放；请将其改为 H.264",
        "the camera does not send H.264, which browsers cannot play as it is; set the camera to H.264",
    ),
    "b_frames": (
        "该摄像机码流含 B 帧，浏览器无法直接播放；请在摄像机上改用 Baseline 或关闭 B 帧",
        "the camera's stream has B-frames, which browsers cannot play; set Baseline or turn B-frames off in the camera",
    ),
}


def source_refused(reason: str) -> Refusal:
    zh, en = _REFUSALS[reason]
    return Refusal("conflict", reason, zh, en)


def h264_offered(offer: Offer) -> None:
    """Refuses an offer without H.264 video."""
    if not offer.h264:
        raise Refusal(
            "invalid", "h264_not_offered", "浏览器未提供 H.264 视频", "the offer has no H.264 video", field="offer"
        )


@dataclass(frozen=True, slots=True)
class OpenedViewing:
    """``answer`` is the SDP answer; ``viewing_id`` ends the viewing."""

    viewing_id: str
    answer: str


@dataclass(frozen=True, slots=True)
class ViewingCounts:
    """``frames_sent`` and ``frames_lost`` (viewers too slow) are totals since the door was made."""

    viewers: int
    frames_sent: int
    frames_lost: int


class ViewingSession:
    """One viewer of one bus."""

    def __init__(self, viewing_id: str, peer: Peer, video: OutgoingVideo) -> None:
        self.viewing_id = viewing_id
        self._peer = peer
        self._video = video

    @property
    def frames_sent(self) -> int:
        return self._video.sent

    @property
    def frames_lost(self) -> int:
        return self._video.lost

    @property
    def state(self) -> str:
        return self._peer.state

    async def close(self) -> None:
        self._video.close()
        await self._peer.close()


class WhepDoor:
    """Opens and closes viewings; one in each process that holds buses. ``on_closed`` hears every end and why."""

    def __init__(
        self,
        network: WebRtcSettings,
        *,
        most_sessions: int = MOST_SESSIONS,
        connect_within: float = CONNECT_WITHIN,
        clock: Callable[[], float] = time.time,
        on_closed: Callable[[str, str], None] | None = None,
    ) -> None:
        self._network = network
        self._most_sessions = most_sessions
        self._connect_within = connect_within
        self._clock = clock
        self._on_closed = on_closed
        self._packetised = PacketisedFrames()
        self._sessions: dict[str, ViewingSession] = {}
        self._opening = 0
        self._sent_before = 0
        self._lost_before = 0
        self._unplayable: WeakKeyDictionary[FrameBus, tuple[int, str]] = WeakKeyDictionary()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        return len(self._sessions)

    def counts(self) -> ViewingCounts:
        sessions = self._sessions.values()
        return ViewingCounts(
            len(sessions),
            self._sent_before + sum(session.frames_sent for session in sessions),
            self._lost_before + sum(session.frames_lost for session in sessions),
        )

    def session(self, viewing_id: str) -> ViewingSession | None:
        return self._sessions.get(viewing_id)

    async def open(self, bus: FrameBus, offer_sdp: str, *, viewing_id: str | None = None) -> OpenedViewing:
        """Answer a viewer's offer. Nothing is held when it is refused.

        Refuses ``viewers_too_many``, the reasons of ``offers.read_offer``, ``h264_not_offered``, ``no_picture``,
        ``codec_not_h264``, ``b_frames``, ``webrtc_no_port``.
        """
        key = viewing_id or str(uuid.uuid4())
        if len(self._sessions) + self._opening >= self._most_sessions:
            raise Refusal(
                "too_many",
                "viewers_too_many",
                f"同时观看人数已达上限（{self._most_sessions}）",
                f"no more than {self._most_sessions} viewers at once",
            )
        if key in self._sessions:
            raise Refusal("conflict", "viewing_exists", "该观看会话已存在", "this viewing exists already")
        self._opening += 1
        try:
            offer = read_offer(offer_sdp)
            h264_offered(offer)
            await self._check_source(bus)
            return await self._answered(key, bus, offer)
        finally:
            self._opening -= 1

    async def close(self, viewing_id: str, reason: str = "closed") -> None:
        """End a viewing; one that has ended already does no harm."""
        session = self._sessions.pop(viewing_id, None)
        if session is None:
            return
        self._sent_before += session.frames_sent
        self._lost_before += session.frames_lost
        await session.close()
        log.info("viewing_closed", viewing=viewing_id, reason=reason, frames=session.frames_sent)
        if self._on_closed is not None:
            self._on_closed(viewing_id, reason)

    async def close_all(self) -> None:
        await asyncio.gather(*(self.close(key, "shut_down") for key in tuple(self._sessions)))
        if self._closing:
            await asyncio.wait(self._closing)

    async def _answered(self, key: str, bus: FrameBus, offer: Offer) -> OpenedViewing:
        peer = Peer(self._network, lambda reason: self._end_later(key, reason), connect_within=self._connect_within)

        def ended(reason: str) -> None:
            if reason in _REFUSALS:
                self._unplayable[bus] = (video.epoch, reason)
            self._end_later(key, reason)

        video = OutgoingVideo(bus, f"whep-{key}", self._packetised, clock=self._clock, on_ended=ended)
        sender = peer.prepare_sending(offer, video=True, audio=False)["video"]
        seams.send_encoded(sender, video.next_frame, video.keyframe_wanted)
        self._sessions[key] = ViewingSession(key, peer, video)
        try:
            answer = await peer.answer(offer)
        except BaseException:
            self._sessions.pop(key, None)
            raise
        log.info("viewing_opened", viewing=key)
        return OpenedViewing(key, answer)

    def _end_later(self, key: str, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(self.close(key, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _check_source(self, bus: FrameBus) -> None:
        """Look at what the cache holds: a source that a browser would show black is refused in words."""
        first: EncodedFrame | None = None
        subscription = bus.subscribe("whep-check", QUEUE, start="gop_cache")
        looked = 0
        try:
            async with asyncio.timeout(FIRST_FRAME_WITHIN) as limit:
                async for frame in subscription:
                    if frame.kind != "video":
                        continue
                    if frame.codec != "h264":
                        raise source_refused("codec_not_h264")
                    if first is None:
                        known = self._unplayable.get(bus)
                        if known is not None and known[0] == frame.epoch:
                            raise source_refused(known[1])
                        first = frame
                        limit.reschedule(asyncio.get_running_loop().time() + CACHE_LOOK)
                    if read_access_unit(frame.data).b_slice:
                        raise source_refused("b_frames")
                    looked += 1
                    if looked >= FRAMES_LOOKED_AT:
                        return
        except TimeoutError:
            pass
        finally:
            subscription.close()
        if first is None:
            raise Refusal(
                "unavailable",
                "no_picture",
                "摄像机当前没有画面",
                "the camera gives no picture at the moment",
            )
