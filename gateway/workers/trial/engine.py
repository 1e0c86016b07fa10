"""An engine of one's own for a trial, in this process: no service need run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from detectors.engine import Detector
from detectors.networks import Networks, open_networks
from gateway.workers.camera.sight import Answer, Asks, Picture


def asking(networks: Networks) -> Asks:
    """Asks the networks in a thread."""

    async def ask(picture: Picture, part: str) -> Answer | None:
        seen = await asyncio.to_thread(networks.look, picture, part)
        return Answer(seen.detections, networks.detector.card, seen.judged)

    return ask


def opened(card: Path, threads: int = 0) -> tuple[Detector, Asks]:
    """The weights of a card, with what asks them. Blocks for seconds. Raises ``WeightsRefused``."""
    networks = open_networks("auto", card, threads)
    return networks.detector, asking(networks)
