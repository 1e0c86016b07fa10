"""The training set takes the place of the set before, whole, and of nothing else; scenes in two splits are told."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models import prepare as preparing
from models import shipped
from models.card import page
from models.cli.main import app
from models.sample_data import read_samples, scenes_in_two_splits


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_SAMPLE_DATA", raising=False)


def prepare(out: Path, *words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in ("prepare", "--out", out, "--rendered", 1, *words)])
    return done.exit_code, done.output


def pictures(folder: Path, *rows: tuple[str, str, str]) -> Path:
    """Black ones, by name, split and scene."""
    (folder / "fire" / "images").mkdir(parents=True)
    lines = ["file\tsplit\tscene\tlicence\tnote"]
    for name, split, scene in rows:
        cv2.imwrite(str(folder / "fire" / "images" / name), np.zeros((64, 64, 3), np.uint8))
        lines.append(f"fire/images/{name}\t{split}\t{scene}\tCC0\t")
    (folder / "MANIFEST.tsv").write_text("\n".join(lines))
    return folder


class Nobody:
    """Sees no people."""

    def __init__(self, _weights: Path) -> None: ...

    def find(self, _picture: object, _least: float) -> tuple[()]:
        return ()


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


def test_scenes_that_lie_in_two_splits_are_named_and_the_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was promised that none does, and nobody looked: pictures of a scene that had been trained on were judged."""
    monkeypatch.setattr(preparing, "CocoPersonFinder", Nobody)
    data = pictures(
        tmp_path / "data",
        *(("a.png", "train", "yard"), ("b.png", "train", "yard"), ("c.png", "test", "yard")),
        *(("d.png", "val", "[lane]"), ("e.png", "test", "[lane]"), ("f.png", "train", "quay")),
        *(("g.png", "train", "-"), ("h.png", "test", "-")),
        *(("cnvendor_i.png", "train", "booth"), ("cnvendor_j.png", "test", "booth")),  # the first is never trained on
    )
    code, said = prepare(tmp_path / "set", "--sample-data", data)
    assert code == 0
    assert "2 scenes lie in more than one split" in said
    assert "yard: train 2, test 1" in said
    assert "[lane]: val 1, test 1" in said
    assert "booth" not in said
    told = json.loads((tmp_path / "set" / "licences.json").read_text())
    assert told["scenes_in_two_splits"] == {"yard": {"train": 2, "test": 1}, "[lane]": {"val": 1, "test": 1}}
    assert told["pictures"]["train/fire"] == 4
    shown = page(json.loads(shipped.CARD.read_text()) | {"trained_from": told})
    assert "2 scenes in more than one split: 1 test and 0 val pictures are of scenes that train shows" in shown


def test_splits_by_scene_are_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CocoPersonFinder", Nobody)
    data = pictures(tmp_path / "data", ("a.png", "train", "yard"), ("b.png", "train", "yard"), ("c.png", "val", "quay"))
    assert scenes_in_two_splits(read_samples(data)) == {}
    code, said = prepare(tmp_path / "set", "--sample-data", data)
    assert (code, "scenes" in said) == (0, False)
