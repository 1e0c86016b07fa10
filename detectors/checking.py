"""Whether a network that was loaded answers as a detector must: seen once at the start, never at three in the morning.

A file may be whole, of the right classes, and still be of no use: an export or a runtime that computes NaN or scores
that are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.boxes import AnswerUnusable
from detectors.weights import WeightsRefused

if TYPE_CHECKING:
    from detectors.engine import Detector

SEED = 7


def check_answers(detector: Detector) -> None:
    """Show it noise and a coarse pattern. Raises ``WeightsRefused`` ``weights_answer_nothing_usable``."""
    height, width = detector.card.input_size
    random = np.random.default_rng(SEED)
    noise = random.integers(0, 256, (height, width, 3), np.uint8)
    pattern = np.repeat(np.repeat(noise[::32, ::32], 32, axis=0), 32, axis=1)
    try:
        for picture in (noise, pattern):
            detector.detect(picture)
    except AnswerUnusable as error:
        raise WeightsRefused(
            "weights_answer_nothing_usable",
            f"模型 {detector.card.name} 的输出无效（{error.zh}），请重新导出",
            f"the weights {detector.card.name} answer with nothing usable ({error.en}); export them anew",
        ) from error
