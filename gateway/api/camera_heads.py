"""What follows a turn of a camera's head: a continuous move is stopped in time, and an arrival at a preset is noted.

Rules belong to a preset: while a head turns, and at a view that nobody stored, the zones drawn for another view mean
nothing. One thing follows for each camera; a new command takes the place of what was to follow the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from camera_registry.ptz import Ptz
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

STOP_TRIES = 4
STOP_AGAIN = 1.0
ARRIVAL_SECONDS = 15.0
LOOK_EVERY = 0.5
UNTOLD_ARRIVAL = 4.0
"""Where the device does not tell whether it moves."""

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
        await asyncio.sleep(seconds)
        for _ in range(STOP_TRIES):
            try:
                async with ptz() as head:
                    return await head.stop()
            except Refusal as refused:
                log.warning("ptz_not_stopped", camera=code, reason=refused.reason)
            await asyncio.sleep(STOP_AGAIN)

    async def _arrive(self, code: str, ptz: OpenPtz, arrived: Arrived) -> None:
        loop = asyncio.get_running_loop()
        until, moving = loop.time() + ARRIVAL_SECONDS, True
        try:
            while moving and loop.time() < until:
                await asyncio.sleep(LOOK_EVERY)
                async with ptz() as head:
                    told = await head.moving()
                if told is None:
                    await asyncio.sleep(UNTOLD_ARRIVAL)
                    break
                moving = told
        except Refusal as refused:
            log.info("ptz_arrival_not_seen", camera=code, reason=refused.reason)
            return
        await arrived()
