"""Takes terminals in on control's word: which room a number is, whether they may enter, and what their digest is."""

from __future__ import annotations

from contextlib import suppress

from gateway.processes.channel import Channel, ChannelClosed
from gateway.processes.messages import (
    LookUpTerminal,
    Message,
    RingAnswered,
    RingTold,
    TerminalArrives,
    TerminalKnown,
    TerminalRegistered,
    TerminalTakenIn,
)
from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, RingState, TerminalLine
from gateway.rooms.rooms import Rooms

ANSWER_WITHIN = 5.0


class ControlReception:
    """``conference_network.Reception`` of the room worker."""

    def __init__(self, channel: Channel, rooms: Rooms) -> None:
        self._channel = channel
        self._rooms = rooms

    async def arrives(self, number: str, name: str, address: str, *, known: bool) -> Arrival:
        answer = await self._ask(TerminalArrives(number, name, address, known))
        if not isinstance(answer, TerminalTakenIn):
            raise _away()
        return Arrival(answer.room_id, answer.member_id)

    async def seat(self, arrival: Arrival, line: TerminalLine) -> None:
        await self._rooms.add_terminal(arrival.room_id, arrival.member_id, line)

    async def leaves(self, arrival: Arrival, reason: str) -> None:
        await self._rooms.remove(arrival.room_id, arrival.member_id, reason)

    async def answered(self, room_id: str, ring_id: str) -> Arrival:
        answer = await self._ask(RingAnswered(room_id, ring_id))
        if not isinstance(answer, TerminalTakenIn):
            raise _away()
        return Arrival(answer.room_id, answer.member_id)

    def ring_told(self, room_id: str, ring_id: str, state: RingState, reason: str) -> None:
        with suppress(ChannelClosed):
            self._channel.send(RingTold(room_id, ring_id, state, reason))

    def registered(self, username: str, address: str, until: float) -> None:
        with suppress(ChannelClosed):
            self._channel.send(TerminalRegistered(username, address, until))

    async def secret_of(self, username: str) -> tuple[str, str] | None:
        answer = await self._ask(LookUpTerminal(username))
        if not isinstance(answer, TerminalKnown):
            raise _away()
        return (answer.secret, answer.name) if answer.secret else None

    async def _ask(self, message: Message) -> Message:
        try:
            return await self._channel.request(message, timeout=ANSWER_WITHIN)
        except (ChannelClosed, TimeoutError):
            raise _away() from None


def _away() -> Refusal:
    return Refusal("unavailable", "control_away", "主进程未应答", "control does not answer")
