"""A member sees and hears another (WHEP inside a room): copied from its bus and its sound, never transcoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.offers import read_offer
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.peer import Peer
from gateway.streams.sound import Listening, Sound
from gateway.streams.whep import h264_offered


class Watched(Protocol):
    """What can be watched: a member, or the stage."""

    @property
    def bus(self) -> FrameBus: ...
    @property
    def sound(self) -> Sound | None: ...
    @property
    def makes_keyframes(self) -> bool:
        """On request, as a browser does; a camera's come from the cache."""

    def ask_keyframe(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Gates:
    """Whether picture and sound may go to this viewer now."""

    picture: Callable[[], bool]
    sound: Callable[[], bool]


class Watching:
    """One viewer of one member. ``on_ended`` is told once when the connection is lost."""

    def __init__(
        self,
        network: WebRtcSettings,
        watched: Watched,
        name: str,
        packetised: PacketisedFrames,
        *,
        clock: Callable[[], float],
        on_ended: Callable[[str], None],
        gates: Gates,
        on_loss: Callable[[float], None] | None = None,
    ) -> None:
        self._peer = Peer(network, on_ended)
        self._watched = watched
        self._listening: Listening | None = None
        self._gates = gates
        self._on_loss = on_loss
        live = watched.makes_keyframes
        self.video = OutgoingVideo(
            watched.bus,
            name,
            packetised,
            clock=clock,
            start="next_keyframe" if live else "gop_cache",
            ask_source=watched.ask_keyframe if live else None,
            on_ended=on_ended,
            passes=gates.picture,
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
        seams.send_encoded(senders["video"], self.video.next_frame, self.video.keyframe_wanted, on_loss=self._on_loss)
        if hears and self._watched.sound is not None:
            self._listening = self._watched.sound.listen(self._gates.sound)
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
