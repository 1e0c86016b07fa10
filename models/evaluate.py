"""Judges exported weights on a prepared set: average precision, recall and precision of each class, and false fires.

A class is judged only on pictures whose labels know it whole (see ``models.prepare``). Boxes match at IoU 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.engine import Detector
from detectors.observation import Box, Detection
from models.classes import CLASSES

IOU = 0.5
LOWEST, HIGHEST = 0.2, 0.7
"""Between these a shipped threshold is chosen."""


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


def pictures(prepared: Path, split: str) -> Iterator[tuple[Path, tuple[Detection, ...], frozenset[str]]]:
    """Each picture of a split with its labels (score 1) and the classes that the labels know whole."""
    for file in sorted((prepared / "images" / split).iterdir()):
        _, _, gaps = file.stem.partition("@")
        known = frozenset(CLASSES) - frozenset(gaps.split("+") if gaps else ())
        yield file, tuple(_labels(prepared / "labels" / split / f"{file.stem}.txt")), known


def _labels(file: Path) -> Iterator[Detection]:
    for line in file.read_text().splitlines():
        number, x, y, w, h = line.split()
        cx, cy, half_w, half_h = float(x), float(y), float(w) / 2, float(h) / 2
        yield Detection(CLASSES[int(number)], 1.0, Box(cx - half_w, cy - half_h, cx + half_w, cy + half_h))


def judge(
    detector: Detector,
    prepared: Path,
    split: str,
    thresholds: Mapping[str, float] | None,
    progress: Callable[[int], None],
) -> dict[str, Judged]:
    """Judge every class. Without ``thresholds`` the one with the best F1 on this split is taken for each.

    The detector must give boxes down to low scores, or the average precision is cut short.
    """
    found: dict[str, list[_Found]] = {name: [] for name in CLASSES}
    objects = dict.fromkeys(CLASSES, 0)
    counted = dict.fromkeys(CLASSES, 0)
    for done, (file, labels, known) in enumerate(pictures(prepared, split)):
        progress(done)
        seen = detector.detect(np.asarray(cv2.imread(str(file)), np.uint8))
        for name in known:
            truth = [label.box for label in labels if label.label == name]
            counted[name] += 1
            objects[name] += len(truth)
            found[name] += _matched([one for one in seen if one.label == name], truth)
    return {name: _judged(found[name], counted[name], objects[name], (thresholds or {}).get(name)) for name in CLASSES}


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
    recall = right / objects
    if threshold is None:
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        allowed = (scores >= LOWEST) & (scores <= HIGHEST)
        threshold = float(scores[allowed][np.argmax(f1[allowed])]) if allowed.any() else 0.5
    over = int((scores >= threshold).sum())
    return Judged(
        pictures=pictures,
        objects=objects,
        ap50=average_precision(precision, recall),
        threshold=round(threshold, 3),
        precision=float(precision[over - 1]) if over else None,
        recall=float(recall[over - 1]) if over else 0.0,
    )


def average_precision(precision: Any, recall: Any) -> float:
    """Area under the precision envelope over recall, at 101 points, as COCO counts it."""
    if not len(precision):
        return 0.0
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    points = np.linspace(0, 1, 101)
    places = np.searchsorted(recall, points, side="left")
    return float(np.mean([envelope[place] if place < len(envelope) else 0.0 for place in places]))


def false_fire_share(detector: Detector, prepared: Path, split: str, thresholds: Mapping[str, float]) -> float | None:
    """Share of the pictures without fire or smoke (and known so) in which fire or smoke is seen at the thresholds."""
    pictures_without, wrong = 0, 0
    for file, labels, known in pictures(prepared, split):
        if not {"fire", "smoke"} <= known or any(label.label in ("fire", "smoke") for label in labels):
            continue
        if not file.name.startswith("fire_neg_"):
            continue
        pictures_without += 1
        seen = detector.detect(np.asarray(cv2.imread(str(file)), np.uint8))
        wrong += any(one.label in ("fire", "smoke") and one.score >= thresholds[one.label] for one in seen)
    return wrong / pictures_without if pictures_without else None
