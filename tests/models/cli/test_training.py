"""What training begins from, and averages: networks of one kind alone, and nothing is written for another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from models.cli.main import app
from models.shipped import CUES, JUDGE, WEIGHTS


def test_only_networks_of_one_kind_are_averaged(tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(WEIGHTS.read_bytes()[:1000])
    (tmp_path / "empty.onnx").touch()
    others = ("cut.onnx", "empty.onnx", "none.onnx", str(WEIGHTS.with_name("second_look.onnx")))
    for other in others:
        to = tmp_path / "to.onnx"
        ended = CliRunner().invoke(app, ["blend", str(WEIGHTS), str(tmp_path / other), str(to)])
        assert (ended.exit_code, type(ended.exception)) == (2, SystemExit), other
        assert not to.exists()


def changed(to: Path, name: str, values: np.ndarray | None) -> Path:
    """Our network with other numbers in one layer; None: without it."""
    model = onnx.load(str(WEIGHTS))
    [layer] = [one for one in model.graph.initializer if one.name == name]
    if values is None:
        model.graph.initializer.remove(layer)
    else:
        layer.CopyFrom(numpy_helper.from_array(values, name))
    to.write_bytes(model.SerializeToString())
    return to


def foreign(kind: str, folder: Path) -> tuple[Path, str]:
    """A file that is no export of COCO's YOLOv8n or of ours, and the reason for which it is refused."""
    file = folder / "foreign.onnx"
    match kind:
        case "another_network":  # was begun from nothing, and the card told that it had been begun from this
            return JUDGE, "weights_foreign"
        case "in_halves":
            return CUES, "weights_foreign"
        case "lacks_a_layer":
            return changed(file, "model.0.conv.weight", None), "weights_foreign"
        case "lacks_its_last_layer":  # was left as chance had made it
            return changed(file, "model.22.cv3.2.2.bias", None), "weights_foreign"
        case "wider":
            return changed(file, "model.0.conv.weight", np.zeros((32, 3, 3, 3), np.float32)), "weights_foreign"
        case "one_class":
            return changed(file, "model.22.cv3.0.2.bias", np.zeros(1, np.float32)), "weights_foreign"
    file.write_bytes(WEIGHTS.read_bytes()[:1000])
    return file, "weights_unusable"


@pytest.mark.train
@pytest.mark.parametrize("option", ["--begin", "--teacher"])
@pytest.mark.parametrize(
    "kind",
    ["another_network", "in_halves", "lacks_a_layer", "lacks_its_last_layer", "wider", "one_class", "cut_short"],
)
def test_a_foreign_network_is_refused_before_anything_is_written(tmp_path: Path, kind: str, option: str) -> None:
    """Training ended in a traceback, some of it after it had cleared away the run before."""
    prepared, out, feedback = tmp_path / "set", tmp_path / "run", tmp_path / "feedback"
    for folder in (prepared / "images" / "train", feedback / "images", feedback / "labels", out):
        folder.mkdir(parents=True)
    (prepared / "data.yaml").write_text("train: images/train\n")
    (prepared / "licences.json").write_text(json.dumps({"pictures": {}, "licences": {"train": {}}}))
    (feedback / "images" / "feedback_1.jpg").touch()
    (feedback / "labels" / "feedback_1.txt").touch()
    file, reason = foreign(kind, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ended = CliRunner().invoke(
        app,
        ["train", "--prepared", str(prepared), "--out", str(out), option, str(file), "--with-feedback", str(feedback)],
    )
    assert (ended.exit_code, type(ended.exception)) == (2, SystemExit), ended.output
    assert reason in ended.output
    assert "ONNX" in ended.output
    assert sorted(tmp_path.rglob("*")) == before
    assert json.loads((prepared / "licences.json").read_text())["licences"]["train"] == {}
