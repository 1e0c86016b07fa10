"""Weights made only of pictures with a clear licence: from the set to the card, which tells the difference it makes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from detectors.networks import checked_files
from models import precision, shipped
from models.cli.main import app
from models.feedback import LICENCE
from models.prepare import COCO_WEIGHTS
from models.scenes import Scene

CLEAR_LICENCE, UNCLEAR_LICENCE = "CC0-1.0", "unknown (web photos)"
"""As the drawn pictures carry them (see ``conftest``)."""
SIDE = 64
pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]  # two trainings


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rejected(folder: Path) -> Path:
    """What ``gateway feedback`` leaves of one rejected fire."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    name = "feedback_one@person+stall"
    assert cv2.imwrite(str(folder / "images" / f"{name}.jpg"), Scene("quiet", 1, pieces="demo").frame(1.0))
    (folder / "labels" / f"{name}.txt").write_text("")
    return folder


def made(sample_data: Path, folder: Path, *flags: str, alone: bool = False) -> Path:
    """The card of weights that were prepared, trained for an epoch and exported, ``alone`` or with what goes along."""
    prepared, out, weights = folder / "set", folder / "run", folder / "weights" / "tiny.onnx"
    feedback = rejected(folder / "feedback")
    data = ("--sample-data", sample_data)
    run("prepare", "--out", prepared, *data, "--rendered", 1, *flags)
    run(
        *("train", "--prepared", prepared, "--out", out, "--begin", sample_data / "weights" / COCO_WEIGHTS),
        *("--epochs", 1, "--image-size", SIDE, "--threads", 1, "--with-feedback", feedback),
    )
    # Shown four times an epoch, as a hard negative is.
    assert (out / "train.txt").read_text().count("feedback_") == 4
    (prepared / "licences.json").unlink()  # of the run is told, not of the set as it is now
    size = ("--height", SIDE, "--width", SIDE, *(["--alone"] if alone else []))
    run("export", *data, "--out", out, "--to", weights, *size)
    return weights.with_suffix(".json")


def test_weights_without_pictures_of_unclear_licence_say_so_and_what_the_others_contribute(
    sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "PRECISIONS", ("fp32",))
    whole = made(sample_data, tmp_path / "all")
    licensed = made(sample_data, tmp_path / "clear", "--licensed-only", alone=True)
    # Exported into a folder of their own they count crowds and are judged as the shipped ones; or not, where asked.
    files = {card: [file.name for file in checked_files(card)[1]] for card in (whole, licensed)}
    assert files == {
        whole: ["tiny.onnx", shipped.DENSITY.name, shipped.JUDGE.name, shipped.CUES.name],
        licensed: ["tiny.onnx"],
    }
    assert set(json.loads(whole.read_text())["judge"]["raised_on_val"]) == {"with", "without"}
    sources = {card: json.loads(card.read_text())["trained_from"]["licences"]["train"] for card in (whole, licensed)}
    assert sources == {
        whole: {UNCLEAR_LICENCE: 2, CLEAR_LICENCE: 2, LICENCE: 1},
        licensed: {CLEAR_LICENCE: 2, LICENCE: 1},
    }
    chosen_on = json.loads(licensed.read_text())["chosen_on"]
    assert chosen_on["fire"] == {"clear": 1, "unclear": 0}
    assert set(chosen_on) == {
        *("person", "fire", "smoke", "stall"),
        *("precision_fire", "precision_smoke", "precision_person"),
    }
    assert "chosen_on" not in json.loads(whole.read_text())
    assert licensed.with_suffix(".md").read_text().startswith("Trained only on pictures with a clear licence")
    assert whole.with_suffix(".md").read_text().startswith("Trained in part on pictures whose licence is unknown")
    run("compare", licensed, "--sample-data", sample_data, "--card", whole)
    assert set(json.loads(whole.read_text())["licensed_only"]["val"]) == {"all pictures", "those with a clear licence"}
    assert "the 3 of 5 training pictures whose licence is clear" in whole.with_suffix(".md").read_text()
    done = CliRunner().invoke(app, ["compare", str(whole), "--sample-data", str(sample_data), "--card", str(licensed)])
    assert (done.exit_code, "licence_unclear" in done.output) == (2, True)
