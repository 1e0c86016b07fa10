"""A run goes on as it was begun, and its card tells what it was begun with, whatever became of the set since."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import models.train
from models import record
from models.cli.main import app
from models.refusals import DataRefused
from models.train import Recipe, facts

pytestmark = pytest.mark.train
RECIPE = Recipe(epochs=3, image_size=320, frozen_layers=2, hours=1.5, teacher="/somewhere/coco.onnx")
ORIGIN = {"pictures": {"train/fire": 3}, "licences": {"train": {"CC0-1.0": 3}}}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "licences.json").write_text(json.dumps(ORIGIN))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images/train\n")
    return folder


@pytest.fixture
def begun(tmp_path: Path, prepared: Path) -> Path:
    """The folder of a run that was interrupted."""
    out = tmp_path / "run"
    record.begin(out, prepared, facts(RECIPE, Path("/elsewhere/coco.onnx")))
    (out / "data.yaml").write_text((prepared / "data.yaml").read_text())
    checkpoint = out / record.CHECKPOINT
    checkpoint.parent.mkdir(parents=True)
    torch.save({"epoch": 1}, checkpoint)
    return out


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that training was asked to go by."""
    asked: list[Recipe] = []

    def train(_prepared: Path, _begin: Path | None, out: Path, recipe: Recipe, **_how: Any) -> Path:
        asked.append(recipe)
        return out

    monkeypatch.setattr(models.train, "train", train)
    return asked


def train(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["train", *(str(word) for word in words)])
    return done.exit_code, done.output


def test_a_run_that_goes_on_keeps_its_recipe_and_the_record_of_it(begun: Path, trained: list[Recipe]) -> None:
    """It went on with the command's own defaults for size, time and frozen layers, and its record was replaced by them
    though epochs and rate stayed."""
    before = (begun / "recipe.json").read_bytes()
    assert train("--out", begun, "--resume")[0] == 0
    assert [asdict(one) for one in trained] == [asdict(RECIPE) | {"teacher": "coco.onnx"}]
    assert (begun / "recipe.json").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value"),
    [("--image-size", 480), ("--epochs", 14), ("--hours", 0), ("--device", 0), ("--begin", "other.onnx"),
     ("--teacher", "x.onnx"), ("--prepared", "elsewhere")],
)  # fmt: skip
def test_an_option_that_differs_from_how_the_run_was_begun_is_refused(
    begun: Path, trained: list[Recipe], option: str, value: object
) -> None:
    code, said = train("--out", begun, "--resume", option, value)
    assert (code, option in said or "set_changed" in said, trained) == (2, True, [])


def test_options_given_as_the_run_was_begun_are_no_hindrance(
    begun: Path, prepared: Path, trained: list[Recipe]
) -> None:
    words = ("--image-size", 320, "--hours", 1.5, "--begin", "coco.onnx", "--teacher", "coco.onnx")
    assert train("--out", begun, "--resume", *words, "--prepared", prepared)[0] == 0
    assert len(trained) == 1


def test_a_run_that_goes_on_takes_in_no_rejected_alerts(
    begun: Path, prepared: Path, tmp_path: Path, trained: list[Recipe]
) -> None:
    """They were counted in the card and never shown: what a run learns is listed when it begins."""
    (tmp_path / "feedback" / "images").mkdir(parents=True)
    code, said = train("--out", begun, "--resume", "--with-feedback", tmp_path / "feedback")
    assert (code, "--with-feedback" in said, trained) == (2, True, [])
    assert json.loads((prepared / "licences.json").read_text()) == ORIGIN


def test_a_run_does_not_go_on_with_another_set_nor_without_a_record(
    begun: Path, prepared: Path, trained: list[Recipe]
) -> None:
    (prepared / "licences.json").write_text(json.dumps({"pictures": {}, "licences": {"train": {}}}))
    code, said = train("--out", begun, "--resume")
    assert (code, "set_changed" in said) == (2, True)
    for unusable in ("", "[]", '{"epochs": 3}'):
        (begun / "recipe.json").write_text(unusable)
        code, said = train("--out", begun, "--resume")
        assert (code, "run_unrecorded" in said, "训练记录" in said) == (2, True, True)
    assert trained == []


def test_a_run_that_has_ended_is_not_gone_on_with(begun: Path) -> None:
    """It ended in a traceback of the trainer's."""
    torch.save({"epoch": -1}, begun / record.CHECKPOINT)
    code, said = train("--out", begun, "--resume")
    assert (code, "run_ended" in said) == (2, True)


def test_a_run_that_begins_keeps_where_its_pictures_are_from_and_nothing_of_the_run_before(
    begun: Path, prepared: Path
) -> None:
    """A checkpoint of the run before, exported, would have been told of as made by this recipe."""
    record.begin(begun, prepared, facts(Recipe(epochs=1), None))
    (prepared / "licences.json").write_text(json.dumps({"pictures": {}, "licences": {"train": {"unknown": 9}}}))
    assert record.origin_of(begun) == ORIGIN | {"pretrained_on": []}
    assert (record.recipe_of(begun)["epochs"], record.recipe_of(begun)["begun_from"]) == (1, None)
    assert not (begun / record.CHECKPOINT).exists()
    with pytest.raises(DataRefused, match="set_missing"):
        record.begin(begun, prepared / "nowhere", {})
    assert record.recipe_of(begun)["epochs"] == 1


def test_an_export_tells_of_the_pictures_that_were_trained_on_not_of_the_set_as_it_is_now(
    begun: Path, tmp_path: Path
) -> None:
    """The card named the licences of whatever set lay there when the weights were exported."""
    words = ["export", "--sample-data", tmp_path, "--out", begun, "--to", tmp_path / "new" / "hazard_2.onnx", "--alone"]
    (begun / "licences.json").unlink()
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert (done.exit_code, "origin_unrecorded" in done.output, "来源" in done.output) == (2, True, True)
    assert not (tmp_path / "new").exists()
