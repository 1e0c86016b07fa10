"""Pictures and pieces of pictures by which a judge learns what fire and smoke look like, and what only seems so.

- whole pictures, as they are and twice as a street camera shows them, the second time a part of them;
- crops round what the network takes for fire or smoke at low scores: at the shipped ones there are too few wrong ones
  on pictures that it was trained on;
- crops round labels, their boxes shaken, and round places drawn by chance where there is neither: walls, skies, lamps.

The last two depend on no network, so that a judge serves the next one too. Where labels have gaps
(``models.sample_data``) an example that meets none of them says nothing, not that it is wrong.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.closer import LEAST_SIDE, crops, lies_in, room_round
from detectors.judge import View, judge_input, part_of
from detectors.observation import Box, Detection
from models.classes import CLASSES
from models.evaluate import labels_of
from models.figures import Profile
from models.looks import camera_look
from models.sample_data import Sample
from models.sample_files import read_picture

HAZARDS = ("fire", "smoke")
LEAST_SCORE = 0.05
RIGHT_IOU, RIGHT_SHARE = 0.2, 0.5
"""A candidate is right that overlaps a label so far, or lies in it by this share: many labels are coarse."""
LABELS_TAKEN = 3
"""The largest labels of a picture are taken."""
DRAWN, DRAWN_BESIDE = 6, 1
"""Places drawn in a picture that shows neither hazard, and in one that does, away from its labels."""
SIDES = (0.03, 0.4)
"""Share of the picture's sides that a place which is drawn has."""
TRIES = 10
SHAKEN = (0.2, 0.35)
"""By how much of its sides a label's box is shifted at most, and by what power of e its sides change."""
LOOKED_AT = 320
"""Pixels of the longer side at which a picture takes on a camera's look."""
WHOLE = Box(0, 0, 1, 1)

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Example:
    """``shows``: by hazard whether it is there, None where nobody knows; ``pixels``: SIDE×SIDE×3 BGR. ``altered``: with
    a camera's look, to learn from alone. ``candidate``: what the network took it for, where it did."""

    sample: Sample
    view: View
    shows: Mapping[str, bool | None]
    pixels: Picture
    altered: bool = False
    candidate: Detection | None = None


def examples(profile: Profile, samples: Sequence[Sample], say: Callable[[str, int, int], None]) -> Iterator[Example]:
    """All examples of the pictures, one picture after another; the same in every run."""
    for done, sample in enumerate(samples):
        say(f"examples of {sample.split}", done, len(samples))
        random = np.random.default_rng(zlib.crc32(sample.path.name.encode()))
        picture, truth = read_picture(sample.path), labels_of(sample) if sample.folder == "fire" else ()
        yield from _whole(sample, picture, truth, random)
        yield from _candidates(profile, sample, picture, truth, random)
        if sample.split == "train":
            yield from _labelled(sample, picture, truth, random)
            yield from _drawn(sample, picture, truth, random)


def _whole(
    sample: Sample, picture: Picture, truth: Sequence[Detection], random: np.random.Generator
) -> Iterator[Example]:
    shows = {
        name: True if any(one.label == name for one in truth) else (False if _complete(sample, name) else None)
        for name in HAZARDS
    }
    yield Example(sample, "whole", shows, judge_input(picture))
    if sample.split == "train":
        width, height = (float(side) for side in random.uniform(0.75, 1, 2))
        x, y = float(random.uniform(0, 1 - width)), float(random.uniform(0, 1 - height))
        for part in (picture, part_of(picture, Box(x, y, x + width, y + height))):
            yield Example(sample, "whole", shows, judge_input(altered(part, random)), altered=True)


def _candidates(
    profile: Profile, sample: Sample, picture: Picture, truth: Sequence[Detection], random: np.random.Generator
) -> Iterator[Example]:
    found = profile.look(picture)
    seen = sorted(
        (one for one in found if one.label in HAZARDS and one.score >= LEAST_SCORE), key=lambda one: -one.score
    )
    for crop in crops(seen):
        part = part_of(picture, crop)
        best = next(one for one in seen if lies_in(one.box, crop))
        shows = {name: shown(best.box, name, sample, truth) for name in HAZARDS}
        yield Example(sample, "crop", shows, judge_input(part), candidate=best)
        if sample.split == "train":
            yield Example(sample, "crop", shows, judge_input(altered(part, random)), altered=True)


def _labelled(
    sample: Sample, picture: Picture, truth: Sequence[Detection], random: np.random.Generator
) -> Iterator[Example]:
    for label in sorted(truth, key=lambda one: -one.box.area)[:LABELS_TAKEN]:
        box = _shaken(label.box, random)
        if box.area > 0:
            yield _example_at(box, sample, picture, truth, random)


def _drawn(
    sample: Sample, picture: Picture, truth: Sequence[Detection], random: np.random.Generator
) -> Iterator[Example]:
    quiet = not truth and all(_complete(sample, name) for name in HAZARDS)
    for _ in range(DRAWN if quiet else DRAWN_BESIDE):
        for _ in range(TRIES):
            least, most = (float(side) for side in np.log(SIDES))
            width, height = (float(side) for side in np.exp(random.uniform(least, most, 2)))
            x, y = float(random.uniform(0, 1 - width)), float(random.uniform(0, 1 - height))
            box = Box(x, y, x + width, y + height)
            if not any(one.box.intersection(room_round(box)) > 0 for one in truth):
                yield _example_at(box, sample, picture, truth, random)
                break


def _example_at(
    box: Box, sample: Sample, picture: Picture, truth: Sequence[Detection], random: np.random.Generator
) -> Example:
    room, least = float(random.uniform(0.6, 1.4)), LEAST_SIDE * float(random.uniform(0.7, 1.3))
    part = part_of(picture, room_round(box, room, least))
    shows = {name: shown(box, name, sample, truth) for name in HAZARDS}
    return Example(sample, "crop", shows, judge_input(altered(part, random)), altered=True)


def shown(box: Box, name: str, sample: Sample, truth: Sequence[Detection]) -> bool | None:
    """Whether the hazard is at this place; None where nobody knows, or where it is only near."""
    met = [one.box for one in truth if one.label == name and one.box.intersection(box) > 0]
    if any(box.iou(one) >= RIGHT_IOU or box.intersection(one) >= RIGHT_SHARE * box.area for one in met):
        return True
    near = any(one.label == name and one.box.intersection(room_round(box)) > 0 for one in truth)
    return None if near or not _complete(sample, name) else False


def altered(picture: Picture, random: np.random.Generator) -> Picture:
    """Turned about, in other light and as a street camera would show it, by chance."""
    scale = LOOKED_AT / max(picture.shape[:2])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    if random.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    lit = picture.astype(np.float32) * random.uniform(0.8, 1.2) * random.uniform(0.94, 1.06, 3)
    grey = lit.mean(axis=2, keepdims=True)
    return camera_look(np.clip(grey + (lit - grey) * random.uniform(0.7, 1.3), 0, 255).astype(np.uint8), random)


def _shaken(box: Box, random: np.random.Generator) -> Box:
    shift, change = SHAKEN
    width, height = (
        box.width * np.exp(random.uniform(-change, change)),
        box.height * np.exp(random.uniform(-change, change)),
    )
    x = box.centre.x + random.uniform(-shift, shift) * box.width
    y = box.centre.y + random.uniform(-shift, shift) * box.height
    return Box(
        float(max(0, x - width / 2)),
        float(max(0, y - height / 2)),
        float(min(1, x + width / 2)),
        float(min(1, y + height / 2)),
    )


def _complete(sample: Sample, name: str) -> bool:
    return CLASSES.index(name) in sample.complete
