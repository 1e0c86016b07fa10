"""The engine as a camera asks it: over the line to the inference process, in time, as urgent as its rules make it.

Where new weights look beside those in force, the engine asks now and then to be shown a picture whole, with what
counted in it: so the new ones take the same looks at it, and what they are compared with is what an officer got.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np

from detectors.observation import Box, Detection, Look
from gateway.processes.active import InThread
from gateway.processes.channel import MAX_FRAME
from gateway.processes.messages import LookBeside, SeenObject
from gateway.streams.keyframes import PictureUnreadable, smaller
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.inference_link import InferenceLink, Looked
from gateway.workers.camera.sight import Answer, Picture

UNTOLD = (384, 640)
"""Before any engine has told its card, the health of a camera is judged by pictures of this size."""
STALE = 5.0
"""Seconds after its arrival at which a picture is of no use to a rule."""
SHOWN_SIDE = 1920
"""Longer side in px of a full picture that is shown, 11 MB at most; a 1080p one as it is."""
WORDS = 1024 * 1024
"""Bytes of a message in which a picture is shown that are left to what counted in it."""


class Asking:
    """Asks about one picture of a camera and about its parts. ``beside``: the engine wants to be shown it whole."""

    def __init__(self, eye: Eye, code: str, arrival: float, urgency: float) -> None:
        self._eye = eye
        self._code = code
        self._arrival = arrival
        self._urgency = urgency
        self.beside = False

    async def __call__(self, picture: Picture, part: str) -> Answer | None:
        looked = await self._eye.ask(self._code, self._arrival, self._urgency, picture, part)
        if looked is None:
            return None
        self.beside = self.beside or looked.seen.beside
        return Answer(_detections(looked.seen.objects), looked.card, looked.seen.judged)


class Eye:
    """Shared by all cameras of a worker."""

    def __init__(self, link: InferenceLink, clock: Callable[[], float]) -> None:
        self._link = link
        self._clock = clock
        self._showing: asyncio.Task[None] | None = None
        self.stale = 0

    def input_size(self) -> tuple[int, int]:
        """Height and width in px that pictures are made for now: those of the engine's card."""
        return UNTOLD if self._link.card is None else self._link.card.input_size

    def of(self, code: str, arrival: float, urgency: float) -> Asking:
        """Asks about the picture of a camera that arrived at that time, and about its parts."""
        return Asking(self, code, arrival, urgency)

    async def ask(self, code: str, arrival: float, urgency: float, picture: Picture, part: str) -> Looked | None:
        """None: no answer in time."""
        deadline = arrival + STALE
        if self._clock() > deadline:
            self.stale += 1
            return None
        timeout = max(0.1, deadline - self._clock())
        return await self._link.look(
            code, picture, taken_at=arrival, deadline=deadline, timeout=timeout, part=part, urgency=urgency
        )

    def show(
        self, code: str, glimpse: Glimpse, look: Look, *, counts: bool, stalls: Box | None, in_thread: InThread
    ) -> None:
        """Show the engine a picture that it asked for, with what counted in it; one at a time, others are left out."""
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show(code, glimpse, look, counts, stalls, in_thread))

    async def _show(
        self, code: str, glimpse: Glimpse, look: Look, counts: bool, stalls: Box | None, in_thread: InThread
    ) -> None:
        try:
            full = await in_thread(lambda: _beside(glimpse))
        except PictureUnreadable:
            return
        (height, width), (full_height, full_width) = glimpse.small.shape[:2], full.shape[:2]
        objects = [
            SeenObject(one.label, one.score, one.box.x1, one.box.y1, one.box.x2, one.box.y2) for one in look.detections
        ]
        small, whole = glimpse.small.tobytes(), b"" if full is glimpse.small else full.tobytes()
        within = None if stalls is None else (stalls.x1, stalls.y1, stalls.x2, stalls.y2)
        shown = LookBeside(code, look.at, small, width, height, whole, full_width, full_height, objects, counts, within)
        self._link.tell(shown, look.weights)


def _beside(glimpse: Glimpse) -> Picture:
    """The full picture as large as the message takes it beside the small one; that itself where it is as large. Blocks.
    Raises ``PictureUnreadable``."""
    small = glimpse.small
    room = (MAX_FRAME - WORDS - small.nbytes) // 3
    if room <= small.shape[0] * small.shape[1]:
        return small
    full = smaller(glimpse.full(), SHOWN_SIDE, SHOWN_SIDE)
    height, width = full.shape[:2]
    if height * width > room:
        share = math.sqrt(room / (height * width))
        full = smaller(full, math.floor(width * share), math.floor(height * share))
    if full.shape[0] * full.shape[1] <= small.shape[0] * small.shape[1]:
        return small
    return np.ascontiguousarray(full)


def _detections(objects: list[SeenObject]) -> tuple[Detection, ...]:
    return tuple(Detection(o.label, o.score, Box(o.x1, o.y1, o.x2, o.y2)) for o in objects)
