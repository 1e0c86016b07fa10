"""A media side for tests of who is in which room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from gateway.access.caller import Caller
from gateway.processes.messages import Answer
from gateway.rooms.arrangement import Arrangement

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
CAMERA = "99000000001310000001"
OFFICER = Caller(
    "u", "li", "李", frozenset({"commander"}), "hub", None, "s", "bearer", datetime(2030, 1, 7, 17, tzinfo=UTC)
)


class Media:
    """Remembers which rooms and members there are; waits to be let on where a test wants to come between."""

    def __init__(self) -> None:
        self.rooms: set[str] = set()
        self.members: set[str] = set()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def open(self, room_id: str, title: str) -> None:
        self.rooms.add(room_id)

    async def close(self, room_id: str) -> None:
        self.rooms.discard(room_id)

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        await self.add_person(room_id, member_id)

    async def add_person(self, room_id: str, member_id: str) -> None:
        self.members.add(member_id)
        self.reached.set()
        await self.go_on.wait()

    async def remove(self, room_id: str, member_id: str) -> None:
        self.members.discard(member_id)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return ""

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        return Answer("")

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        """Not of interest here."""

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        """Not of interest here."""

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        """Not of interest here."""

    def alive(self, room_id: str, member_id: str) -> None:
        """Not of interest here."""
