"""Live viewing in a browser (WHEP, RFC draft-ietf-wish-whep): a camera's H.264 passed through.

Where a browser would show black (H.265, B-frames) it gets the camera's sub-stream as it is, if that one can be played;
else the picture is transcoded, once for all its viewers. Either is said.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.offers import Offer, pictures_offered, read_offer
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.outgoing_sound import OpusSounds, OutgoingSound, sent_as
from gateway.streams.peer import CONNECT_WITHIN, Peer
from gateway.streams.playable import UNPLAYABLE, Playability, first_picture, sub_stream_note
from gateway.streams.transcodings import MOST_AT_ONCE, ThreadsFor, Transcodings, as_they_are

log = structlog.get_logger(__name__)

MOST_SESSIONS = 80
"""60–80 viewers of 2 Mbps fill a process (measured)."""
TRANSCODED = "transcoded"


@dataclass(frozen=True, slots=True)
class OpenedViewing:
    """``answer`` is the SDP answer; ``viewing_id`` ends the viewing. ``note``: what the viewer is to know of the
    picture (``transcoded``, or what ``sub_stream_note`` says)."""

    viewing_id: str
    answer: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ViewingCounts:
    """``frames_sent`` and ``frames_lost`` (viewers too slow) are totals since the door was made; so are
    ``first_frames``, and the ``first_frame_seconds`` that passed from the offers until those left. ``sub_streams``:
    viewers who are shown one."""

    viewers: int
    frames_sent: int
    frames_lost: int
    transcodings: int
    transcoding_drops: int
    sub_streams: int
    first_frames: int
    first_frame_seconds: float


class ViewingSession:
    """One viewer of one bus. ``left`` is told once, at its end."""

    def __init__(
        self, viewing_id: str, peer: Peer, video: OutgoingVideo, sound: OutgoingSound | None, left: Callable[[], None]
    ) -> None:
        self.viewing_id = viewing_id
        self._peer = peer
        self._video = video
        self._sound = sound
        self._left = left

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
        if self._sound is not None:
            self._sound.close()
        self._left()
        await self._peer.close()


class WhepDoor:
    """Opens and closes viewings; one in each process that holds buses. ``on_closed`` hears every end and why."""

    def __init__(
        self,
        network: WebRtcSettings,
        *,
        most_sessions: int = MOST_SESSIONS,
        most_transcodings: int = MOST_AT_ONCE,
        connect_within: float = CONNECT_WITHIN,
        clock: Callable[[], float] = time.time,
        on_closed: Callable[[str, str], None] | None = None,
        threads_for: ThreadsFor = as_they_are,
        playability: Playability | None = None,
    ) -> None:
        self._network = network
        self._most_sessions = most_sessions
        self._connect_within = connect_within
        self._clock = clock
        self._on_closed = on_closed
        self._packetised = PacketisedFrames(slices_together=True)
        self._transcodings = Transcodings(most_transcodings, clock, threads_for)
        self._sounds = OpusSounds()
        self._sessions: dict[str, ViewingSession] = {}
        self._opening: set[str] = set()
        self._first_frames = 0
        self._first_frame_seconds = 0.0
        self._sent_before = 0
        self._lost_before = 0
        self._playability = playability or Playability()
        self._on_sub_streams: set[str] = set()
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
            len(self._transcodings),
            self._transcodings.drops,
            len(self._on_sub_streams),
            self._first_frames,
            self._first_frame_seconds,
        )

    def session(self, viewing_id: str) -> ViewingSession | None:
        return self._sessions.get(viewing_id)

    async def open(
        self, bus: FrameBus, offer_sdp: str, *, viewing_id: str | None = None, sub: OnDemandSource | None = None
    ) -> OpenedViewing:
        """Answer a viewer's offer. Nothing is held when it is refused. ``sub``: the camera's sub-stream, where it may
        be shown instead of a main stream that cannot be played.

        Refuses ``viewers_too_many``, the reasons of ``offers.read_offer``, ``codecs_not_offered``, ``no_picture``,
        ``transcodings_too_many``, ``webrtc_no_port``.
        """
        key = viewing_id or str(uuid.uuid4())
        if len(self._sessions.keys() | self._opening) >= self._most_sessions:
            raise Refusal(
                "too_many",
                "viewers_too_many",
                f"同时观看人数已达上限（{self._most_sessions}）",
                f"no more than {self._most_sessions} viewers at once",
            )
        if key in self._sessions or key in self._opening:
            raise Refusal("conflict", "viewing_exists", "该观看会话已存在", "this viewing exists already")
        begun = asyncio.get_running_loop().time()
        self._opening.add(key)
        try:
            offer = read_offer(offer_sdp)
            pictures_offered(offer)
            unplayable = await self._playability.why_not(bus) if offer.h264 else "codec_not_taken"
            if unplayable is None:
                return await self._answered(key, bus, bus, offer, begun, lambda: None)
            if sub is not None and offer.h264:
                opened = await self._by_sub_stream(key, bus, sub, offer, begun)
                if opened is not None:
                    return opened
            return await self._transcoded(key, bus, offer, begun, unplayable)
        finally:
            self._opening.discard(key)

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
        await self._transcodings.close()
        await self._sounds.close()

    async def _by_sub_stream(
        self, key: str, source: FrameBus, sub: OnDemandSource, offer: Offer, begun: float
    ) -> OpenedViewing | None:
        """None where the sub-stream gives no picture that could be played."""

        def left() -> None:
            if key in self._on_sub_streams:
                self._on_sub_streams.remove(key)
                sub.release()

        sub.acquire()
        self._on_sub_streams.add(key)
        try:
            if not await self._playability.shows(sub):
                left()
                return None
            opened = await self._answered(key, sub.bus, source, offer, begun, left)
        except BaseException:
            left()
            raise
        return replace(opened, note=sub_stream_note(sub.bus))

    async def _transcoded(self, key: str, source: FrameBus, offer: Offer, begun: float, why: str) -> OpenedViewing:
        bus = self._transcodings.take(source, offer.pictures[0])
        try:
            await first_picture(bus)
            opened = await self._answered(key, bus, source, offer, begun, lambda: self._transcodings.leave(source, bus))
        except BaseException:
            self._transcodings.leave(source, bus)
            raise
        log.info("viewing_transcoded", viewing=key, why=why)
        return replace(opened, note=TRANSCODED)

    async def _answered(
        self, key: str, bus: FrameBus, source: FrameBus, offer: Offer, begun: float, left: Callable[[], None]
    ) -> OpenedViewing:
        """``bus`` is what is seen, ``source`` what is heard."""
        loop = asyncio.get_running_loop()
        peer = Peer(self._network, lambda reason: self._end_later(key, reason), connect_within=self._connect_within)

        def ended(reason: str) -> None:
            if reason in UNPLAYABLE:
                self._playability.found(bus, video.epoch, reason)
            self._end_later(key, reason)

        def first() -> None:
            self._first_frames += 1
            self._first_frame_seconds += loop.time() - begun

        video = OutgoingVideo(
            bus,
            f"whep-{key}",
            self._packetised,
            clock=self._clock,
            on_ended=ended,
            on_first=first,
            takes=offer.pictures,
        )
        heard_as = sent_as(source.audio, offer)
        sound = self._sounds.listen(source) if heard_as is not None else None
        senders = peer.prepare_sending(offer, video=True, audio=sound is not None, sound=heard_as or "")
        seams.send_encoded(senders["video"], video.next_frame, video.keyframe_wanted, at_once=video.can_send_at_once)
        if sound is not None:
            seams.send_encoded(senders["audio"], sound.next_frame)
        self._sessions[key] = ViewingSession(key, peer, video, sound, left)
        try:
            answer = await peer.answer(offer)
        except BaseException:
            self._sessions.pop(key, None)
            video.close()
            if sound is not None:
                sound.close()
            raise
        log.info("viewing_opened", viewing=key, sound=heard_as)
        return OpenedViewing(key, answer)

    def _end_later(self, key: str, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(self.close(key, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
