"""Keyframe requests toward one publisher: many viewers ask, it hears at most one a second, and none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 1.0


class KeyframeRequests:
    """A request that comes too soon waits for the end of the second; those that come meanwhile are one with it."""

    def __init__(self, send: Callable[[], None], *, interval: float = INTERVAL) -> None:
        self._send = send
        self._interval = interval
        self._sent_at = float("-inf")
        self._waiting: asyncio.TimerHandle | None = None
        self.sent = 0

    def ask(self) -> None:
        if self._waiting is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._sent_at + self._interval - loop.time()
        if wait > 0:
            self._waiting = loop.call_later(wait, self._fire)
        else:
            self._fire()

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _fire(self) -> None:
        self._waiting = None
        self._sent_at = asyncio.get_running_loop().time()
        self.sent += 1
        self._send()
