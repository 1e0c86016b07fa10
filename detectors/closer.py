"""A second look: the part of the picture round a candidate for fire or smoke, at the full size of the picture.

What is 20 pixels wide in the engine's input is 60 in a 1080p picture. A flame is a flame at both sizes; a tail lamp or
a red sign, seen with its surroundings, mostly is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from detectors.doubt import doubted, together
from detectors.observation import Box, Detection

HAZARDS = frozenset({"fire", "smoke"})
ROOM = 1.0
"""By how much of its sides a crop reaches beyond the candidate on each side: a fire is known by where it is, too."""
LEAST_SIDE = 0.15
"""Share of the picture's sides that a crop has at least."""
MOST_CROPS = 2
TOO_LARGE = 0.5
"""A candidate that covers so much of the picture shows no more in a crop."""


@dataclass(frozen=True, slots=True)
class Crop:
    """What a second look saw: ``part`` of the picture, ``seen`` in it (normalised to it), and how likely it shows each
    hazard (``judged``; empty: nobody judged)."""

    part: Box
    seen: Sequence[Detection]
    judged: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def crops(detections: Sequence[Detection]) -> tuple[Box, ...]:
    """The parts of the picture to be looked at closer, round the best candidates."""
    found: list[Box] = []
    for one in sorted(detections, key=lambda one: -one.score):
        if one.label not in HAZARDS or one.box.area > TOO_LARGE:
            continue
        if len(found) == MOST_CROPS or any(lies_in(one.box, crop) for crop in found):
            continue
        found.append(room_round(one.box))
    return tuple(found)


def with_second_look(
    detections: Sequence[Detection], looked: Sequence[Crop], whole: Mapping[str, float] = MappingProxyType({})
) -> tuple[Detection, ...]:
    """The detections, each candidate that lies in a crop with the best score the crop gives the hazard at its place,
    and with what the judge says of that crop and of the ``whole`` picture, whose doubt lowers its score. Fire and smoke
    speak for one another in the crop."""
    return tuple(_looked_at(one, looked, whole) if one.label in HAZARDS else one for one in detections)


def still_seen(detections: Sequence[Detection], thresholds: Mapping[str, float]) -> tuple[Detection, ...]:
    """Without what the judge's doubt carried below its threshold."""
    return tuple(one for one in detections if one.judged is None or one.score >= thresholds[one.label])


def _looked_at(one: Detection, looked: Sequence[Crop], whole: Mapping[str, float]) -> Detection:
    around = next((crop for crop in looked if lies_in(one.box, crop.part)), None)
    said = [view[one.label] for view in (around.judged if around else {}, whole) if one.label in view]
    if said:
        judged = together(said)
        one = replace(one, score=doubted(one.score, judged), judged=judged)
    if around is None:
        return one
    there = (other for other in around.seen if other.label in HAZARDS)
    scores = (other.score for other in there if placed(other.box, around.part).intersection(one.box) > 0)
    return replace(one, closer=max(scores, default=0.0))


def placed(box: Box, part: Box) -> Box:
    """A box of a part of the picture as a box of the picture."""
    return Box(
        part.x1 + box.x1 * part.width,
        part.y1 + box.y1 * part.height,
        part.x1 + box.x2 * part.width,
        part.y1 + box.y2 * part.height,
    )


def room_round(box: Box, room: float = ROOM, least: float = LEAST_SIDE) -> Box:
    """The crop in which a candidate is looked at again."""
    dx = max(room * box.width, (least - box.width) / 2)
    dy = max(room * box.height, (least - box.height) / 2)
    return Box(max(0.0, box.x1 - dx), max(0.0, box.y1 - dy), min(1.0, box.x2 + dx), min(1.0, box.y2 + dy))


def lies_in(box: Box, crop: Box) -> bool:
    """Whether all but a tenth of the box lies in the crop."""
    return box.area > 0 and box.intersection(crop) > 0.9 * box.area
