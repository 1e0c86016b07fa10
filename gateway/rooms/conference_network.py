"""``ConferenceNetwork``: how terminals of a conference network come into rooms. SIP is the first adapter.

The network knows calls and media; who may enter which room is decided by the ``Reception``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.streams.bus import FrameBus
from gateway.streams.sound import Sound

RingState = Literal["ringing", "failed"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a caller was taken in; it may still wait in the lobby."""

    room_id: str
    member_id: str


class TerminalLine(Protocol):
    """A terminal's media: what it sends is on ``bus`` and ``sound``; it takes one picture and one mix."""

    @property
    def bus(self) -> FrameBus: ...
    @property
    def sound(self) -> Sound: ...
    @property
    def sound_codec(self) -> str:
        """``pcm_alaw`` or ``pcm_mulaw``."""

    @property
    def sends(self) -> bool:
        """Whether it has agreed to send anything; on hold it has not."""

    @property
    def heard_at(self) -> float | None:
        """Monotonic time of the last sign of life."""

    def ask_keyframe(self) -> None: ...
    def show(self, bus: FrameBus | None) -> None:
        """Send this bus's picture from now on."""

    def play(self, data: bytes) -> None:
        """Send 20 ms of sound, encoded in ``sound_codec``."""

    async def close(self) -> None: ...


class Reception(Protocol):
    """What a network asks of the rooms. Refuses with ``Refusal``."""

    async def arrives(self, number: str, name: str, address: str, *, known: bool) -> Arrival:
        """A terminal dialled ``number``."""

    async def seat(self, arrival: Arrival, line: TerminalLine) -> None:
        """Its media are ready."""

    async def leaves(self, arrival: Arrival, reason: str) -> None:
        """It hung up."""

    async def secret_of(self, username: str) -> tuple[str, str] | None:
        """Digest HA1 and name of a known terminal; None for a stranger."""

    async def answered(self, room_id: str, ring_id: str) -> Arrival:
        """A terminal that the room rang has picked up."""

    def ring_told(self, room_id: str, ring_id: str, state: RingState, reason: str) -> None:
        """What has become of a ring."""

    def registered(self, username: str, address: str, until: float) -> None:
        """A known terminal can be rung until then; 0: no longer."""


class ConferenceNetwork(Protocol):
    """One protocol by which terminals reach rooms, and rooms terminals."""

    async def start(self) -> None: ...
    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        """Ring a terminal; what becomes of it is told to the reception. Refuses what cannot be rung at all."""

    def stop_ringing(self, room_id: str, ring_id: str) -> None: ...
    def leave_room(self, room_id: str) -> None:
        """It has ended: nobody is rung for it any more."""

    async def close(self) -> None: ...
