"""How long a hazard may wait for a person, and when it is over. From the settings, by hazard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.events.mode import PEACE, Conduct
from gateway.settings import WindowSettings

SILENCE_GRACE = timedelta(seconds=30)
"""An open alert that its worker says nothing about ends this long after its end window: the worker may be gone."""


@dataclass(frozen=True, slots=True)
class HazardWindows:
    """``acknowledge``: from raised to acknowledged; ``assess``: from acknowledged to assessed; ``end``: released."""

    acknowledge: timedelta
    assess: timedelta
    end: timedelta

    @property
    def silence(self) -> timedelta:
        return self.end + SILENCE_GRACE

    @property
    def reopened_within(self) -> timedelta:
        """Since an alert that was ended for silence was last seen. Its worker was out of hearing for a moment; later,
        what is seen is another hazard, and told as such."""
        return 2 * self.silence


def windows_of(settings: WindowSettings, hazard: str, conduct: Conduct = PEACE) -> HazardWindows:
    """A hazard without windows of its own takes those of fire: the shortest. A mode shortens what waits for people."""
    if hazard == "crowd":
        seconds = (settings.crowd_acknowledge, settings.crowd_assess, settings.crowd_end)
    elif hazard == "stall":
        seconds = (settings.stall_acknowledge, settings.stall_assess, settings.stall_end)
    else:
        seconds = (settings.fire_acknowledge, settings.fire_assess, settings.fire_end)
    acknowledge, assess, end = (timedelta(seconds=s) for s in seconds)
    return HazardWindows(acknowledge * conduct.window_share, assess * conduct.window_share, end)
