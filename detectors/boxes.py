"""From the network's raw output to detections: scores against thresholds, then non-maximum suppression by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.letterbox import Placement
from detectors.observation import Detection

IOU, PEOPLE_IOU = 0.5, 0.6
"""A box falls when a better one of its class covers it by more than this: people stand before one another."""
MOST = 300
"""Detections kept of one picture, the best ones."""
MOST_CANDIDATES = 3000
BLOCK = 256
"""Candidates that are compared with one another at once. A crowd has 80: one by one they take three times as long."""
SCORE_SLACK = 0.01
"""By how much arithmetic of few bits may carry a score beyond 0..1."""


class AnswerUnusable(Exception):
    """A network answered with what is no detection: NaN, infinity, scores outside 0..1, another shape."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def detections(
    output: NDArray[np.float32], classes: Sequence[str], thresholds: Mapping[str, float], placement: Placement
) -> tuple[Detection, ...]:
    """``output`` is ``[4 + classes, N]``: centre x, y, width, height in input px, then each class's score.

    Raises ``AnswerUnusable``: a comparison with NaN is false, so that it would pass for "nothing seen".
    """
    if output.ndim != 2 or len(output) != 4 + len(classes):
        raise AnswerUnusable(f"形状 {output.shape}", f"shape {output.shape} for {len(classes)} classes")
    if not np.isfinite(output).all():
        raise AnswerUnusable("含 NaN 或无穷大", "NaN or infinity")
    scores = output[4:]
    if scores.size and not (scores.min() >= -SCORE_SLACK and scores.max() <= 1 + SCORE_SLACK):
        raise AnswerUnusable("得分超出 0 到 1", "scores outside 0 to 1")
    limits = np.array([thresholds[name] for name in classes], np.float32)
    kinds, rows = np.nonzero(scores >= limits[:, None])
    if not len(rows):
        return ()
    values = scores[kinds, rows]
    if len(rows) > MOST_CANDIDATES:
        best = np.argpartition(-values, MOST_CANDIDATES)[:MOST_CANDIDATES]
        rows, kinds, values = rows[best], kinds[best], values[best]
    centre, size = output[:2, rows].T, output[2:4, rows].T
    allowed = np.array([PEOPLE_IOU if name == "person" else IOU for name in classes], np.float32)
    corners = np.concatenate((centre - size / 2, centre + size / 2), axis=1).astype(np.float32)
    kept = suppressed(corners, values, kinds, allowed[kinds])[:MOST]
    found = (
        Detection(classes[kind], min(1.0, score), box)
        for kind, score, box in zip(
            kinds[kept].tolist(), values[kept].tolist(), placement.boxes(corners[kept]), strict=True
        )
    )
    # What lies in the padding alone has nothing left of it.
    return tuple(one for one in found if one.box.area > 0)


def suppressed(
    corners: NDArray[np.float32], scores: NDArray[np.float32], kinds: NDArray[np.int64], allowed: NDArray[np.float32]
) -> list[int]:
    """Indices of what is kept, best first: a box falls when a better one of its class covers it by more than
    ``allowed``, the intersection over union that it may have.

    Equal scores are kept in the order of their boxes, so that every engine gives the same list.
    """
    order = np.lexsort((corners[:, 1], corners[:, 0], -scores))

    x1, y1, x2, y2 = np.ascontiguousarray(corners.T)
    area = np.maximum(0, x2 - x1) * np.maximum(0, y2 - y1)

    def falls(better: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Better × others: which of the others fall by which of the better ones."""
        one = better[:, None]
        both = np.maximum(0, np.minimum(x2[one], x2[others]) - np.maximum(x1[one], x1[others]))
        both *= np.maximum(0, np.minimum(y2[one], y2[others]) - np.maximum(y1[one], y1[others]))
        covered = both > allowed[others] * (area[one] + area[others] - both)
        return np.asarray(covered & (kinds[one] == kinds[others]), np.bool_)

    kept: list[int] = []
    while len(order):
        block, order = order[:BLOCK], order[BLOCK:]
        by = falls(block, block)
        stands = np.ones(len(block), bool)
        for number in range(len(block)):
            if stands[number]:
                stands[number + 1 :] &= ~by[number, number + 1 :]
        block = block[stands]
        kept += block.tolist()
        if len(order):
            order = order[~falls(block, order).any(axis=0)]
    return kept
