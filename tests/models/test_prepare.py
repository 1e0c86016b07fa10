"""The training set takes the place of the set before, whole, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models import prepare as preparing
from models.cli.main import app


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_SAMPLE_DATA", raising=False)


def prepare(out: Path, *words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in ("prepare", "--out", out, "--rendered", 1, *words)])
    return done.exit_code, done.output


def lying(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_holds_anything_else_is_never_replaced(tmp_path: Path) -> None:
    """`prepare --out` of a folder of photos deleted all of them, before it looked whether it could build a set."""
    photos, run = tmp_path / "photos", tmp_path / "run"
    for file in (photos / "2019" / "us.jpg", photos / "images" / "them.jpg", run / "licences.json", run / "last.pt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("dear")
    before = lying(tmp_path)
    for out in (photos, run, photos / "2019" / "us.jpg"):
        code, said = prepare(out)
        assert (code, "folder_not_a_set" in said, str(out) in said) == (2, True, True)
        assert "不是训练集" in said
    assert lying(tmp_path) == before


def test_a_set_is_replaced_by_a_whole_one_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert prepare(tmp_path / "set")[0] == 0
    (tmp_path / "set" / "images" / "train" / "of_before.jpg").write_text("")
    assert prepare(tmp_path / "set", "--rendered", 2)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"data.yaml", "images", "labels", "licences.json"}
    names = sorted(path.name for path in (tmp_path / "set" / "images" / "train").iterdir())
    assert names == ["rendered_0.jpg", "rendered_1.jpg"]
    assert f"path: {tmp_path / 'set'}\n" in (tmp_path / "set" / "data.yaml").read_text()
    assert json.loads((tmp_path / "set" / "licences.json").read_text())["pictures"] == {"train/rendered": 2}


def test_a_set_that_cannot_be_built_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was gone, though the pictures' folder had been mistyped."""
    assert prepare(tmp_path / "set")[0] == 0
    before = lying(tmp_path)
    assert prepare(tmp_path / "set", "--sample-data", tmp_path / "mistyped")[0] == 2
    assert lying(tmp_path) == before

    def interrupted(*_about: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "_write_scene", interrupted)
    assert prepare(tmp_path / "set")[0] == 130
    assert lying(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
