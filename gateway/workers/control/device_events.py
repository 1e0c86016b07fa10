"""What cameras report of themselves (motion, tamper, digital inputs), heard by a pull point for each that is asked.

Only cameras for which it is switched on: each holds one of its device's few places and one connection. What is heard
goes onto the live stream; the last of it is kept in memory, for it decides nothing here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import select

from camera_registry.control import CameraControl
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login
from camera_registry.onvif_session import LOGIN_REASONS, Unsupported
from camera_registry.pull_point import DeviceEvent, PullPoint
from gateway.api.device_events_heard import EventsHeard
from gateway.clock import Clock
from gateway.live import LiveHub, Notice
from gateway.processes.messages import Sample
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

KEPT = 100
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0
WAIT_AFTER_LOGIN = 900.0
"""After a refused login: a camera must not lock its account over what it is asked for on the side."""
MOST_LISTENED = 1_000


@dataclass(frozen=True, slots=True)
class Heard:
    """An event and when it came."""

    event: DeviceEvent
    at: datetime


@dataclass(slots=True, eq=False)
class Listening:
    """One camera. ``subscribed``: it is heard now; ``reason``: why not, where it is not."""

    code: str
    platform: str
    task: asyncio.Task[None] | None = None
    subscribed: bool = False
    reason: Reason | None = None
    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    platform: str
    address: str
    login: Login | None = field(repr=False)
    clear_login: bool = False


class DeviceEvents:
    """One for the process: ``await start()``, ``await changed(code)`` after a record changed, ``await close()``.

    ``wake`` is called with the code of a camera that reports something that begins now.
    """

    def __init__(
        self,
        db: Database,
        vault: Vault,
        control: CameraControl,
        live: LiveHub,
        clock: Clock,
        wake: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._db = db
        self._vault = vault
        self._control = control
        self._live = live
        self._clock = clock
        self._wake = wake
        self._cameras: dict[str, Listening] = {}
        self._asked: dict[str, _Asked] = {}

    async def start(self) -> None:
        async with self._db.reading() as session:
            wanted = select(CameraRow.code).where(CameraRow.device_events, CameraRow.status == "in_use")
            codes = list(await session.scalars(wanted.order_by(CameraRow.code).limit(MOST_LISTENED)))
        for code in codes:
            try:
                await self.changed(code)
            except Exception as error:  # one camera's oddity must not keep the service from starting
                if isinstance(error, Refusal) and error.kind == "unavailable":
                    raise
                log.exception("camera_events_not_heard", camera=code)

    async def changed(self, code: str) -> None:
        """Begin, end, or begin anew, where address, login or wish are others now."""
        asked = await self._wanted(code)
        if asked == self._asked.get(code):
            return
        await self._end(code)
        if asked is None or len(self._cameras) >= MOST_LISTENED:
            return
        self._asked[code] = asked
        camera = self._cameras[code] = Listening(code, asked.platform)
        camera.task = asyncio.create_task(self._listen(camera, asked), name=f"events-{code}")

    async def close(self) -> None:
        for code in list(self._cameras):
            await self._end(code)

    def heard(self, code: str) -> EventsHeard | None:
        """None where the camera is not listened to."""
        camera = self._cameras.get(code)
        if camera is None:
            return None
        return EventsHeard(camera.subscribed, camera.reason, [shown_event(one) for one in camera.heard])

    def samples(self) -> Sequence[Sample]:
        listened = list(self._cameras.values())
        return (
            Sample("gateway_camera_events_subscribed", {}, float(sum(one.subscribed for one in listened))),
            Sample("gateway_camera_events_total", {}, float(sum(one.count for one in listened)), "counter"),
        )

    async def _wanted(self, code: str) -> _Asked | None:
        async with self._db.reading() as session:
            store = DatabaseCameraStore(session, self._vault)
            row = await store.row(code)
            if row is None or not row.device_events or row.status != "in_use" or row.onvif_address is None:
                return None
            try:
                login = await store.login(row)
            except Refusal:
                return None
            return _Asked(row.platform, row.onvif_address, login, row.clear_login)

    async def _end(self, code: str) -> None:
        self._asked.pop(code, None)
        camera = self._cameras.pop(code, None)
        if camera is not None and camera.task is not None:
            camera.task.cancel()
            await asyncio.gather(camera.task, return_exceptions=True)

    async def _listen(self, camera: Listening, asked: _Asked) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._hear(camera, asked)
            except CameraRefused as refused:
                camera.reason = refused.cause
                log.info("camera_events_away", camera=camera.code, reason=refused.reason, detail=refused.detail)
                wait = WAIT_AFTER_LOGIN if refused.cause in LOGIN_REASONS else min(wait * 2, LONGEST_WAIT)
            except Exception:  # one camera's oddity must not end the listening for good
                log.exception("camera_events_failed", camera=camera.code)
                wait = LONGEST_WAIT
            if camera.subscribed:
                camera.subscribed, wait = False, FIRST_WAIT
            await asyncio.sleep(wait)

    async def _hear(self, camera: Listening, asked: _Asked) -> None:
        async with self._control.listening(asked.address, asked.login, clear_login=asked.clear_login) as session:
            point = PullPoint(session)
            await point.create()
            camera.subscribed, camera.reason = True, None
            try:
                while True:
                    try:
                        events = await point.pull()
                    except Unsupported as lost:
                        # The device was restarted, or thought the subscription over: what it says now begins anew.
                        log.info("camera_events_lost", camera=camera.code, why=str(lost))
                        await asyncio.sleep(FIRST_WAIT)
                        await point.create()
                        continue
                    for event in events:
                        self._heard(camera, event)
            finally:
                with suppress(CameraRefused, Unsupported, TimeoutError):
                    async with asyncio.timeout(2.0):
                        await point.end()

    def _heard(self, camera: Listening, event: DeviceEvent) -> None:
        heard = Heard(event, self._clock())
        camera.heard.append(heard)
        camera.count += 1
        if event.state and not event.initial:
            self._wake(camera.code)
        self._live.publish(Notice("camera.event", camera.platform, {"code": camera.code, **shown_event(heard)}))


def shown_event(heard: Heard) -> dict[str, object]:
    """As the doors and the live stream show it."""
    event = heard.event
    return {
        "kind": event.kind,
        "topic": event.topic,
        "state": event.state,
        "source": event.source,
        "initial": event.initial,
        "at": heard.at.isoformat(),
        "device_at": None if event.at is None else event.at.isoformat(),
    }
