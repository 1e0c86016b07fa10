"""When the room worker looks through all its objects for those that only refer to each other.

Python does so by itself whenever enough have been made, and everything stands meanwhile: 116 ms with a hundred
connections (measured), which everybody in every room sees as a picture that stands. What needs it is connections that
have ended. So it is done when nobody watches, when many have, and else once an hour; what was there at the start is
never looked through.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

LOOKS_EVERY = 5.0
MOST_ENDED = 64
"""Connections of some hundred kilobytes each: so many may lie about while somebody watches."""
MOST_LOOKS = 720
"""An hour: whatever else refers to itself does not pile up in a room that lasts all night."""
_NEVER = 1_000_000


class Garbage:
    """``ended`` counts the connections that ended so far; ``watched``: whether a stop would be seen."""

    def __init__(
        self, ended: Callable[[], int], watched: Callable[[], bool], collect: Callable[[], object] = gc.collect
    ) -> None:
        self._ended = ended
        self._watched = watched
        self._collect = collect
        self._seen = self._looks = 0

    def look(self) -> None:
        since = self._ended() - self._seen
        self._looks += 1
        if since >= MOST_ENDED or (since > 0 and not self._watched()) or self._looks >= MOST_LOOKS:
            self._seen, self._looks = self._seen + since, 0
            self._collect()

    async def run(self) -> None:
        """Until cancelled."""
        young, middle, _ = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(young, middle, _NEVER)
        while True:
            await asyncio.sleep(LOOKS_EVERY)
            self.look()
