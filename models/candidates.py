"""What the network takes for fire or smoke, and the crop in which each is looked at again: what a judge learns from.

Candidates are taken at low scores: at the shipped ones there are too few wrong ones on pictures that the network was
trained on. Where labels have gaps (``models.sample_data``) a candidate that meets none of them is left out, not called
wrong. Beside them stand pieces of pictures that show neither, drawn by chance: walls, skies, streets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.closer import crops, placed, room_round
from detectors.judge import judge_input, part_of
from detectors.observation import Box, Detection
from models.classes import CLASSES
from models.evaluate import labels_of, read_picture
from models.figures import Profile
from models.sample_data import Sample

HAZARDS = ("fire", "smoke")
LEAST_SCORE = 0.1
RIGHT_IOU, RIGHT_SHARE = 0.2, 0.5
"""A candidate is right that overlaps a label so far, or lies in it by this share: many labels are coarse."""
DRAWN = 5
"""Pieces drawn of each picture that is known to show neither."""
SIDES = (0.04, 0.3)
"""Share of the picture's sides that a piece that is drawn has."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``score`` in the whole picture; ``closer``: best score in the crop at its place, as the rule hears it (0 where
    the candidate itself does not reach its threshold). Both are 0 for what was drawn.

    ``right``: whether fire or smoke is there. ``pixels``: the crop, SIDE×SIDE×3 BGR.
    """

    sample: Sample
    label: str
    score: float
    closer: float
    right: bool
    place: Box
    pixels: NDArray[np.uint8]

    @property
    def drawn(self) -> bool:
        return self.score == 0


def candidates(
    profile: Profile, samples: Sequence[Sample], *, seed: int, say: Callable[[str, int, int], None]
) -> list[Candidate]:
    """Every candidate of the pictures that has a crop, as the rule takes it."""
    random = np.random.default_rng(seed)
    found: list[Candidate] = []
    for done, sample in enumerate(samples):
        say("candidates", done, len(samples))
        picture, truth = read_picture(sample), labels_of(sample)
        seen = [one for one in profile.detector.detect(picture) if one.label in HAZARDS and one.score >= LEAST_SCORE]
        found += _looked_again(profile, sample, picture, truth, seen)
        if not truth and all(CLASSES.index(name) in sample.complete for name in HAZARDS):
            found += [_drawn(sample, picture, random) for _ in range(DRAWN)]
    return found


def _looked_again(
    profile: Profile,
    sample: Sample,
    picture: NDArray[np.uint8],
    truth: Sequence[Detection],
    seen: Sequence[Detection],
) -> list[Candidate]:
    found = []
    for crop in crops(seen):
        part = part_of(picture, crop)
        counts = any(one.box.intersection(crop) > 0 for one in profile.at_thresholds(seen))
        again = profile.at_thresholds(profile.detector.detect(part)) if counts else ()
        inside = [(one, placed(one.box, crop)) for one in again if one.label in HAZARDS]
        for one in seen:
            if one.box.intersection(crop) <= 0.9 * one.box.area:
                continue
            right = is_right(one, sample, truth)
            if right is not None:
                closer = max((other.score for other, box in inside if box.intersection(one.box) > 0), default=0.0)
                found.append(Candidate(sample, one.label, one.score, closer, right, one.box, judge_input(part)))
    return found


def _drawn(sample: Sample, picture: NDArray[np.uint8], random: np.random.Generator) -> Candidate:
    width, height = (float(side) for side in random.uniform(*SIDES, 2))
    x, y = float(random.uniform(0, 1 - width)), float(random.uniform(0, 1 - height))
    box = Box(x, y, x + width, y + height)
    return Candidate(sample, "", 0.0, 0.0, False, box, judge_input(part_of(picture, room_round(box))))


def is_right(one: Detection, sample: Sample, truth: Sequence[Detection]) -> bool | None:
    """None: nobody knows."""
    met = [label.box for label in truth if label.label in HAZARDS and label.box.intersection(one.box) > 0]
    if any(one.box.iou(box) >= RIGHT_IOU or one.box.intersection(box) >= RIGHT_SHARE * one.box.area for box in met):
        return True
    if met or any(CLASSES.index(name) not in sample.complete for name in HAZARDS if name == one.label):
        return None
    return False
