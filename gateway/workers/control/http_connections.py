"""HTTP connections that cost nothing for long: a request's head comes in time, and their number is bounded.

uvicorn waits for ever for the first request of a connection, and for the rest of a head that has begun. Whoever opened
connections and said nothing would take every file descriptor of control, and with them the database and the workers.
"""

from __future__ import annotations

import asyncio
import resource
from typing import cast

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger(__name__)

HEAD_SECONDS = 15.0
MOST = 4000
RESERVED = 224
"""File descriptors kept for the database, the workers, evidence and the log."""


def most_connections() -> int:
    """How many connections this process has room for."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(32, min(MOST, soft - RESERVED))


class BoundedConnection(H11Protocol):
    """Ends where no whole head comes in time. Where there are too many, the one waiting longest makes room."""

    head_seconds = HEAD_SECONDS
    most: int | None = None
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._watch_head()
        if len(self.connections) > (self.most or most_connections()):
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def _watch_head(self) -> None:
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._unwatch_head()
        elif self._head_due is None:
            self._head_due = self.loop.call_later(self.head_seconds, self._end)

    def _unwatch_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _end(self) -> None:
        self._head_due = None
        self.transport.abort()

    def _make_room(self) -> None:
        others = (cast("BoundedConnection", other) for other in self.connections)
        waiting = [(other._head_due.when(), id(other), other) for other in others if other._head_due is not None]
        log.warning("http_connections_full", connections=len(self.connections), waiting=len(waiting))
        (min(waiting)[2] if waiting else self)._end()
