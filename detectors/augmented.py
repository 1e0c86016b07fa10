"""Test-time augmentation: what may be fire or smoke is looked at once more, mirrored and smaller, and both looks are
fused (decision 0126).

A candidate that hangs on how the picture happens to lie in the input loses by it, a flame does not. The smaller view
takes half a look's time, and only a picture with a candidate takes it. Where the network answers that view with nothing
usable, what it saw in the first one stands: a fire is not silenced by it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import structlog
from numpy.typing import NDArray

from detectors.answers import AnswerUnusable
from detectors.closer import HAZARDS
from detectors.engine import Detector
from detectors.fusion import fused
from detectors.observation import Box, Detection

log = structlog.get_logger(__name__)

LEAST = 0.02
"""Score from which boxes of both views are fused, whoever asks: a flame that one view shows clearly and the other
hardly scores the same live as where the weights are judged, down to lower scores."""


def look(detector: Detector, picture: NDArray[np.uint8], *, lowest: float = 1.0) -> tuple[Detection, ...]:
    """What is seen in a whole picture (BGR H×W×3), from the card's thresholds on; with ``lowest`` from that score on
    where the threshold is higher. Raises ``AnswerUnusable``."""
    again, thresholds = detector.card.augmented, detector.card.thresholds_to(lowest)
    if again is None:
        return detector.detect(picture, thresholds=thresholds)
    least = {name: min(threshold, LEAST) if name in HAZARDS else threshold for name, threshold in thresholds.items()}
    found = detector.detect(picture, thresholds=least)
    hazards = [one for one in found if one.label in HAZARDS]
    if any(one.score >= again.from_score for one in hazards):
        turned = np.ascontiguousarray(picture[:, ::-1])
        try:
            mirrored = detector.detect(turned, thresholds=least, input_size=again.input_size)
        except AnswerUnusable as unusable:
            log.warning("second_view_unusable", detail=unusable.en)
        else:
            theirs = [_mirrored(one) for one in mirrored if one.label in HAZARDS]
            others = [one for one in found if one.label not in HAZARDS]
            found = tuple(sorted((*fused((hazards, theirs)), *others), key=lambda one: -one.score))
    return tuple(one for one in found if one.score >= thresholds[one.label]) if hazards else found


def _mirrored(one: Detection) -> Detection:
    return replace(one, box=Box(1 - one.box.x2, one.box.y1, 1 - one.box.x1, one.box.y2))
