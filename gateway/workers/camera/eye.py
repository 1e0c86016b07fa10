"""From a picture to what the engine saw on it, in the inference process."""

from __future__ import annotations

from collections.abc import Callable

from detectors.observation import Box, Detection, Look
from gateway.processes.messages import LookAt, Seen
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.inference_link import InferenceLink

STALE = 5.0
"""Seconds after its arrival at which a picture is of no use to a rule."""


class Eye:
    """Shared by all cameras of a worker."""

    def __init__(self, link: InferenceLink, clock: Callable[[], float]) -> None:
        self._link = link
        self._clock = clock
        self.stale = 0

    async def look(self, code: str, glimpse: Glimpse) -> Look | None:
        """None: no engine, or the picture is too old."""
        deadline = glimpse.arrival + STALE
        if self._clock() > deadline:
            self.stale += 1
            return None
        height, width = glimpse.small.shape[:2]
        question = LookAt(code, glimpse.small.tobytes(), width, height, glimpse.arrival, deadline)
        seen = await self._link.look(question, timeout=max(0.1, deadline - self._clock()))
        return None if seen is None else _look(seen)


def _look(seen: Seen) -> Look:
    return Look(seen.taken_at, tuple(Detection(o.label, o.score, Box(o.x1, o.y1, o.x2, o.y2)) for o in seen.objects))
