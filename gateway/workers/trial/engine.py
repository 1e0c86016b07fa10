"""An engine of one's own for a trial, in this process: no service need run."""

from __future__ import annotations

import asyncio

from detectors.engine import Detector
from gateway.workers.camera.sight import Answer, Asks, Picture


def asking(detector: Detector) -> Asks:
    """Asks a detector in a thread."""

    async def ask(picture: Picture, part: str) -> Answer | None:
        return Answer(await asyncio.to_thread(detector.detect, picture), detector.card.sha256)

    return ask
