"""What the judge's doubt makes of a detector's score. Pure.

The judge says of the crop round a candidate, and of the whole picture, how likely each shows the hazard. What both
together do not believe lowers the detector's score, so far and no further: what the detector is sure of stays in sight,
and one of the two that is wrong (a flame far off in a wide street) is outweighed by the other. Nothing raises a score:
boxes in a picture that burns are no better placed for it.

Measured on val and, by scenes held out, on the train part (``docs/decisions/0111``): of weights 0.25 to 1 and limits 0
to 2, alone, together and raising scores too, these raise a fire on the fewest hard negatives at nine of ten found,
photos and camera frames each for itself, and cost fire no average precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SURE_FROM = 1.0
"""Logit from which the judge has no doubt."""
WEIGHT = 0.5
"""By how much of a doubt's logit the score's falls."""
MOST_DOUBT = 6.0
"""A doubt's logit counts no further than this: a score of 0.9 never falls below 0.3."""
_NEAREST = 1e-4
"""A share is kept so far from 0 and 1 that it has a logit."""


def together(judged: Sequence[float]) -> float:
    """What one or several shares, each 0..1, say together: their mean as logits, as a share again."""
    return _share(sum(_logit(one) for one in judged) / len(judged))


def doubted(score: float, judged: float) -> float:
    """The score (0..1) after what the judge said; never more than before."""
    doubt = min(MOST_DOUBT, SURE_FROM - _logit(judged))
    return score if doubt <= 0 else min(score, _share(_logit(score) - WEIGHT * doubt))


def _logit(share: float) -> float:
    kept = min(1 - _NEAREST, max(_NEAREST, share))
    return math.log(kept / (1 - kept))


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
