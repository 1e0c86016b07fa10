"""When a camera's connection is read: a few times a second while nobody waits for its pictures, at once while somebody
does.

Each read costs a turn of the event loop and a system call, however little has come. Where only the ring and the
keyframes' looks want the stream, what has come waits in the kernel meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.streams.pull_reasons import PullEnded
from gateway.streams.rtsp_in_session import RtspSession
from gateway.streams.rtsp_in_socket import MOST_AT_ONCE

PAUSE = 0.2
"""Seconds for which packets may wait that nobody waits for."""
SHORTEST_PAUSE = 0.05
"""Seconds after a read that brought a great deal: with ``MOST_AT_ONCE`` no camera gets in more than 160 Mbit/s, however
fast it sends, and none keeps the loop."""
AT_EASE = 128 * 1024
"""Bytes of one read beyond which the next comes sooner, lest the kernel's buffer fill and the camera be held up."""
A_GREAT_DEAL = MOST_AT_ONCE // 2
MOST_BETWEEN_CHECKS = 0.5


class Pump:
    """``hurried`` tells whether somebody waits for every frame; ``check`` is called now and then, and ends it all by
    raising ``PullEnded`` as everything here does."""

    def __init__(self, session: RtspSession, check: Callable[[], None], hurried: Callable[[], bool]) -> None:
        self._session = session
        self._check = check
        self._hurried = hurried
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._reading: asyncio.TimerHandle | None = None
        self._checking: asyncio.TimerHandle | None = None
        self._keep_alive_at = 0.0

    async def run(self, check_every: float) -> None:
        """Until it is cancelled, or ``PullEnded`` is raised."""
        self._keep_alive_at = self._loop.time() + self._session.keep_alive_every
        self._guarded(self._read_later)
        self._look(min(check_every, MOST_BETWEEN_CHECKS))
        try:
            await self._ended
        finally:
            for timer in (self._reading, self._checking):
                if timer is not None:
                    timer.cancel()
            self._session.connection.unwatch()
            self._ended.cancel()

    def end(self, why: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(why)

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._ended.done():
            return
        try:
            step()
        except OSError:
            self.end(PullEnded("connection_lost"))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits for the end must hear of it
            self.end(error)

    def _read_later(self) -> None:
        came = self._session.receive()
        if self._hurried() and came < A_GREAT_DEAL:
            self._session.connection.watch(lambda: self._guarded(self._read_at_once))
        else:
            self._pause_after(came)

    def _read_at_once(self) -> None:
        came = self._session.receive()
        if not self._hurried() or came >= A_GREAT_DEAL:
            self._session.connection.unwatch()
            self._pause_after(came)

    def _pause_after(self, came: int) -> None:
        pause = PAUSE if came <= AT_EASE else max(SHORTEST_PAUSE, PAUSE * AT_EASE / came)
        self._reading = self._loop.call_later(pause, self._guarded, self._read_later)

    def _look(self, every: float) -> None:
        self._guarded(self._check)
        self._guarded(self._keep_alive)
        if not self._ended.done():
            self._checking = self._loop.call_later(every, self._look, every)

    def _keep_alive(self) -> None:
        if self._loop.time() >= self._keep_alive_at:
            self._keep_alive_at = self._loop.time() + self._session.keep_alive_every
            self._session.keep_alive()
