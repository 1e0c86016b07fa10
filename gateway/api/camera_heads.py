"""What follows a turn of a camera's head: a continuous move is stopped in time, and an arrival at a preset is noted.

Rules belong to a preset: while a head turns, and at a view that nobody stored, the zones drawn for another view mean
nothing. One thing follows for each camera; a new command takes the place of what was to follow the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from camera_registry.onvif_session import LOGIN_REASONS
from camera_registry.ptz import Ptz
from gateway.processes.periodic import reason_of
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

STOP_TRIES = 4
NOTE_TRIES = 120
"""The database may be away for a while; until the arrival is noted nothing is told of the zones drawn for that view."""
AGAIN_SECONDS = 1.0
ARRIVAL_SECONDS = 15.0
LOOK_EVERY = 0.5
UNTOLD_ARRIVAL = 4.0
"""Where the device does not tell whether it moves."""

_WRONG_LOGIN = frozenset(reason.code for reason in LOGIN_REASONS)
"""To ask on after one of these would lock the account."""

OpenPtz = Callable[[], AbstractAsyncContextManager[Ptz]]
Arrived = Callable[[], Awaitable[None]]


class CameraHeads:
    """One for the process."""

    def __init__(self) -> None:
        self._following: dict[str, asyncio.Task[None]] = {}

    def stop_later(self, code: str, seconds: float, ptz: OpenPtz) -> None:
        self._follow(code, self._stop(code, seconds, ptz))

    def note_arrival(self, code: str, ptz: OpenPtz, arrived: Arrived) -> None:
        """``arrived`` is called once the head stands still, or has had the time to."""
        self._follow(code, self._arrive(code, ptz, arrived))

    def forget(self, code: str) -> None:
        """The head was stopped, or does something else now."""
        if (task := self._following.pop(code, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._following.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, code: str, work: Awaitable[None]) -> None:
        self.forget(code)
        task = asyncio.ensure_future(work)
        self._following[code] = task

        def done(ended: asyncio.Future[None]) -> None:
            if self._following.get(code) is ended:
                del self._following[code]

        task.add_done_callback(done)

    async def _stop(self, code: str, seconds: float, ptz: OpenPtz) -> None:
        async def stop() -> None:
            async with ptz() as head:
                await head.stop()

        await asyncio.sleep(seconds)
        if not await _tried(stop, STOP_TRIES, "ptz_not_stopped", code):
            log.error("ptz_left_turning", camera=code)

    async def _arrive(self, code: str, ptz: OpenPtz, arrived: Arrived) -> None:
        loop = asyncio.get_running_loop()
        until, answered = loop.time() + ARRIVAL_SECONDS, False
        while loop.time() < until:
            await asyncio.sleep(LOOK_EVERY)
            try:
                async with ptz() as head:
                    moving = await head.moving()
            except Exception as error:  # one question that is lost must not leave its zones unwatched
                log.warning("ptz_arrival_not_seen", camera=code, reason=reason_of(error), exc_info=_unforeseen(error))
                if reason_of(error) in _WRONG_LOGIN:
                    return
                continue
            answered = True
            if moving is None:
                await asyncio.sleep(UNTOLD_ARRIVAL)
            if not moving:
                break
        if answered:  # else nobody knows whether it went there
            await _tried(arrived, NOTE_TRIES, "ptz_arrival_not_noted", code)


async def _tried(act: Callable[[], Awaitable[None]], tries: int, said: str, code: str) -> bool:
    """Do it, again while it fails for whatever reason; whether it was done in the end."""
    for rest in reversed(range(tries)):
        try:
            await act()
        except Exception as error:
            log.warning(said, camera=code, reason=reason_of(error), exc_info=_unforeseen(error))
            if reason_of(error) in _WRONG_LOGIN:
                break
        else:
            return True
        if rest:
            await asyncio.sleep(AGAIN_SECONDS)
    return False


def _unforeseen(error: Exception) -> bool:
    return not isinstance(error, Refusal)
