"""What new weights take along from the shipped card, so that they count crowds and find stalls as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.refusals import WeightsRefused
from models import shipped
from models.carried import carried
from models.cli.main import app
from models.release import described

SHIPPED = json.loads(shipped.CARD.read_text())


def test_new_weights_in_a_folder_of_their_own_take_along_what_stands_beside_them_with_its_files(
    tmp_path: Path,
) -> None:
    weights = tmp_path / "new" / "hazard_2.onnx"
    along = carried(shipped.CARD, weights)
    assert not weights.parent.exists()
    assert along.entries == {name: SHIPPED[name] for name in ("augmented", "density", "judge", "cues")}
    along.lay_beside(weights)
    laid = {path.name: path.read_bytes() for path in weights.parent.iterdir()}
    assert laid == {path.name: path.read_bytes() for path in (shipped.DENSITY, shipped.JUDGE, shipped.CUES)}
    along.lay_beside(weights)  # made again in the same place
    carried(shipped.CARD, weights)


def test_what_the_card_beside_the_new_weights_names_already_stays(tmp_path: Path) -> None:
    (tmp_path / "hazard_2.json").write_text(json.dumps({"judge": {"weights": "own.onnx"}}))
    assert set(carried(shipped.CARD, tmp_path / "hazard_2.onnx").entries) == {"augmented", "density", "cues"}
    assert carried(shipped.CARD, shipped.WEIGHTS).files == ()


def test_an_exchanged_judge_is_not_taken_along_and_another_file_of_its_name_is_not_replaced(tmp_path: Path) -> None:
    for file in (shipped.CARD, shipped.DENSITY, shipped.JUDGE, shipped.CUES):
        shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / shipped.JUDGE.name).write_bytes(shipped.JUDGE.read_bytes() + b"more")
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        carried(tmp_path / shipped.CARD.name, tmp_path / "new" / "hazard_2.onnx")
    with pytest.raises(WeightsRefused, match="weights_in_the_way"):
        carried(shipped.CARD, tmp_path / "hazard_2.onnx")
    with pytest.raises(WeightsRefused, match="weights_in_the_way"):
        carried(shipped.CARD, tmp_path / "new" / shipped.JUDGE.name)


def test_the_command_refuses_before_it_exports_anything(tmp_path: Path) -> None:
    to = tmp_path / "new" / "hazard_2.onnx"
    words = ["export", "--sample-data", tmp_path, "--out", tmp_path, "--to", to, "--beside", tmp_path / "no.json"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 2
    assert not to.parent.exists()


def test_how_often_new_weights_look_is_taken_along_and_not_what_it_was_worth_to_others() -> None:
    origin: dict[str, object] = {"licences": {"train": {}}}
    assert "raised_on_val" in SHIPPED["augmented"]
    said = described(origin, {}, SHIPPED)
    assert said["augmented"] == {name: SHIPPED["augmented"][name] for name in ("input_size", "from_score")}
    assert "augmented" not in described(origin, {}, {"augmented": None})
