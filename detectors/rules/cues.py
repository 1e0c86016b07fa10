"""What a stall is made of, and when it makes one: boxes of an umbrella, a cart, goods, grouped where they touch.

Pure. A network that learnt everyday things knows the parts of a stall where none of ours has seen a real one whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from detectors.observation import Box, Detection, around

CUES = frozenset({"umbrella", "cart", "tricycle", "table", "goods"})
VEHICLES = frozenset({"car", "bus", "truck", "van"})
GOODS, PIECES = "goods", 3
"""So many pieces of goods that lie together are a stall without anything else: one orange is somebody's lunch."""
ROOM = 0.5
"""Share of their sides by which a stall reaches beyond its goods on each side: they lie on a cart or table, somebody
stands behind it, and what stands on the ground is lower than what lies on it."""
NEAR = 0.25
"""Share of its sides by which a box is taken larger to touch another one."""
MOST = 60
"""Boxes of cues that are compared, the best ones."""


def stalls_of(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """One stall for each group of touching cues that makes one: two different kinds, or ``PIECES`` of goods. Its box is
    around the group, its score that of the second surest kind, or of the goods alone where that is more; pieces of one
    kind speak for one another (1 less the chance that all are wrong)."""
    cues = sorted((one for one in detections if one.label in CUES), key=lambda one: -one.score)[:MOST]
    return tuple(stall for group in _groups(cues) if (stall := _stall(group)) is not None)


def all_stalls(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """Those that cues make, whose boxes are the better ones, and those that were seen whole elsewhere."""
    made = stalls_of(detections)
    whole = (one for one in detections if one.label == "stall")
    return (*made, *(one for one in whole if not any(_mostly_in(other.box, one.box) for other in made)))


def _mostly_in(box: Box, other: Box) -> bool:
    return box.intersection(other) > 0.5 * box.area


def _stall(group: Sequence[Detection]) -> Detection | None:
    kinds = {one.label for one in group}
    sure = {kind: 1 - prod(1 - one.score for one in group if one.label == kind) for kind in kinds}
    scores = [sorted(sure.values())[-2]] if len(kinds) > 1 else []
    if sum(one.label == GOODS for one in group) >= PIECES:
        scores.append(sure[GOODS])
    if not scores:
        return None
    goods = [one.box for one in group if one.label == GOODS]
    others = [one.box for one in group if one.label != GOODS]
    return Detection("stall", max(scores), around([*others, *([_grown(around(goods), ROOM)] if goods else [])]))


def _groups(cues: Sequence[Detection]) -> list[list[Detection]]:
    """Those that touch, directly or over others."""
    groups: list[list[tuple[Box, Detection]]] = []
    for one in cues:
        reach = _grown(one.box, NEAR / 2)
        group, apart = [(reach, one)], []
        for other in groups:
            if any(reach.intersection(box) > 0 for box, _ in other):
                group += other
            else:
                apart.append(other)
        groups = [*apart, group]
    return [[one for _, one in group] for group in groups]


def _grown(box: Box, by: float) -> Box:
    """By a share of its sides on each side, within the picture."""
    dx, dy = by * box.width, by * box.height
    return Box(max(0.0, box.x1 - dx), max(0.0, box.y1 - dy), min(1.0, box.x2 + dx), min(1.0, box.y2 + dy))
