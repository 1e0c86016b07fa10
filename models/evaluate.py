"""Judges a detector on labelled pictures: what it sees is kept once, every figure is computed from that.

A class is judged only on pictures whose labels know it whole (see ``models.sample_data``). Boxes match at IoU 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.observation import Box, Detection
from models.classes import CLASSES, FIRE, SMOKE
from models.refusals import DataRefused
from models.sample_data import Sample
from models.sample_files import heads_px, label_rows, read_picture

IOU = 0.5
LOWEST, HIGHEST = 0.05, 0.7
"""Between these a shipped threshold is chosen."""
NEARLY = 0.01
"""F1 by which a threshold may be worse than the best one: on a few hundred pictures that is chance, and what is missed
at a higher one no rule finds."""
HEAD = 0.5
"""A head's point lies in the upper part of its person's box, this share of the height."""

LeaveOut = Callable[[Sample, DataRefused], None]
"""Told which picture cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture: what is known of it and what the detector found, boxes normalised."""

    sample: Sample
    labels: tuple[Detection, ...]
    found: tuple[Detection, ...]

    @property
    def name(self) -> str:
        return self.sample.path.name

    @property
    def clear_licence(self) -> bool:
        return self.sample.clear_licence

    def known(self, name: str) -> bool:
        return CLASSES.index(name) in self.sample.complete

    def best(self, name: str) -> float:
        """Best score of a class, 0 where nothing was found."""
        return max((one.score for one in self.found if one.label == name), default=0.0)

    def shows(self, name: str) -> bool:
        return any(one.label == name for one in self.labels)


@dataclass(frozen=True, slots=True)
class Judged:
    """One class on one split. ``ap50`` None: no labelled object. Shares are 0..1 at ``threshold``."""

    pictures: int
    objects: int
    ap50: float | None
    threshold: float
    precision: float | None
    recall: float | None

    def as_json(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Found:
    score: float
    right: bool


def labels_of(sample: Sample) -> tuple[Detection, ...]:
    """The label file's boxes in our classes, score 1. Raises ``DataRefused``."""
    found = []
    for row in label_rows(sample):
        x, y, w, h = row.box
        found.append(Detection(CLASSES[row.cls], 1.0, Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    return tuple(found)


def look_at(
    sees: Callable[[NDArray[np.uint8]], tuple[Detection, ...]],
    samples: Sequence[Sample],
    what: str,
    say: Callable[[str, int, int], None],
    leave_out: LeaveOut | None = None,
) -> list[Seen]:
    """Show every picture to what ``sees``. It must give boxes down to low scores, or average precision is cut short.
    Raises ``DataRefused``; with ``leave_out`` a picture that is none is left out instead."""
    seen = []
    for done, sample in enumerate(samples):
        say(what, done, len(samples))
        try:
            picture = read_picture(sample.path)
        except DataRefused as refused:
            if leave_out is None:
                raise
            leave_out(sample, refused)
        else:
            seen.append(Seen(sample, labels_of(sample), sees(picture)))
    return seen


def judge(seen: Iterable[Seen], name: str, threshold: float | None) -> Judged:
    """One class. Without a ``threshold`` the lowest is taken whose F1 is nearly the best."""
    found: list[_Found] = []
    pictures = objects = 0
    for one in seen:
        if not one.known(name):
            continue
        truth = [label.box for label in one.labels if label.label == name]
        pictures += 1
        objects += len(truth)
        found += _matched([box for box in one.found if box.label == name], truth)
    return _judged(found, pictures, objects, threshold)


def recall(seen: Iterable[Seen], name: str, threshold: float) -> float | None:
    """Share of the labelled objects that are found, for sources that do not label all there are."""
    objects = right = 0
    for one in seen:
        truth = [label.box for label in one.labels if label.label == name]
        objects += len(truth)
        over = [box for box in one.found if box.label == name and box.score >= threshold]
        right += sum(match.right for match in _matched(over, truth))
    return right / objects if objects else None


def picture_share(seen: Sequence[Seen], name: str, threshold: float) -> float | None:
    """Share of the pictures in which the class is seen at all."""
    return sum(one.best(name) >= threshold for one in seen) / len(seen) if seen else None


def fires_and_others(seen: Iterable[Seen]) -> tuple[list[Seen], list[Seen]]:
    """The pictures with fire, and those known to show neither fire nor smoke."""
    fires, others = [], []
    for one in seen:
        if one.shows("fire"):
            fires.append(one)
        elif {FIRE, SMOKE} <= one.sample.complete and not one.labels:
            others.append(one)
    return fires, others


def threshold_for_recall(fires: Sequence[Seen], name: str, share: float) -> float:
    """The highest threshold at which the class is seen in at least this share of its pictures."""
    best = sorted((one.best(name) for one in fires), reverse=True)
    needed = int(np.ceil(share * len(best)))
    return float(np.clip(best[needed - 1] if needed else HIGHEST, LOWEST, HIGHEST))


def heads(sample: Sample) -> tuple[tuple[float, float], ...]:
    """The head of each person in a crowd picture, x and y normalised."""
    height, width = read_picture(sample.path).shape[:2]
    return tuple((x / width, y / height) for x, y in heads_px(sample).tolist())


def boxes_with_a_head(boxes: Sequence[Box], points: Sequence[tuple[float, float]]) -> int:
    """How many of the boxes, best first, have a head of their own in their upper part."""
    left = list(points)
    right = 0
    for box in boxes:
        slack = 0.1 * box.height
        inside = [
            point
            for point in left
            if box.x1 <= point[0] <= box.x2 and box.y1 - slack <= point[1] <= box.y1 + HEAD * box.height
        ]
        if inside:
            right += 1
            left.remove(min(inside, key=lambda point: abs(point[0] - box.centre.x)))
    return right


def _matched(seen: list[Detection], truth: list[Box]) -> list[_Found]:
    left = list(truth)
    result = []
    for one in sorted(seen, key=lambda one: -one.score):
        best = max(left, key=one.box.iou, default=None)
        right = best is not None and one.box.iou(best) >= IOU
        if right and best is not None:
            left.remove(best)
        result.append(_Found(one.score, right))
    return result


def _judged(found: list[_Found], pictures: int, objects: int, threshold: float | None) -> Judged:
    if not objects:
        return Judged(pictures, 0, None, threshold if threshold is not None else 0.5, None, None)
    ordered = sorted(found, key=lambda one: -one.score)
    right = np.cumsum([one.right for one in ordered]) if ordered else np.zeros(0)
    scores = np.array([one.score for one in ordered])
    precision = right / np.arange(1, len(ordered) + 1)
    recalled = right / objects
    if threshold is None:
        f1 = 2 * precision * recalled / np.maximum(precision + recalled, 1e-9)
        last_of_equals = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
        allowed = (scores >= LOWEST) & (scores <= HIGHEST) & last_of_equals
        nearly = allowed & (f1 >= f1[allowed].max(initial=0.0) - NEARLY)
        threshold = float(scores[nearly].min()) if nearly.any() else 0.5
    over = int((scores >= threshold).sum())
    return Judged(
        pictures=pictures,
        objects=objects,
        ap50=average_precision(precision, recalled),
        threshold=round(threshold, 3),
        precision=float(precision[over - 1]) if over else None,
        recall=float(recalled[over - 1]) if over else 0.0,
    )


def average_precision(precision: Any, recalled: Any) -> float:
    """Area under the precision envelope over recall, at 101 points, as COCO counts it."""
    if not len(precision):
        return 0.0
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    points = np.linspace(0, 1, 101)
    places = np.searchsorted(recalled, points, side="left")
    return float(np.mean([envelope[place] if place < len(envelope) else 0.0 for place in places]))


def ap_interval(seen: Sequence[Seen], name: str, *, seed: int, rounds: int = 200) -> tuple[float, float] | None:
    """95 % bootstrap interval of the average precision, pictures drawn with replacement."""
    known = [one for one in seen if one.known(name)]
    if not any(one.shows(name) for one in known):
        return None
    random = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        drawn = [known[int(number)] for number in random.integers(len(known), size=len(known))]
        value = judge(drawn, name, 0.5).ap50
        if value is not None:
            values.append(value)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
