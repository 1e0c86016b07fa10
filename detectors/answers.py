"""What a network may answer: numbers, and for scores such as lie in 0..1. Whatever else it answers is told apart from
"nothing seen": a comparison with NaN is false."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SCORE_SLACK = 0.01
"""By how much arithmetic of few bits may carry a score beyond 0..1."""


class AnswerUnusable(Exception):
    """A network answered with what is no detection: NaN, infinity, scores outside 0..1, another shape."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def shape_differs(shape: tuple[int, ...], wanted: str) -> AnswerUnusable:
    """To be raised for an answer of this ``shape`` to a question about ``wanted``."""
    return AnswerUnusable(f"形状 {shape}", f"shape {shape} for {wanted}")


def check_numbers(values: NDArray[np.float32]) -> None:
    """Raises ``AnswerUnusable`` where one of the ``values`` is none."""
    if not cv2.checkRange(values)[0]:
        raise AnswerUnusable("含 NaN 或无穷大", "NaN or infinity")


def check_scores(scores: NDArray[np.float32]) -> None:
    """Raises ``AnswerUnusable`` where one of the ``scores`` is no number or outside 0..1."""
    if not cv2.checkRange(scores, minVal=-SCORE_SLACK, maxVal=1 + SCORE_SLACK)[0]:
        check_numbers(scores)
        raise AnswerUnusable("得分超出 0 到 1", "scores outside 0 to 1")
