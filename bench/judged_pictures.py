"""The pictures of a folder that others bring, as far as they can be judged, and how many of what they are.

All that is written beside them is read before any is looked at: a fault in it ends a run of hours at once. What cannot
be judged is left out by its reason. A picture in ``fire/`` or ``stall/`` without a label file shows nothing, as tools
leave the file out where there is nothing to label; where none has one it is the labels that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from models.evaluate import Seen, fires_and_others, labels_of
from models.figures import DENSE, DENSEST, Figures
from models.sample_data import Sample, read_samples
from models.sample_files import heads_px

NOT_THERE = "not there, though the manifest names them"
EMPTY = "files of no bytes"
NO_POINTS = "no points/NAME.json marks the heads"
NO_LABELS = "labels/ is not there or has none for any of them (an empty one says that nothing is shown)"
TOO_DENSE = f"crowds of {DENSEST}…, which no street camera sees"
LABELLED = ("fire", "stall")
"""Folders where what is not labelled is not there."""


@dataclass(frozen=True, slots=True)
class Brought:
    """``samples`` can be judged, ``unlabelled`` of them as showing nothing for want of a label file. By reason:
    ``left_out`` pictures, and ``passed_over`` files and rows that stand for none."""

    samples: tuple[Sample, ...] = ()
    unlabelled: int = 0
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    passed_over: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def told(self) -> list[str]:
        """What is not judged, or otherwise than it may look, in words."""
        lines = [
            f"{what}: {why}: {len(of)} ({', '.join(of[:3])}{', …' if len(of) > 3 else ''})"
            for what, reasons in (("passed over", self.passed_over), ("left out", self.left_out))
            for why, of in reasons.items()
        ]
        if self.unlabelled:
            lines.append(f"judged as showing nothing, as no label file is there: {self.unlabelled} pictures")
        return lines


def brought(folder: Path) -> Brought:
    """The test pictures of a folder. Raises ``DataRefused`` where its manifest, labels or points cannot be used, and
    ``OSError`` where they cannot be read."""
    passed_over: dict[str, list[str]] = {}
    left_out: dict[str, list[str]] = {}
    everything, samples = [], []
    with suppress(FileNotFoundError):  # no picture at all
        everything = list(read_samples(folder, lambda why, which: passed_over.setdefault(why, []).append(which)))
    unlabelled = {kind for kind in LABELLED if not _has_labels(folder / kind / "labels", kind, everything)}
    for one in everything:
        if one.split == "test":
            why = _why_not(one, labelled=one.folder not in unlabelled)
            if why is None:
                labels_of(one)  # refused now, not in the midst
                samples.append(one)
            else:
                left_out.setdefault(why, []).append(f"{one.folder}/images/{one.path.name}")
    showing_nothing = sum(one.folder in LABELLED and one.label_path is None for one in samples)
    return Brought(tuple(samples), showing_nothing, left_out, passed_over)


def _has_labels(labels: Path, kind: str, samples: Sequence[Sample]) -> bool:
    empty = labels.is_dir() and all(file.name.startswith(".") for file in labels.iterdir())
    return empty or any(one.folder == kind and one.label_path is not None for one in samples)


def _why_not(one: Sample, *, labelled: bool) -> str | None:
    if one.path.name.startswith(DENSEST):
        return TOO_DENSE
    if not one.path.is_file():
        return NOT_THERE
    if not one.path.stat().st_size:
        return EMPTY
    if not labelled:
        return NO_LABELS
    if one.folder == "crowd":
        try:
            heads_px(one)
        except FileNotFoundError:
            return NO_POINTS
    return None


def counted(seen: Mapping[str, Sequence[Seen]]) -> Figures:
    """How many pictures of each kind the figures are of, so that a wrong folder is noticed."""
    fires, neither = fires_and_others(seen["fire"])
    dense = sum(one.name.startswith(DENSE) for one in seen["crowd"])
    return {
        "fire_pictures": len(seen["fire"]),
        "fire_pictures_with_fire": len(fires),
        "fire_pictures_with_smoke": _showing(seen["fire"], "smoke"),
        "hard_negatives": len(neither),
        "stall_pictures": len(seen["stall"]),
        "stall_pictures_with_stall": _showing(seen["stall"], "stall"),
        "coco_pictures": len(seen["coco"]),
        "coco_people": sum(label.label == "person" for one in seen["coco"] for label in one.labels),
        "gatherings": len(seen["crowd"]) - dense,
        "dense_crowds": dense,
    }


def _showing(seen: Sequence[Seen], name: str) -> int:
    return sum(one.shows(name) for one in seen)
