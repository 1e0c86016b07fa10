"""The engine as a camera asks it: over the line to the inference process, in time, as urgent as its rules make it."""

from __future__ import annotations

from collections.abc import Callable

from detectors.observation import Box, Detection
from gateway.processes.messages import LookAt, Seen
from gateway.workers.camera.inference_link import InferenceLink
from gateway.workers.camera.sight import Answer, Asks, Picture

UNTOLD = (384, 640)
"""Before any engine has told its card, the health of a camera is judged by pictures of this size."""
STALE = 5.0
"""Seconds after its arrival at which a picture is of no use to a rule."""


class Eye:
    """Shared by all cameras of a worker."""

    def __init__(self, link: InferenceLink, clock: Callable[[], float]) -> None:
        self._link = link
        self._clock = clock
        self.stale = 0

    def input_size(self) -> tuple[int, int]:
        """Height and width in px that pictures are made for now: those of the engine's card."""
        return UNTOLD if self._link.card is None else self._link.card.input_size

    def of(self, code: str, arrival: float, urgency: float) -> Asks:
        """Asks about the picture of a camera that arrived at that time, and about its parts."""
        deadline = arrival + STALE

        async def ask(picture: Picture, part: str) -> Answer | None:
            if self._clock() > deadline:
                self.stale += 1
                return None
            height, width = picture.shape[:2]
            question = LookAt(code, picture.tobytes(), width, height, arrival, deadline, part, urgency)
            looked = await self._link.look(question, timeout=max(0.1, deadline - self._clock()))
            if looked is None:
                return None
            return Answer(_detections(looked.seen), looked.card, looked.seen.judged)

        return ask


def _detections(seen: Seen) -> tuple[Detection, ...]:
    return tuple(Detection(o.label, o.score, Box(o.x1, o.y1, o.x2, o.y2)) for o in seen.objects)
