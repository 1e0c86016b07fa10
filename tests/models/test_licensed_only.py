"""Weights made only of pictures with a clear licence: from the set to the card, which tells the difference it makes."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from models import cli, release
from models.prepare import COCO_WEIGHTS
from models.scenes import Scene

COCO = Path(os.environ.get("GATEWAY_SAMPLE_DATA") or "/nowhere") / "weights" / COCO_WEIGHTS
CLEAR_LICENCE, UNCLEAR_LICENCE = "CC0-1.0", "unknown (web photos)"
SIDE = 64
pytestmark = pytest.mark.train


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


def run(*words: object) -> str:
    done = CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def made(sample_data: Path, folder: Path, *flags: str) -> Path:
    """The card of weights that were prepared, trained for an epoch and exported."""
    prepared, out, weights = folder / "set", folder / "run", folder / "weights" / "tiny.onnx"
    data = ("--sample-data", sample_data)
    run("prepare", "--out", prepared, *data, "--rendered", 1, *flags)
    run(
        *("train", "--prepared", prepared, "--out", out, "--begin", COCO),
        *("--epochs", 1, "--image-size", SIDE, "--threads", 1),
    )
    run("export", *data, "--out", out, "--to", weights, "--prepared", prepared, "--height", SIDE, "--width", SIDE)
    return weights.with_suffix(".json")


def test_weights_without_pictures_of_unclear_licence_say_so_and_what_the_others_contribute(
    sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "PRECISIONS", ("fp32",))
    monkeypatch.setattr(release, "MEASURED_SECONDS", 0.1)
    whole, licensed = made(sample_data, tmp_path / "all"), made(sample_data, tmp_path / "clear", "--licensed-only")
    sources = {card: json.loads(card.read_text())["trained_from"]["licences"]["train"] for card in (whole, licensed)}
    assert sources == {whole: {UNCLEAR_LICENCE: 2, CLEAR_LICENCE: 2}, licensed: {CLEAR_LICENCE: 2}}
    assert licensed.with_suffix(".md").read_text().startswith("Trained only on pictures with a clear licence")
    assert whole.with_suffix(".md").read_text().startswith("Trained in part on pictures whose licence is unknown")
    run("compare", licensed, "--sample-data", sample_data, "--card", whole)
    assert set(json.loads(whole.read_text())["licensed_only"]["val"]) == {"all pictures", "those with a clear licence"}
    assert "the 2 of 4 training pictures whose licence is clear" in whole.with_suffix(".md").read_text()
    with pytest.raises(ValueError, match="unclear licence"):
        run("compare", whole, "--sample-data", sample_data, "--card", licensed)
