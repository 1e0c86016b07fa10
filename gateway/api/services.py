"""What the HTTP doors stand on, put together once by the composition root and handed to ``create_app``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.attempts import Attempts
from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.device_events_heard import DeviceEventsHeard
from gateway.api.media import CameraMedia, NoCameraMedia
from gateway.api.trial_jobs import TrialJobs
from gateway.api.weights_desk import WeightsDesk
from gateway.clock import Clock, system_clock
from gateway.events.announcing import Announcer
from gateway.events.books import CityBooks
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.opening import Opening
from gateway.events.recent_views import RecentViews
from gateway.grid.dispatch_book import DispatchBook
from gateway.grid.locator import GridLocator
from gateway.live import LiveHub
from gateway.processes.messages import Message, Sample
from gateway.rooms.desk import RoomDesk
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.vault import Vault


class NoCameras(CameraFacts):
    """Where no camera is registered."""

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None:
        return None


def _no_samples() -> Iterable[Sample]:
    return ()


def _no_workers() -> Mapping[str, bool]:
    return {}


async def _no_assignments(code: str) -> None:
    """No worker pulls cameras; there is nobody to tell of a change."""


def _no_worker(code: str, message: Message) -> None:
    """No worker owns cameras; there is nobody to tell."""


def _no_recordings() -> None:
    """Nobody keeps recordings."""


def _no_works() -> Mapping[str, str]:
    return {}


def _no_reports() -> None:
    """Nobody makes reports; they wait."""


def _no_sender() -> None:
    """Nobody sends the outbox; it waits."""


def _sign_in_attempts() -> Attempts:
    return Attempts(limit=10, seconds=60)


def _sign_in_addresses() -> Attempts:
    """Names tried from one address; each try costs a core a while."""
    return Attempts(limit=120, seconds=60)


def _inbound_attempts() -> Attempts:
    """Messages of one receiver."""
    return Attempts(limit=300, seconds=60)


def _open311_attempts() -> Attempts:
    """Queries of one reader."""
    return Attempts(limit=120, seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One field for each part a door may use. ``workers_ready`` names each worker and whether it is ready."""

    settings: Settings
    db: Database
    vault: Vault
    clock: Clock = system_clock
    live: LiveHub = field(default_factory=LiveHub)
    passwords: Passwords = field(default_factory=Passwords)
    grids: GridLocator = field(default_factory=GridLocator)
    sign_in_attempts: Attempts = field(default_factory=_sign_in_attempts)
    sign_in_addresses: Attempts = field(default_factory=_sign_in_addresses)
    inbound_attempts: Attempts = field(default_factory=_inbound_attempts)
    open311_attempts: Attempts = field(default_factory=_open311_attempts)
    books: CityBooks = field(default_factory=CityBooks)
    dispatch: DispatchBook = field(default_factory=DispatchBook)
    cameras: CameraFacts = field(default_factory=NoCameras)
    camera_network: CameraNetwork | None = None
    cameras_changed: Callable[[str], Awaitable[None]] = _no_assignments
    """Told the code of a camera after its record has been committed, so that its worker hears of it."""
    tell_camera: Callable[[str, Message], None] = _no_worker
    """Sends a message to the worker that owns a camera, if there is one."""
    media: CameraMedia = field(default_factory=NoCameraMedia)
    device_events: DeviceEventsHeard | None = None
    rooms: RoomDesk | None = None
    trials: TrialJobs | None = None
    weights: WeightsDesk | None = None
    wake_outbox: Callable[[], None] = _no_sender
    recordings_changed: Callable[[], None] = _no_recordings
    """Called after the plan of a camera's recordings has been committed."""
    report_asked: Callable[[], None] = _no_reports
    """Called after a report has been asked for."""
    recent_views: RecentViews = field(default_factory=RecentViews)
    workers_ready: Callable[[], Mapping[str, bool]] = _no_workers
    works_failing: Callable[[], Mapping[str, str]] = _no_works
    """Names each periodic work whose last turn failed, and why."""
    extra_metrics: Callable[[], Iterable[Sample]] = _no_samples

    @property
    def announcer(self) -> Announcer:
        return Announcer(self.db, self.live, self.clock, self.wake_outbox)

    @property
    def opening(self) -> Opening:
        return Opening.of(self.settings, self.books, self.dispatch)


def services_of(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Doors = Annotated[Services, Depends(services_of)]
"""A router's parameter: ``async def list_cameras(doors: Doors, …)``."""
