"""A folder laid out as the sample data, small enough to train on within a test."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import cv2
import pytest

from models.prepare import COCO_WEIGHTS
from models.scenes import Scene

COCO = Path(os.environ.get("GATEWAY_SAMPLE_DATA") or "/nowhere") / "weights" / COCO_WEIGHTS
CLEAR_LICENCE, UNCLEAR_LICENCE = "CC0-1.0", "unknown (web photos)"


@pytest.fixture
def sample_data(tmp_path: Path) -> Path:
    """Drawn fires under a manifest: of the training pictures two have a clear licence and two have none."""
    if not COCO.is_file():
        pytest.skip("no COCO weights to begin from")
    folder = tmp_path / "data"
    for kind in ("images", "labels"):
        (folder / "fire" / kind).mkdir(parents=True)
    (folder / "weights").mkdir()
    (folder / "weights" / COCO_WEIGHTS).symlink_to(COCO)
    rows = [["file", "split", "scene", "licence", "note"]]
    for number in range(8):
        split = ("train", "train", "train", "train", "val", "val", "test", "test")[number]
        scene = Scene("fire" if number % 2 else "quiet", number, pieces="demo", size=(320, 192))
        at = scene.hazard_from + 5
        cv2.imwrite(str(folder / "fire" / "images" / f"efs_{number}.jpg"), scene.frame(at))
        lines = [
            f"{('fire', 'smoke').index(one.name)} {(one.box[0] + one.box[2]) / 2} {(one.box[1] + one.box[3]) / 2}"
            f" {one.box[2] - one.box[0]} {one.box[3] - one.box[1]}"
            for one in scene.labels(at)
            if one.name in ("fire", "smoke")
        ]
        (folder / "fire" / "labels" / f"efs_{number}.txt").write_text("\n".join(lines))
        licence = UNCLEAR_LICENCE if number in (0, 1) else CLEAR_LICENCE
        rows.append([f"fire/images/efs_{number}.jpg", split, f"scene{number}", licence, ""])
    with (folder / "MANIFEST.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    return folder
