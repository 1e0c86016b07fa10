"""Parts of a stall, and vehicles, found by a network that learnt everyday things: see ``detectors.rules.cues``. Beside
them it may tell where a market scene lies, which is a stall without its parts: see ``detectors.market``.

It stands beside the detector, is named by its card, and is asked seldom, where a rule watches for stalls: they stand
for minutes. Its classes are those of what it learnt (banana, orange, bottle), each with the name that rules know
(goods); so two fruits that lie in one another's boxes stay two pieces.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import market
from detectors.answers import AnswerUnusable
from detectors.beside import checked, runner
from detectors.boxes import detections
from detectors.card import Cues
from detectors.card_file import load_card
from detectors.checking import noise, seen_to_answer
from detectors.input_size import input_for
from detectors.letterbox import letterbox, shows_nothing
from detectors.observation import Detection

NAMES = ("摊点物件模型", "network for the parts of a stall")
STRIDE = 32


class CueFinder:
    """May be called from several threads; one at a time computes. Raises ``WeightsRefused``."""

    def __init__(self, cues: Cues, weights: Path, threads: int) -> None:
        data = checked(weights, cues.sha256, *NAMES)
        self._cues = cues
        self._lock = threading.Lock()
        self._run = runner(data, threads, *NAMES, bfloat16=True)
        with seen_to_answer(*NAMES):
            self.find(noise(*cues.input_size))

    def find(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """What is seen in ``picture`` (BGR H×W×3), boxes normalised to it; a market scene is a ``stall``. Raises
        ``AnswerUnusable``."""
        if shows_nothing(picture):
            return ()
        size = self._cues.input_size
        if self._run.any_size:
            size = input_for(*picture.shape[:2], size, STRIDE)
        tensor, placement = letterbox(picture, size)
        with self._lock:
            parts, *others = self._run.run(tensor)
        found = detections(parts[0], self._cues.classes, self._cues.thresholds, placement)
        if self._cues.market_from is None:
            return found
        if len(others) != 1:
            raise AnswerUnusable("没有集市场景输出", "no answer about market scenes")
        return (*market.stalls(others[0][0], self._cues.market_from, placement), *found)


def open_cues(card_path: Path, threads: int) -> CueFinder | None:
    """The finder that a card of weights names; None where it names none. Raises ``WeightsRefused``."""
    card = load_card(card_path)
    if card.cues is None:
        return None
    return CueFinder(card.cues, card_path.parent / card.cues.weights, threads)
