"""When a worker that died is started again. Pure: exits in, a delay out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """Times (monotonic seconds) of a worker's recent exits, oldest first."""

    exits: tuple[float, ...] = ()


WINDOW = 60.0
"""Exits older than this many seconds are forgotten."""
LONGEST_DELAY = 30.0


def after_exit(history: RestartHistory, at: float) -> tuple[RestartHistory, float]:
    """Note an exit; answer the history and the seconds to wait before the next start.

    The first exit within a minute is answered at once, so that a camera is back in well under 5 s; each further one
    doubles the wait from 1 s on, so that a worker that cannot start does not burn a core.
    """
    exits = (*(earlier for earlier in history.exits if at - earlier < WINDOW), at)
    repeated = len(exits) - 1
    delay = 0.2 if repeated == 0 else min(LONGEST_DELAY, 2.0 ** (repeated - 1))
    return RestartHistory(exits), delay
