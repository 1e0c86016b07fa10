"""How long to wait before the next attempt: longer each time, never all at once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first`` seconds, then ``growth`` times as long each time up to ``longest``; a random part of it (``jitter``) is
    taken off, so that fifty cameras behind one switch do not all come back in the same instant."""

    first: float = 1.0
    longest: float = 30.0
    jitter: float = 0.3
    growth: float = 2.0

    def pause(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row (1: the first). ``random`` answers from [0, 1)."""
        whole = min(self.longest, self.first * self.growth ** min(failures - 1, 60))
        return whole * (1 - self.jitter * random())
