"""What the registry needs to keep cameras: a store. Implemented over a database elsewhere.

Logins pass through the store sealed and unsealed by it; nobody else sees them at rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from camera_registry.codes import CameraCode, CodeRange
from camera_registry.health import HealthState
from camera_registry.login import Login
from camera_registry.registration import CameraFound


@dataclass(frozen=True, slots=True)
class Site:
    """Where a camera stands (点位). ``lng``/``lat`` are WGS-84; ``grid`` is the code of its grid."""

    name: str
    platform: str
    grid: str | None = None
    lng: float | None = None
    lat: float | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class HealthNote:
    """A camera's last reported health."""

    state: HealthState
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """A registered camera (一机一档), without its login."""

    id: str
    code: str
    site: Site
    stream_url: str
    onvif_address: str | None
    sub_stream_url: str | None
    encoding: str
    vendor: str
    model: str
    firmware: str
    serial: str
    clock_offset: float | None
    status: str
    note: str
    health: HealthNote
    registered_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """What a worker must know to pull a camera. ``rules`` None: it was given none, so the first values hold."""

    code: str
    camera_id: str
    platform: str
    stream_url: str
    login: Login | None = field(repr=False)
    rules: tuple[dict[str, Any], ...] | None = None
    sub_stream_url: str | None = None
    clear_login: bool = False
    """Whether the camera may be sent its password readably, over RTSP Basic."""
    preset: str | None = ""
    """The preset its head was sent to; empty: it was never steered; None: a view that nobody stored."""


class CameraStore(Protocol):
    """Cameras within one transaction. Raises ``CameraRefused`` for what the registry's own rules forbid."""

    async def next_code(self, code_range: CodeRange) -> CameraCode:
        """The next code of the range, never given before; rolled back with the transaction."""

    async def add(
        self, code: CameraCode, found: CameraFound, site: Site, login: Login | None, note: str, now: datetime
    ) -> CameraRecord:
        """Raises ``camera_already_registered``, with the code of the one there is."""

    async def get(self, code: str) -> CameraRecord | None: ...

    async def orders(self, codes: Sequence[str] | None = None) -> list[StreamOrder]:
        """The cameras that are to be pulled: all in use, or those of ``codes`` that are."""

    async def note_health(self, code: str, note: HealthNote) -> CameraRecord | None:
        """Keep what a worker reports; None for a camera that is gone."""

    async def remove(self, code: str, now: datetime) -> bool:
        """Take a camera out: its login is wiped, its code stays used. False where there is none."""
