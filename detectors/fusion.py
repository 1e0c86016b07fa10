"""Weighted boxes fusion: the boxes of several looks at one picture as one answer.

Solovyev, Wang and Gabruseva 2021 (Image and Vision Computing 107). Boxes of one label that lie over one another are
averaged, each weighing as much as its score; the score is the mean over the looks, one that does not show it counting
nothing. Chance of a single look, in score and place, is halved so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.observation import Box, Detection

ALIKE = 0.55
"""Intersection over union from which boxes are of one thing; the paper's."""


@dataclass(slots=True)
class _Group:
    label: str
    box: Box
    members: list[Detection]

    def add(self, one: Detection) -> None:
        self.members.append(one)
        weight = sum(other.score for other in self.members)
        self.box = Box(
            *(
                sum(other.score * side for other, side in zip(self.members, sides, strict=True)) / weight
                for sides in zip(*(_sides(other.box) for other in self.members), strict=True)
            )
        )


def fused(looks: Sequence[Sequence[Detection]]) -> tuple[Detection, ...]:
    """The detections of all ``looks``, scores above 0, boxes normalised to the same picture; the best come first."""
    groups: list[_Group] = []
    for one in sorted((one for look in looks for one in look), key=lambda one: -one.score):
        near = max(
            (group for group in groups if group.label == one.label),
            key=lambda group: group.box.iou(one.box),
            default=None,
        )
        if near is not None and near.box.iou(one.box) > ALIKE:
            near.add(one)
        else:
            groups.append(_Group(one.label, one.box, [one]))
    found = (
        Detection(group.label, sum(one.score for one in group.members) / max(len(looks), len(group.members)), group.box)
        for group in groups
    )
    return tuple(sorted(found, key=lambda one: -one.score))


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2
