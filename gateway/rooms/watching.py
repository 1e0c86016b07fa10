"""A member sees and hears another (WHEP inside a room): copied from its bus and its sound.

One connection carries H.264 and VP8, each frame in the codec it came in. A viewer that has agreed to one of them alone
gets what comes in another (or in H.265, or with B-frames) transcoded, once for all such viewers. Of a camera it may be
sent the smaller stream, on the same connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.rooms.member import Smaller
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.access_unit import read_access_unit
from gateway.streams.bus import FrameBus
from gateway.streams.offers import Offer
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.peer import Peer
from gateway.streams.sound import Listening, Sound
from gateway.streams.transcodings import Transcodings


class Watched(Protocol):
    """What can be watched: a member, or the stage."""

    @property
    def bus(self) -> FrameBus: ...
    @property
    def sound(self) -> Sound | None: ...
    @property
    def smaller(self) -> Smaller | None: ...
    @property
    def makes_keyframes(self) -> bool:
        """On request, as a browser does; a camera's come from the cache."""

    @property
    def small(self) -> bool:
        """Its picture is, as a person's or a terminal's."""

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
        offer: Offer,
        watched: Watched,
        name: str,
        packetised: PacketisedFrames,
        transcodings: Transcodings,
        *,
        clock: Callable[[], float],
        on_ended: Callable[[str], None],
        gates: Gates,
        on_feedback: Callable[[seams.Feedback], None] | None = None,
    ) -> None:
        self._peer = Peer(network, on_ended)
        self._offer = offer
        self._watched = watched
        self._transcodings = transcodings
        self._transcoded: FrameBus | None = None
        self._turned_at: int | None = None
        """The epoch of the source at which it was found unplayable."""
        self._listening: Listening | None = None
        self._gates = gates
        self._on_feedback = on_feedback
        self._smaller = watched.smaller
        self._holds = self._shows_smaller = False
        self._ask_source = watched.ask_keyframe if watched.makes_keyframes else None
        self.video = OutgoingVideo(
            watched.bus,
            name,
            packetised,
            clock=clock,
            start="next_keyframe" if watched.makes_keyframes else "gop_cache",
            ask_source=self._ask_source,
            on_ended=on_ended,
            passes=gates.picture,
            takes=offer.pictures,
            playable=self._playable,
        )

    @property
    def sound_lost(self) -> int:
        return self._listening.drops if self._listening is not None else 0

    async def answer(self) -> str:
        """The offer holds pictures of ours. Refuses ``transcodings_too_many``."""
        offer = self._offer
        newest = self._watched.bus.last_keyframe
        sound = self._watched.sound if offer.opus else None
        try:
            if newest is not None and newest.codec not in offer.pictures:
                self.video.turn_to(self._playable())
            senders = self._peer.prepare_sending(offer, video=True, audio=sound is not None)
            video = self.video
            seams.send_encoded(
                senders["video"], video.next_frame, video.keyframe_wanted, self._on_feedback, video.can_send_at_once
            )
            if sound is not None and "audio" in senders:
                self._listening = heard = sound.listen(self._gates.sound)
                seams.send_encoded(senders["audio"], heard.next_frame, at_once=heard.can_send_at_once)
            return await self._peer.answer(offer)
        except BaseException:
            await self.close()
            raise

    def _playable(self) -> FrameBus:
        watched = self._watched
        self._transcoded = self._transcodings.take(
            watched.bus, self._offer.pictures[0], self._ask_source, small=watched.small
        )
        newest = watched.bus.last_keyframe
        self._turned_at = newest.epoch if newest is not None else None
        return self._transcoded

    def send_as_it_is(self) -> None:
        """Said again and again: a source that has begun anew with what the viewer can play is transcoded no longer (the
        stage shows somebody else, a member is back with another browser)."""
        newest = self._watched.bus.last_keyframe
        if self._transcoded is None or newest is None or newest.epoch == self._turned_at:
            return
        if newest.codec in self._offer.pictures:
            self.video.turn_to(self._watched.bus, self._playable, self._ask_source)
            self._leave_transcoding()

    @property
    def can_be_smaller(self) -> bool:
        return self._smaller is not None

    def send_smaller(self, *, wanted: bool) -> bool:
        """Said again and again. The smaller stream is sent once it is there, and for as long as it is; answers whether
        it is sent now."""
        smaller = self._smaller
        if smaller is None:
            return False
        if wanted and not self._holds:
            self._holds = True
            smaller.acquire()
        newest = smaller.bus.last_keyframe
        small = wanted and newest is not None and (self._shows_smaller or self._plays(smaller.bus))
        if small and not self._shows_smaller:
            self.video.turn_to(smaller.bus)
            self._leave_transcoding()
        elif self._shows_smaller and not small:
            self.video.turn_to(self._watched.bus, self._playable)
        self._shows_smaller = small
        if not wanted:
            self._release()
        return small

    def _plays(self, bus: FrameBus) -> bool:
        """Whether the viewer can play what this bus holds now."""
        gop = bus.gop()
        if not gop or gop[0].codec not in self._offer.pictures:
            return False
        return not any(frame.codec == "h264" and read_access_unit(frame.data).b_slice for frame in gop)

    def _release(self) -> None:
        if self._holds and self._smaller is not None:
            self._holds = False
            self._smaller.release()

    def _leave_transcoding(self) -> None:
        if self._transcoded is not None:
            self._transcodings.leave(self._watched.bus, self._transcoded)
            self._transcoded = None

    async def close(self) -> None:
        self._release()
        self.video.close()
        self._leave_transcoding()
        if self._listening is not None:
            self._listening.close()
        await self._peer.close()
