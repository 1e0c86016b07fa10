"""A member sees and hears another (WHEP inside a room): copied from its bus and its sound, never transcoded."""

from __future__ import annotations

from collections.abc import Callable

from gateway.rooms.member import Member
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.offers import read_offer
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.peer import Peer
from gateway.streams.sound import Listening
from gateway.streams.whep import h264_offered


class Watching:
    """One viewer of one member. ``on_ended`` is told once when the connection is lost."""

    def __init__(
        self,
        network: WebRtcSettings,
        watched: Member,
        name: str,
        packetised: PacketisedFrames,
        *,
        clock: Callable[[], float],
        on_ended: Callable[[str], None],
    ) -> None:
        self._peer = Peer(network, on_ended)
        self._watched = watched
        self._listening: Listening | None = None
        person = watched.kind == "person"
        self.video = OutgoingVideo(
            watched.bus,
            name,
            packetised,
            clock=clock,
            start="next_keyframe" if person else "gop_cache",
            ask_source=watched.ask_keyframe if person else None,
            on_ended=on_ended,
        )

    @property
    def sound_lost(self) -> int:
        return self._listening.drops if self._listening is not None else 0

    async def answer(self, offer_sdp: str) -> str:
        """Refuses the reasons of ``offers.read_offer`` and ``h264_not_offered``."""
        try:
            offer = read_offer(offer_sdp)
            h264_offered(offer)
        except BaseException:
            await self._peer.close()
            raise
        hears = offer.opus and self._watched.sound is not None
        senders = self._peer.prepare_sending(offer, video=True, audio=hears)
        seams.send_encoded(senders["video"], self.video.next_frame, self.video.keyframe_wanted)
        if hears and self._watched.sound is not None:
            self._listening = self._watched.sound.listen()
            seams.send_encoded(senders["audio"], self._listening.next_frame)
        try:
            return await self._peer.answer(offer)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self.video.close()
        if self._listening is not None:
            self._listening.close()
        await self._peer.close()
