"""Whether a network that was loaded answers as a detector must: seen once at the start, never at three in the morning.

A file may be whole, of the right classes, and still be of no use: an export or a runtime that computes NaN or scores
that are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.refusals import WeightsRefused

if TYPE_CHECKING:
    from detectors.engine import Detector

SEED = 7


def noise(height: int, width: int) -> NDArray[np.uint8]:
    """A picture (BGR) that every network is shown once."""
    return np.random.default_rng(SEED).integers(0, 256, (height, width, 3), np.uint8)


@contextmanager
def seen_to_answer(zh: str, en: str) -> Iterator[None]:
    """Whatever goes wrong within is the network's fault, for it was shown pictures that are well: raises
    ``WeightsRefused`` ``weights_answer_nothing_usable``. ``zh``, ``en``: what the network is called."""
    try:
        yield
    except WeightsRefused:
        raise
    except Exception as error:  # the runtimes' own errors have no common class
        raise WeightsRefused(
            "weights_answer_nothing_usable",
            f"{zh}的输出无效（{getattr(error, 'zh', type(error).__name__)}），请重新导出",
            f"the {en} answers with nothing usable ({error}); export it anew",
        ) from error


def check_answers(detector: Detector) -> None:
    """Show it noise and a coarse pattern. Raises ``WeightsRefused`` ``weights_answer_nothing_usable``."""
    picture = noise(*detector.card.input_size)
    pattern = np.repeat(np.repeat(picture[::32, ::32], 32, axis=0), 32, axis=1)
    with seen_to_answer(f"模型 {detector.card.name} ", f"network {detector.card.name}"):
        for shown in (picture, pattern):
            detector.detect(shown)
        if detector.card.augmented is not None:  # and it is compiled before the first fire
            detector.detect(picture, input_size=detector.card.augmented.input_size)
