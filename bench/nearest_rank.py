"""Figures of few values."""

from __future__ import annotations

import math
from collections.abc import Collection


def p95(values: Collection[float]) -> float | None:
    """The least of the values that 95 % of them do not exceed (nearest rank; of fewer than twenty the largest): nothing
    between two values, which of a few would hide the worst. None where there are none, or it is no number that was
    reached (``inf``: never)."""
    if not values:
        return None
    value = sorted(values)[math.ceil(0.95 * len(values)) - 1]
    return value if math.isfinite(value) else None
