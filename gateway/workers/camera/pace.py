"""How a camera is looked at, measured live: looks a second asked and achieved, how late the answers come, and how many
pictures the engine left out. Pure."""

from __future__ import annotations

from collections import deque

OVER = 60.0
"""Seconds over which rates are taken."""
SMOOTHED = 0.2
"""Share of the newest look in the delay that is shown."""
BEHIND, CAUGHT_UP = 0.2, 0.1
"""Shares of a camera's pictures left out: from the first on its rules are told so, below the second no more."""
LEAST_LOOKS = 10
"""Before so many nothing is said of a share; an engine that begins again leaves out fewer."""


class Pace:
    """Told of each look; times are seconds since the epoch."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._looks: deque[float] = deque(maxlen=600)
        self._left_out: deque[float] = deque(maxlen=600)
        self._delay = 0.0
        self.unanswered = 0
        self.behind = False
        """Whether so many pictures are left out that a hazard may be told late, or not at all."""

    def answered(self, arrival: float, now: float) -> None:
        """A look at the picture that arrived then was judged now."""
        late = max(0.0, now - arrival)
        self._delay = late if self.delay(now) is None else (1 - SMOOTHED) * self._delay + SMOOTHED * late
        self._looks.append(now)
        self._weigh(now)

    def left_out(self, now: float) -> None:
        """A picture got no answer: the engine is away, or had no time for it."""
        self.unanswered += 1
        self._left_out.append(now)
        self._weigh(now)

    def delay(self, now: float) -> float | None:
        """Seconds from a picture's arrival to the rules' verdict on it, smoothed; None without a look in the last
        minute."""
        return self._delay if any(now - OVER < at <= now for at in self._looks) else None

    def rate(self, now: float) -> float:
        """Looks a second over the last minute, or since the beginning."""
        since = max(now - OVER, self._began)
        return sum(since < at <= now for at in self._looks) / max(1.0, now - since)

    def left_out_share(self, now: float) -> float:
        """Of the pictures of the last minute; 0 where there was none."""
        return self._counted(now)[1]

    def _counted(self, now: float) -> tuple[int, float]:
        left_out = sum(now - OVER < at <= now for at in self._left_out)
        pictures = left_out + sum(now - OVER < at <= now for at in self._looks)
        return pictures, left_out / pictures if pictures else 0.0

    def _weigh(self, now: float) -> None:
        self._began = min(self._began, now)  # the clock may have been set back
        pictures, share = self._counted(now)
        self.behind = pictures >= LEAST_LOOKS and share >= (CAUGHT_UP if self.behind else BEHIND)
