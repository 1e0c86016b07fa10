"""An engine of one's own for a trial, in this process: no service need run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from detectors.answers import AnswerUnusable
from detectors.engine import Detector, EngineName
from detectors.networks import Networks, open_networks
from gateway.refusals import Refusal
from gateway.workers.camera.sight import Answer, Asks, Picture


def asking(networks: Networks) -> Asks:
    """Asks the networks in a thread. Where they answer with nothing usable, what they would have raised is not known:
    raises ``Refusal`` ``weights_answer_nothing_usable``."""

    async def ask(picture: Picture, part: str) -> Answer | None:
        try:
            seen = await asyncio.to_thread(networks.look, picture, part)
        except AnswerUnusable as unusable:
            name = networks.detector.card.name
            raise Refusal(
                "unavailable",
                "weights_answer_nothing_usable",
                f"模型 {name} 对录像画面（{part}）的输出无效：{unusable.zh}",
                f"the weights {name} answer a picture of the footage ({part}) with nothing usable: {unusable.en}",
            ) from unusable
        return Answer(seen.detections, networks.detector.card, seen.judged)

    return ask


def opened(engine: EngineName, card: Path, threads: int = 0) -> tuple[Detector, Asks]:
    """The weights of a card, with what asks them. Blocks for seconds. Raises ``WeightsRefused``."""
    networks = open_networks(engine, card, threads)
    return networks.detector, asking(networks)
