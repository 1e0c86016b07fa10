"""Where two sets of weights see different things on the same picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.observation import Box, Detection

SAME = 0.4
"""Least overlap (IoU) of two boxes of one class that are the same thing."""
LABELS = frozenset({"fire", "smoke", "stall"})
"""What is compared box by box; people are compared by their number."""
PEOPLE_APART = 0.25
"""Share by which two counts of people must differ, and by more than two, to be told."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``seen_by`` the old weights or the new ones alone. For people ``score`` is by how many more they see."""

    seen_by: Literal["old", "new"]
    label: str
    score: float
    box: Box | None


def differences(old: Sequence[Detection], new: Sequence[Detection]) -> tuple[Difference, ...]:
    """What only one of the two sees, the surest first."""
    found = [
        *(Difference("old", one.label, one.score, one.box) for one in _alone(old, new)),
        *(Difference("new", one.label, one.score, one.box) for one in _alone(new, old)),
    ]
    before, after = (sum(one.label == "person" for one in seen) for seen in (old, new))
    if abs(before - after) > max(2, PEOPLE_APART * max(before, after)):
        found.append(Difference("old" if before > after else "new", "person", float(abs(before - after)), None))
    return tuple(sorted(found, key=lambda one: -one.score))


def _alone(some: Sequence[Detection], others: Sequence[Detection]) -> list[Detection]:
    return [
        one
        for one in some
        if one.label in LABELS
        and not any(other.label == one.label and other.box.iou(one.box) >= SAME for other in others)
    ]
