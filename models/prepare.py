"""Builds the training set: real pictures split as their manifest binds them, rendered and composited ones beside.

Each picture's licence goes into ``licences.json`` of the set. A picture whose labels have gaps says so in its file name
(``…@smoke+person.jpg``): training then takes no blame for finding what nobody labelled (see ``models/loss.py``).
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.classes import CLASSES, FIRE, PERSON, SMOKE, STALL
from models.coco_person import CocoPersonFinder
from models.flames import cut_flames, lay_in
from models.refusals import DataRefused
from models.sample_data import Sample, Split, read_samples, scenes_in_two_splits
from models.sample_files import LabelRow, label_rows, read_picture
from models.scenes import Scene, SceneKind
from models.scenes.stalls import draw_stall, stall_box

Progress = Callable[[str, int, int], None]

PERSON_SCORE = 0.25
"""Whom the COCO network sees with this score is labelled, and nobody else: the network is to keep what it began with.

Where counting heads on the train part it is right on average at this score (gatherings of 5 to 18: bias -0.1). Calling
people unknown where it is unsure, and in crowds, was worse by far: nothing then forbade to see people everywhere in a
street, and twelve people in the place of one were seen.
"""
COCO_WEIGHTS = "yolov8n_coco_dequant_fp32_640.onnx"
LICENCES = "licences.json"
"""What says of a folder that it is a set, and which licences its pictures have."""
LONGEST_SIDE = 832
"""Pictures are stored no larger than this: training reads them at about half of it."""
NEVER_TRAINED = ("cnvendor_", "pkl_")
"""Sources with boxes drawn into the picture."""
COMPOSITED = 200
"""Real streets with drawn stalls: under a tenth of the set, as no real stall may be trained on."""

BURNING = 480
"""Real streets, squares and rooms with a real flame laid in: see ``models.flames``."""


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """What went into a set: pictures by split and source, and by split and licence; and where its splits are not by
    scene (see ``scenes_in_two_splits``)."""

    pictures: dict[str, int]
    licences: dict[str, dict[str, int]]
    scenes_in_two_splits: dict[str, dict[Split, int]]


def prepare(
    sample_folder: Path | None,
    out: Path,
    *,
    licensed_only: bool,
    rendered: int,
    seed: int,
    progress: Progress,
) -> PreparedSet:
    """Write the set to ``out`` in the YOLO layout (``images/SPLIT``, ``labels/SPLIT``, ``data.yaml``).

    Without ``sample_folder`` only rendered scenes are written. A set that lies at ``out`` is replaced by one that is
    whole, or stays. Raises ``DataRefused`` where something else lies there.
    """
    out = out.resolve()
    _refuse_what_is_no_set(out)
    samples, finder = [], None
    if sample_folder is not None:
        samples = [s for s in read_samples(sample_folder) if _taken(s) and (s.clear_licence or not licensed_only)]
        finder = CocoPersonFinder(sample_folder / "weights" / COCO_WEIGHTS)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.new.", dir=out.parent) as beside:
        fresh = Path(beside) / "set"
        made = _build(fresh, samples, finder, rendered=rendered, seed=seed, progress=progress)
        _write_description(fresh, at=out)
        (fresh / LICENCES).write_text(json.dumps(asdict(made), ensure_ascii=False, indent=1))
        if out.exists():
            out.rename(Path(beside) / "before")
        fresh.rename(out)
    return made


def _taken(sample: Sample) -> bool:
    return sample.split != "train" or not sample.path.name.startswith(NEVER_TRAINED)


def _refuse_what_is_no_set(out: Path) -> None:
    """Nobody's pictures, weights or papers go because a name was mistyped."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not ((out / LICENCES).is_file() and (out / "images").is_dir()):
        raise DataRefused(
            "folder_not_a_set",
            out,
            "不是训练集，不会被替换：请另选目录，或自行清空",
            "this is no training set and is not replaced: name another folder, or empty it yourself",
        )


def _build(
    to: Path,
    samples: Sequence[Sample],
    finder: CocoPersonFinder | None,
    *,
    rendered: int,
    seed: int,
    progress: Progress,
) -> PreparedSet:
    for split in ("train", "val", "test"):
        (to / "images" / split).mkdir(parents=True)
        (to / "labels" / split).mkdir(parents=True)
    pictures: Counter[str] = Counter()
    licences: dict[str, Counter[str]] = {"train": Counter(), "val": Counter(), "test": Counter()}
    if finder is not None:
        for done, sample in enumerate(samples):
            progress("pictures", done, len(samples))
            _write_sample(sample, finder, to)
            pictures[f"{sample.split}/{sample.folder}"] += 1
            licences[sample.split][sample.licence] += 1
        pictures["train/composited_fire"] = _composite_fires(samples, finder, to, seed, progress)
        pictures["train/composited_stall"] = _composite_stalls(samples, finder, to, seed, progress)
    for done in range(rendered):
        progress("rendered", done, rendered)
        _write_scene(done, seed, to)
    pictures["train/rendered"] = rendered
    counted = {split: dict(licences[split]) for split in licences}
    return PreparedSet(dict(pictures), counted, scenes_in_two_splits(samples))


def _write_sample(sample: Sample, finder: CocoPersonFinder, out: Path) -> None:
    seen = read_picture(sample.path)
    rows = _labels(sample)
    unknown = set(range(len(CLASSES))) - sample.complete - {PERSON}
    rows += _people(finder, seen, [row.box for row in rows if row.cls == PERSON])
    _save(out, sample.split, f"{sample.folder}_{sample.path.stem}", seen, rows, unknown)


def _people(
    finder: CocoPersonFinder, picture: NDArray[np.uint8], known: list[tuple[float, float, float, float]]
) -> list[LabelRow]:
    """Whom the finder sees, but for those that are labelled already."""
    found = finder.find(picture, PERSON_SCORE)
    return [LabelRow(PERSON, one.box) for one in found if all(_iou(one.box, box) < 0.5 for box in known)]


def _labels(sample: Sample) -> list[LabelRow]:
    """The rows of the label file that its source labels."""
    return [row for row in label_rows(sample) if row.cls in sample.labelled]


def _composite_stalls(
    samples: Sequence[Sample], finder: CocoPersonFinder, out: Path, seed: int, progress: Progress
) -> int:
    """Draw stalls onto real streets without any: the train split holds no real stall, all of them are test pictures."""
    random = np.random.default_rng(seed)
    streets = [
        sample.path
        for sample in samples
        if sample.split == "train"
        and (sample.folder == "stall" or (sample.folder == "fire" and sample.path.name.startswith("neg_")))
    ]
    if not streets:
        return 0
    for done in range(COMPOSITED):
        progress("composited", done, COMPOSITED)
        street = _limited(read_picture(streets[int(random.integers(len(streets)))])).copy()
        height, width = street.shape[:2]
        dim = float(np.clip(street[height // 2 :].mean() / 120, 0.35, 1.1))
        rows = []
        for place in range(int(random.integers(1, 4))):
            tall = float(random.uniform(0.15, 0.5)) * height
            foot = (width * (place + float(random.uniform(0.25, 0.75))) / 3, height * float(random.uniform(0.6, 1.0)))
            drawn = street.copy()
            draw_stall(drawn, foot, tall, int(random.integers(1 << 30)), dim, tricycle=False)
            blur = float(random.uniform(0.3, 1.4))
            changed = cv2.GaussianBlur((drawn != street).any(axis=2).astype(np.float32), (0, 0), 0.8)[:, :, None]
            noisy = cv2.GaussianBlur(drawn, (0, 0), blur).astype(np.float32) + random.normal(0, 4, drawn.shape)
            street = np.clip(street * (1 - changed) + noisy * changed, 0, 255).astype(np.uint8)
            x1, y1, x2, y2 = stall_box(foot, tall, rounded=False)
            rows.append(
                LabelRow(STALL, ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height))
            )
        _save(out, "train", f"composited_{done}", street, rows + _people(finder, street, []), set())
    return COMPOSITED


def _composite_fires(
    samples: Sequence[Sample], finder: CocoPersonFinder, out: Path, seed: int, progress: Progress
) -> int:
    """Lay flames cut from the train part into pictures of it that show neither fire nor smoke."""
    random = np.random.default_rng(seed)
    of_train = [one for one in samples if one.split == "train"]
    flames = cut_flames(of_train)
    quiet = [one for one in of_train if {FIRE, SMOKE} <= one.complete and not _labels(one)]
    if not flames or not quiet:
        return 0
    for done in range(BURNING):
        progress("burning", done, BURNING)
        place = quiet[int(random.integers(len(quiet)))]
        picture = _limited(read_picture(place.path))
        rows = _people(finder, picture, [])
        for _ in range(int(random.integers(1, 3))):
            picture, (x1, y1, x2, y2) = lay_in(picture, flames[int(random.integers(len(flames)))], random)
            rows.append(LabelRow(FIRE, ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)))
        _save(out, "train", f"burning_{done}", picture, rows, set(range(len(CLASSES))) - place.complete - {PERSON})
    return BURNING


def _write_scene(number: int, seed: int, out: Path) -> None:
    kinds: tuple[SceneKind, ...] = ("fire", "gathering", "stall", "stall", "quiet")
    scene = Scene(kinds[number % len(kinds)], seed * 100_003 + number, pieces="train", size=(832, 468))
    t = scene.hazard_from + 2 + (number * 7 % 23)
    rows = [
        LabelRow(
            CLASSES.index(label.name),
            (
                (label.box[0] + label.box[2]) / 2,
                (label.box[1] + label.box[3]) / 2,
                label.box[2] - label.box[0],
                label.box[3] - label.box[1],
            ),
        )
        for label in scene.labels(t)
    ]
    _save(out, "train", f"rendered_{number}", scene.frame(t), rows, set())


def _save(
    out: Path, split: str, name: str, picture: NDArray[np.uint8], rows: list[LabelRow], unknown: set[int]
) -> None:
    gaps = "@" + "+".join(CLASSES[cls] for cls in sorted(unknown)) if unknown else ""
    stem = f"{name.replace('@', '_')}{gaps}"
    cv2.imwrite(str(out / "images" / split / f"{stem}.jpg"), _limited(picture), [cv2.IMWRITE_JPEG_QUALITY, 92])
    lines = [f"{row.cls} " + " ".join(f"{value:.6f}" for value in _inside(row.box)) for row in rows]
    (out / "labels" / split / f"{stem}.txt").write_text("\n".join(lines))


def _limited(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _inside(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A centre box cut to the picture."""
    x, y, w, h = box
    x1, y1, x2, y2 = max(0.0, x - w / 2), max(0.0, y - h / 2), min(1.0, x + w / 2), min(1.0, y + h / 2)
    return (x1 + x2) / 2, (y1 + y2) / 2, max(0.0, x2 - x1), max(0.0, y2 - y1)


def _iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    both = max(0.0, width) * max(0.0, height)
    return both / (a[2] * a[3] + b[2] * b[3] - both + 1e-12)


def _write_description(folder: Path, *, at: Path) -> None:
    """``at``: where the set will lie."""
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(CLASSES))
    (folder / "data.yaml").write_text(
        f"path: {at}\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n{names}\n"
    )
