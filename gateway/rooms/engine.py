"""``MediaEngine``: what rooms ask of whatever carries their media. The native aiortc engine is the only one now.

Everything is said by room and member id; an engine holds nothing that the register does not know, so that after its
restart it can be told everything anew. Docs: ``docs/decisions/0041-rooms.md`` says where the native one's size ends.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from gateway.processes.messages import Answer
from gateway.rooms.arrangement import Arrangement

LOAN = timedelta(hours=24)
"""How long a room may read a camera's stream."""


class MediaEngine(Protocol):
    """Each method refuses with ``Refusal`` when the engine is away; ``alive`` and ``arrange`` wait for nothing."""

    async def open(self, room_id: str, title: str) -> None: ...
    async def close(self, room_id: str) -> None: ...
    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        """A member that is there already is read anew, where the camera's stream is now."""

    async def add_person(self, room_id: str, member_id: str) -> None: ...
    async def remove(self, room_id: str, member_id: str) -> None: ...
    async def publish(self, room_id: str, member_id: str, offer: str) -> str: ...
    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer: ...
    async def stop_publishing(self, room_id: str, member_id: str) -> None: ...
    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None: ...
    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        """Ring a terminal, where it has registered or at its address; what becomes of it is told."""

    async def stop_ringing(self, room_id: str, ring_id: str) -> None: ...
    def alive(self, room_id: str, member_id: str) -> None: ...
    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        """Who is heard and seen by whom from now on; of two, the one of the higher ``revision`` holds."""
