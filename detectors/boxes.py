"""From the network's raw output to detections: scores against thresholds, then non-maximum suppression by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.answers import check_numbers, check_scores, shape_differs
from detectors.letterbox import Placement
from detectors.observation import Detection

IOU, PEOPLE_IOU = 0.5, 0.6
"""A box falls when a better one of its class covers it by more than this: people stand before one another."""
MOST = 300
"""Detections kept of one picture, the best ones."""
MOST_CANDIDATES = 1000
"""Boxes of one class that are compared with one another, the best ones: a crowd has 80 to 300, and noise must not cost
more than a network."""
HALF = np.float32(0.5)
SIDES = 4

BoxesOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Gives the boxes of K anchors (ascending): K×4, centre x, y, width, height in input px."""


def detections(
    output: NDArray[np.float32], classes: Sequence[str], thresholds: Mapping[str, float], placement: Placement
) -> tuple[Detection, ...]:
    """``output`` is ``[4 + classes, N]``: centre x, y, width, height in input px, then each class's score.

    The best come first. Raises ``AnswerUnusable``: a comparison with NaN is false, so that it would pass for "nothing
    seen".
    """
    if output.ndim != 2 or len(output) != SIDES + len(classes):
        raise shape_differs(output.shape, f"{len(classes)} classes")
    check_numbers(output[:SIDES])
    return chosen(output[SIDES:], lambda anchors: output[:SIDES, anchors].T, classes, thresholds, placement)


def chosen(
    scores: NDArray[np.float32],
    boxes: BoxesOf,
    classes: Sequence[str],
    thresholds: Mapping[str, float],
    placement: Placement,
) -> tuple[Detection, ...]:
    """As ``detections``, of the scores ``[classes, N]`` and of what gives the boxes of those that count."""
    if scores.ndim != 2 or len(scores) != len(classes):
        raise shape_differs(scores.shape, f"{len(classes)} classes")
    check_scores(scores)
    found: list[Detection] = []
    for name, values in zip(classes, scores, strict=True):
        (candidates,) = np.nonzero(values >= thresholds[name])
        if not len(candidates):
            continue
        sides = boxes(candidates)
        check_numbers(sides)
        centre, half = sides[:, :2], sides[:, 2:] * HALF
        corners = np.concatenate((centre - half, centre + half), axis=1)
        score = values[candidates]
        kept = suppressed(corners, score, PEOPLE_IOU if name == "person" else IOU)
        # What lies in the padding alone has nothing left of it.
        found += (
            Detection(name, min(1.0, score), box)
            for score, box in zip(score[kept].tolist(), placement.boxes(corners[kept]), strict=True)
            if box.area > 0
        )
    return tuple(sorted(found, key=lambda one: -one.score)[:MOST])


def suppressed(corners: NDArray[np.float32], scores: NDArray[np.float32], allowed: float) -> NDArray[np.int32]:
    """Indices of the boxes of one class that are kept, best first; of equal scores the first is better.

    ``corners`` N×4: x1, y1, x2, y2. A box falls when a better one covers it by more than ``allowed``, the intersection
    over union that it may have.
    """
    rectangles = corners.astype(np.float64)
    rectangles[:, 2:] -= rectangles[:, :2]
    kept = cv2.dnn.NMSBoxes(rectangles, scores, 0.0, allowed, top_k=MOST_CANDIDATES)  # type: ignore[arg-type]  # arrays too
    return np.asarray(kept, np.int32)
