"""From an encoded keyframe to what the engine saw on it: decoded in a thread, looked at in the inference process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from detectors.observation import Box, Detection, Look
from gateway.processes.messages import LookAt, Seen
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import PictureUnreadable, decode_keyframe, smaller
from gateway.workers.camera.inference_link import InferenceLink

log = structlog.get_logger(__name__)

Picture = NDArray[np.uint8]

STALE = 5.0
"""Seconds after its arrival at which a picture is of no use to a rule."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A look and the picture at full size that it was taken on (BGR)."""

    look: Look
    picture: Picture


class Eye:
    """Shared by all cameras of a worker. ``size``: height and width in px of the engine's input."""

    def __init__(
        self, link: InferenceLink, size: tuple[int, int], threads: Executor, clock: Callable[[], float]
    ) -> None:
        self._link = link
        self._size = size
        self._threads = threads
        self._clock = clock
        self.unreadable = 0
        self.stale = 0

    async def look(self, code: str, frame: EncodedFrame) -> Looked | None:
        """None: no engine, or the picture is damaged or too old."""
        if self._clock() - frame.arrival > STALE:
            self.stale += 1
            return None
        try:
            picture, small = await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, frame)
        except PictureUnreadable as refused:
            self.unreadable += 1
            log.info("keyframe_unreadable", camera=code, reason=refused.reason)
            return None
        deadline = frame.arrival + STALE
        height, width = small.shape[:2]
        question = LookAt(code, small.tobytes(), width, height, frame.arrival, deadline)
        seen = await self._link.look(question, timeout=max(0.1, deadline - self._clock()))
        return None if seen is None else Looked(_look(seen), picture)

    def _decode(self, frame: EncodedFrame) -> tuple[Picture, Picture]:
        picture = decode_keyframe(frame)
        height, width = self._size
        return picture, smaller(picture, width, height)


def _look(seen: Seen) -> Look:
    return Look(seen.taken_at, tuple(Detection(o.label, o.score, Box(o.x1, o.y1, o.x2, o.y2)) for o in seen.objects))
