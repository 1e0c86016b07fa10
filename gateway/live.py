"""The live hub: what changed, to whoever listens. Queues are bounded; a slow listener is dropped, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Topic = Literal[
    "alert.raised",
    "alert.changed",
    "event.opened",
    "event.changed",
    "mode.changed",
    "duty.changed",
    "camera.health",
    "camera.discovery",
    "camera.connection",
    "camera.event",
    "room.changed",
    "room.said",
    "room.speaker",
    "room.unsent",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """One change, as JSON-ready data. ``platform`` is the owning platform's code, ``department`` that of the one which
    an event was dispatched to: listeners are filtered by scope. ``room``: the room it is about, for those who know one
    room alone. ``reaches``: platforms below that it governs, whose users are told too (None: all)."""

    topic: Topic
    platform: str
    data: Mapping[str, Any]
    department: str | None = None
    room: str | None = None
    reaches: frozenset[str] | None = frozenset()


@dataclass(slots=True, eq=False)
class Listener:
    """One reader of the hub. ``overrun`` says that notices were lost: the reader must end and fetch the state anew."""

    queue: asyncio.Queue[Notice]
    overrun: asyncio.Event = field(default_factory=asyncio.Event)


class LiveHub:
    """Fan-out inside the control process; publish only after the transaction has been committed."""

    def __init__(self, queue_size: int = 256) -> None:
        self._queue_size = queue_size
        self._listeners: set[Listener] = set()
        self.dropped = 0

    def publish(self, notice: Notice) -> None:
        """Hand a notice to every listener without waiting. A full queue marks its listener as overrun."""
        for listener in self._listeners:
            try:
                listener.queue.put_nowait(notice)
            except asyncio.QueueFull:
                self.dropped += 1
                listener.overrun.set()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        listener = Listener(asyncio.Queue(self._queue_size))
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        return len(self._listeners)
