"""All rooms of one process: one method for each message of the room worker, with no knowledge of processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.composer_messages import Recorded
from gateway.rooms.conference_network import TerminalLine
from gateway.rooms.member import Smaller
from gateway.rooms.presence import MemberChange
from gateway.rooms.room import Room
from gateway.rooms.surroundings import Surroundings
from gateway.settings import WebRtcSettings
from gateway.streams.outgoing import PacketisedFrames
from gateway.streams.source import FrameSource
from gateway.streams.transcodings import Transcodings

log = structlog.get_logger(__name__)

MOST_ROOMS = 50
MOST_WATCHINGS = 256
SWEEP_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class RoomCounts:
    """What there is now; the losses are those of the members present."""

    rooms: int
    members: int
    watchings: int
    frames_lost: int
    sound_lost: int
    packets_lost: int
    composer_seconds: float = 0.0
    transcodings: int = 0


class Rooms:
    """``on_change`` hears every change of a member; it must not block."""

    def __init__(
        self,
        network: WebRtcSettings,
        on_change: Callable[[MemberChange], None],
        *,
        on_speaker: Callable[[str, str | None], None] = lambda _room, _member: None,
        on_unsent: Callable[[str, str, list[str], list[str]], None] = lambda _room, _viewer, _unsent, _smaller: None,
        on_recorded: Callable[[str, Recorded], None] = lambda _room, _recorded: None,
        on_recording_failed: Callable[[str, str], None] = lambda _room, _reason: None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.packetised = PacketisedFrames(256, slices_together=True)
        self._transcodings = Transcodings(network.most_transcodings, clock)
        self._around = Surroundings(
            network, self.packetised, self._transcodings, clock, monotonic, on_change, on_speaker, on_unsent,
            on_recorded, on_recording_failed, folder or Path("recordings"),
        )  # fmt: skip
        self._rooms: dict[str, Room] = {}
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def rooms(self) -> int:
        return len(self._rooms)

    @property
    def members(self) -> int:
        return sum(room.members for room in self._rooms.values())

    @property
    def watchings(self) -> int:
        return sum(room.watchings for room in self._rooms.values())

    def counts(self) -> RoomCounts:
        losses = [room.losses() for room in self._rooms.values()]
        return RoomCounts(
            self.rooms,
            self.members,
            self.watchings,
            sum(loss.frames for loss in losses),
            sum(loss.sound for loss in losses),
            sum(loss.packets for loss in losses),
            sum(room.composing.cpu_seconds for room in self._rooms.values()),
            len(self._transcodings),
        )

    def start(self) -> None:
        """Begin to look for members that have gone."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None
        await asyncio.gather(*(self.close_room(room_id) for room_id in list(self._rooms)))
        await self._transcodings.close()

    async def open_room(self, room_id: str, title: str = "") -> None:
        """A room that is open stays as it is. Refuses ``rooms_too_many``."""
        if room_id in self._rooms:
            return
        if len(self._rooms) >= MOST_ROOMS:
            raise Refusal("too_many", "rooms_too_many", "会议室数量已达上限", "too many rooms are open")
        self._rooms[room_id] = Room(room_id, self._around, title)

    async def close_room(self, room_id: str) -> None:
        room = self._rooms.pop(room_id, None)
        if room is not None:
            await room.close()

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            room.arrange(revision, arrangement)

    async def add_camera(
        self, room_id: str, member_id: str, source: FrameSource, smaller: Smaller | None = None
    ) -> None:
        """The room starts ``source`` and stops it when the camera leaves; ``smaller`` it uses while it is sent."""
        await self._room(room_id).add_camera(member_id, source, smaller)

    async def add_person(self, room_id: str, member_id: str) -> None:
        self._room(room_id).add_person(member_id)

    async def add_terminal(self, room_id: str, member_id: str, line: TerminalLine) -> None:
        """The room closes ``line`` when the terminal leaves."""
        self._room(room_id).add_terminal(member_id, line)

    async def remove(self, room_id: str, member_id: str, reason: str = "left") -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            await room.remove(member_id, reason)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return await self._room(room_id).publish(member_id, offer)

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        await self._room(room_id).stop_publishing(member_id)

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> str:
        room = self._room(room_id)
        if self.watchings >= MOST_WATCHINGS:
            raise Refusal("too_many", "watchings_too_many", "会议室观看路数已达上限", "too many streams are watched")
        return await room.watch(viewer_id, member_id, offer)

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            await room.stop_watching(viewer_id, member_id)

    def alive(self, room_id: str, member_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            room.alive(member_id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            for room in list(self._rooms.values()):
                try:
                    await room.sweep()
                except Exception:  # one room's fault never stops the watch over the others
                    log.exception("room_sweep_failed", room=room.id)

    def _room(self, room_id: str) -> Room:
        room = self._rooms.get(room_id)
        if room is None:
            raise Refusal("not_found", "room_unknown", "没有这个会议室", "there is no such room")
        return room
