"""The files of a sample: its picture, its labels, the heads in it. Each is read, or refused with its name and line.

Pictures and labels are brought by others: a fault ends a command with what to mend, not in the midst of the work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.refusals import DataRefused
from models.sample_data import Sample

NUMBERS = {"fire": ("0", "1"), "stall": ("0",), "coco": ("0",), "crowd": ("0",)}
"""Classes that the label files of a folder know."""
VALUES = 4
"""Of a box, after its class."""
FARTHEST = 0.5
"""How far beyond the picture a box may reach, as a share of it: farther, and it is told in pixels or is none."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Our class, and the box as centre x, centre y, width, height, normalised to the picture."""

    cls: int
    box: tuple[float, float, float, float]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """BGR H×W×3. Raises ``DataRefused`` where the file is no picture, or one of more than 2³⁰ pixels."""
    try:
        # A name that is no UTF-8, as archives from a Chinese Windows unpack to, ends the process in imread.
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise _no_picture(path) from error
    if picture is None:
        raise _no_picture(path)
    return np.asarray(picture, np.uint8)


def label_rows(sample: Sample) -> tuple[LabelRow, ...]:
    """The rows of the label file; none without one. Raises ``DataRefused``.

    A sixth value, the score that YOLO tools write when they predict, is refused: such a box is what a network saw, at
    whatever score, not what somebody said is there. Ultralytics takes no such file for labels, either.
    """
    if sample.label_path is None:
        return ()
    file = sample.label_path
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _invalid(file, None, sample) from error
    return tuple(_row(sample, file, number, line) for number, line in enumerate(lines, 1) if line.strip())


def heads_px(sample: Sample) -> NDArray[np.float64]:
    """N×2: x and y in px of each head of a crowd picture. Raises ``DataRefused``; ``FileNotFoundError`` where nobody
    marked them."""
    file = sample.path.parents[1] / "points" / f"{sample.path.stem}.json"
    try:
        points = np.asarray(json.loads(file.read_text(encoding="utf-8-sig"))["points"], np.float64).reshape(-1, 2)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _no_points(file) from error
    if not np.isfinite(points).all():
        raise _no_points(file)
    return points


def _no_picture(path: Path) -> DataRefused:
    return DataRefused(
        "picture_unusable",
        path,
        "不是可用的图片：修复文件，或从 MANIFEST.tsv 中删去",
        "this is no picture: mend it, or take it out of MANIFEST.tsv",
    )


def _row(sample: Sample, file: Path, number: int, line: str) -> LabelRow:
    name, *values = line.split()
    if len(values) == VALUES + 1:
        raise DataRefused(
            "label_invalid",
            file,
            "第六个值（得分）说明这是模型的输出而非人工标注：核对后去掉得分",
            "a sixth value, a score, makes this what a network saw and no label: check the box and leave the score out",
            number,
        )
    try:
        x, y, w, h = (float(value) for value in values)
    except ValueError as error:
        raise _invalid(file, number, sample) from error
    edges = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    whole = w >= 0 and h >= 0 and all(-FARTHEST <= edge <= 1 + FARTHEST for edge in edges)  # NaN is in no range
    if name not in NUMBERS[sample.folder] or not whole:
        raise _invalid(file, number, sample)
    return LabelRow(sample.class_of(int(name)), (x, y, w, h))


def _invalid(file: Path, line: int | None, sample: Sample) -> DataRefused:
    known = "/".join(NUMBERS[sample.folder])
    return DataRefused(
        "label_invalid",
        file,
        f"应为“类别 中心x 中心y 宽 高”，类别为 {known}，其余为相对画面的 0 到 1",
        f"a line is class ({known}), centre x, centre y, width, height, as shares of the picture",
        line,
    )


def _no_points(file: Path) -> DataRefused:
    return DataRefused(
        "points_invalid",
        file,
        '应为 {"count": n, "points": [[x, y], …]}，单位为像素',
        'it holds {"count": n, "points": [[x, y], …]}, in pixels',
    )
