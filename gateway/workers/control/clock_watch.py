"""The cameras' clocks, read again and again from control; the worker that owns a camera is told how wrong its clock is.

A camera whose clock is off stamps its pictures with a wrong time, and refuses logins that are right. One small request
for each camera every ``EVERY`` seconds, spread over that time, a few at once, each with a time limit: a slow camera
keeps no other waiting. With more cameras than ``MOST_A_SECOND`` allows, each is asked less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import select

from camera_registry.address_policy import AddressPolicy
from camera_registry.clock_check import clock_offset
from camera_registry.errors import CameraRefused
from camera_registry.onvif_transport import open_http
from gateway.clock import Clock
from gateway.processes.messages import ClockOffset, Message, RetryLogin, Sample
from gateway.processes.periodic import PeriodicWork
from gateway.storage.database import Database
from gateway.storage.tables.cameras import CameraRow

EVERY = 8.0
"""Seconds from one reading of a camera's clock to the next."""
MOST_A_SECOND = 100.0
MOST_AT_ONCE = 32
ASK_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Clocked:
    """A camera whose clock can be read."""

    code: str
    onvif_address: str


class ClockWatch:
    """``tell`` brings what is told again before long to the worker that owns the camera, ``tell_until_taken`` what is
    said but once."""

    def __init__(
        self,
        db: Database,
        policy: AddressPolicy,
        clock: Clock,
        tell: Callable[[str, Message], None],
        tell_until_taken: Callable[[str, Message], None],
    ) -> None:
        self._db = db
        self._policy = policy
        self._clock = clock
        self._tell = tell
        self._tell_until_taken = tell_until_taken
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._silent: set[str] = set()
        """Codes of cameras that did not answer when they were asked last."""
        self.read = 0
        self.unread = 0
        self.work = PeriodicWork("clocks", self._turn, 0.0)  # a round takes its time

    async def _turn(self) -> None:
        await self.round(await self.cameras())

    async def cameras(self) -> list[Clocked]:
        """Those in use that were registered over ONVIF."""
        query = select(CameraRow.code, CameraRow.onvif_address).where(
            CameraRow.status == "in_use", CameraRow.onvif_address.is_not(None)
        )
        async with self._db.reading() as session:
            return [Clocked(code, address) for code, address in await session.execute(query) if address]

    async def round(self, cameras: list[Clocked], *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Ask each once, over ``EVERY`` seconds or more. What asking one comes to keeps no other from being asked."""
        by_code = {camera.code: camera for camera in cameras}
        ready = self.work.rows.ready(by_code, self._clock())
        between = max(EVERY / max(1, len(ready)), 1 / MOST_A_SECOND)
        async with asyncio.TaskGroup() as asking:
            for code in ready:
                await self._at_once.acquire()
                asking.create_task(self._ask(by_code[code]))
                await pause(between)
            if not ready:  # none there, or all put off: the next round begins at once
                await pause(EVERY)

    async def _ask(self, camera: Clocked) -> None:
        try:
            with self.work.rows.by_itself(camera.code, self._clock()):
                await self._read(camera)
        finally:
            self._at_once.release()

    async def _read(self, camera: Clocked) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS), open_http() as http:
                # The networks may have been narrowed since it was registered.
                address = await self._policy.onvif_address(camera.onvif_address)
                offset = await clock_offset(http, address, self._clock)
        except (CameraRefused, TimeoutError):
            self.unread += 1  # whether it is there at all its stream tells
            self._silent.add(camera.code)
            return
        self.read += 1
        if camera.code in self._silent:
            # It was restarted, which makes a camera forget wrong logins, and perhaps was given its password back.
            self._silent.discard(camera.code)
            self._tell_until_taken(camera.code, RetryLogin(camera.code))
        self._tell(camera.code, ClockOffset(camera.code, offset.total_seconds()))

    def samples(self) -> list[Sample]:
        return [
            Sample("gateway_camera_clocks_read_total", {}, self.read, "counter"),
            Sample("gateway_camera_clocks_unread_total", {}, self.unread, "counter"),
        ]
