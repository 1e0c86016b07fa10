"""How a camera is looked at, measured live: looks a second asked and achieved, and how late the answers come. Pure."""

from __future__ import annotations

from collections import deque

OVER = 60.0
"""Seconds over which rates are taken."""
SMOOTHED = 0.2
"""Share of the newest look in the delay that is shown."""


class Pace:
    """Told of each look that was answered; times are seconds since the epoch."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._looks: deque[float] = deque(maxlen=600)
        self.delay = 0.0
        """Seconds from a picture's arrival to the rules' verdict on it, smoothed."""

    def answered(self, arrival: float, now: float) -> None:
        """A look at the picture that arrived then was judged now."""
        late = max(0.0, now - arrival)
        self.delay = late if not self._looks else (1 - SMOOTHED) * self.delay + SMOOTHED * late
        self._looks.append(now)

    def rate(self, now: float) -> float:
        """Looks a second over the last minute, or since the beginning."""
        since = max(now - OVER, self._began)
        return sum(at > since for at in self._looks) / max(1.0, now - since)
