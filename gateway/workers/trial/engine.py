"""An engine of one's own for a trial, in this process: no service need run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from detectors.density import DensityCounter, open_density
from detectors.engine import Detector, open_detector
from gateway.processes.messages import DENSITY
from gateway.workers.camera.sight import Answer, Asks, Picture


def asking(detector: Detector, density: DensityCounter | None = None) -> Asks:
    """Asks a detector in a thread, and ``density`` for people where they are many."""

    async def ask(picture: Picture, part: str) -> Answer | None:
        sees = density.people if part == DENSITY and density is not None else detector.detect
        return Answer(await asyncio.to_thread(sees, picture), detector.card.sha256)

    return ask


def opened(card: Path, threads: int = 0) -> tuple[Detector, Asks]:
    """The weights of a card, with what asks them. Blocks for seconds. Raises ``WeightsRefused``."""
    detector = open_detector("auto", card, threads)
    return detector, asking(detector, open_density(card, max(1, threads)))
