"""Takes terminals in on control's word: which room a number is, whether they may enter, and what their digest is."""

from __future__ import annotations

from gateway.processes.channel import Channel, ChannelClosed
from gateway.processes.messages import (
    LookUpTerminal,
    Message,
    TerminalArrives,
    TerminalKnown,
    TerminalTakenIn,
)
from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, TerminalLine
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
