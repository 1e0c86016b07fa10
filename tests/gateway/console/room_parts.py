"""The rooms' real media in this process, for the console's tests: what the room worker does, without its process.

Loaded by path, as the tests stand in no package.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.processes.messages import MemberChanged
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.presence import MemberChange
from gateway.rooms.register import RoomRegister
from gateway.rooms.rooms import Rooms
from gateway.settings import WebRtcSettings
from gateway.streams.bus import FrameBus


@dataclass
class BusSource:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)

    async def start(self) -> None:
        """The film runs already."""

    async def stop(self) -> None:
        """The film runs on."""


class RoomsHere:
    """``RoomMedia`` over ``Rooms`` itself; changes go to the register in the order they were made."""

    def __init__(self, network: WebRtcSettings) -> None:
        self.camera = BusSource()
        self.rooms = Rooms(network, self._heard)
        self._changes: asyncio.Queue[MemberChange] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    def start(self, register: RoomRegister) -> None:
        self.rooms.start()
        self._telling = asyncio.get_running_loop().create_task(self._tell(register))

    async def stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self.rooms.close()

    async def open(self, room_id: str, title: str) -> None:
        await self.rooms.open_room(room_id, title)

    async def close(self, room_id: str) -> None:
        await self.rooms.close_room(room_id)

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        await self.rooms.add_camera(room_id, member_id, self.camera)

    async def add_person(self, room_id: str, member_id: str) -> None:
        await self.rooms.add_person(room_id, member_id)

    async def remove(self, room_id: str, member_id: str) -> None:
        await self.rooms.remove(room_id, member_id)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return await self.rooms.publish(room_id, member_id, offer)

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> str:
        return await self.rooms.subscribe(room_id, viewer_id, member_id, offer)

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        await self.rooms.stop_publishing(room_id, member_id)

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        await self.rooms.stop_subscription(room_id, viewer_id, member_id)

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        self.rooms.arrange(room_id, revision, arrangement)

    def alive(self, room_id: str, member_id: str) -> None:
        self.rooms.alive(room_id, member_id)

    def _heard(self, change: MemberChange) -> None:
        self._changes.put_nowait(change)

    async def _tell(self, register: RoomRegister) -> None:
        while True:
            change = await self._changes.get()
            await register.changed(
                MemberChanged(change.room_id, change.member_id, change.state, change.reason, change.at)
            )
