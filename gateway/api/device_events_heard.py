"""What the doors ask of whoever listens to cameras' own events (ONVIF pull points)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from camera_registry.errors import Reason


@dataclass(frozen=True, slots=True)
class EventsHeard:
    """``subscribed``: the camera is heard now; ``reason``: why not. ``items``: the last events, newest last."""

    subscribed: bool
    reason: Reason | None
    items: Sequence[dict[str, Any]]


class DeviceEventsHeard(Protocol):
    def heard(self, code: str) -> EventsHeard | None:
        """None where the camera is not listened to."""
