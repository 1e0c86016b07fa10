"""The commands that make weights: what cannot be used is said at once, and nothing has been made or changed then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models import shipped
from models.cli.main import app


def adopted(card: Path) -> Path:
    """As ``adopt`` writes it for a file from elsewhere."""
    facts = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    own = ("name", "sha256", "classes", "input_size", "stride", "thresholds", "precision", "licence")
    card.write_text(json.dumps({name: facts[name] for name in own} | {"precision": "fp32", "note": "elsewhere"}))
    shutil.copyfile(shipped.WEIGHTS, card.with_suffix(".onnx"))
    return card


def told_otherwise(card: Path) -> Path:
    """Of another maker, who says with the same word something else."""
    facts = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    facts = {name: value for name, value in facts.items() if name not in ("density", "judge", "cues", "quantised")}
    card.write_text(json.dumps(facts | {"trained_from": ["COCO"]}))
    shutil.copyfile(shipped.WEIGHTS, card.with_suffix(".onnx"))
    return card


@pytest.mark.parametrize("foreign", [adopted, told_otherwise])
@pytest.mark.parametrize("command", ["density", "judge", "cues", "precision", "thresholds", "augment", "compare"])
def test_a_foreign_card_is_refused_before_anything_is_made_for_it(
    tmp_path: Path, command: str, foreign: Callable[[Path], Path]
) -> None:
    """`compare` ended in a traceback, `density` did after it had trained for an hour."""
    card = foreign(tmp_path / "foreign.json")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    ended = CliRunner().invoke(app, [command, "--card", str(card), *([str(card)] if command == "compare" else [])])
    assert (ended.exit_code, type(ended.exception)) == (2, SystemExit)
    assert "card_foreign: 模型卡" in ended.output
    assert "none that gateway models export wrote" in ended.output
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_foreign_card_is_not_compared_with_a_card_of_ours(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["compare", str(adopted(tmp_path / "foreign.json"))])
    assert (ended.exit_code, type(ended.exception)) == (2, SystemExit)
    assert "card_foreign" in ended.output


def test_weights_without_our_classes_are_not_judged_by_our_figures(tmp_path: Path) -> None:
    card = adopted(tmp_path / "foreign.json")
    facts = json.loads(card.read_text()) | {"classes": ["fire"], "thresholds": {"fire": 0.5}}
    card.write_text(json.dumps(facts))
    ended = CliRunner().invoke(app, ["evaluate", "--card", str(card)])
    assert (ended.exit_code, type(ended.exception)) == (2, SystemExit)
    assert "classes_missing" in ended.output


@pytest.mark.parametrize("command", ["density", "judge", "cues", "precision", "thresholds", "evaluate"])
@pytest.mark.parametrize(("text", "reason"), [(None, "card_missing"), ('{"name":', "card_invalid")])
def test_a_card_that_cannot_be_read_is_refused_before_anything_is_made(
    tmp_path: Path, command: str, text: str | None, reason: str
) -> None:
    """Networks were made and written first, and then belonged to no card."""
    card, made = tmp_path / "card.json", tmp_path / "made.onnx"
    if text is not None:
        card.write_text(text)
    to = ["--to", str(made)] if command in ("density", "judge", "cues") else []
    ended = CliRunner().invoke(app, [command, "--card", str(card), *to])
    assert (ended.exit_code, type(ended.exception)) == (2, SystemExit)
    assert reason in ended.output
    assert "模型卡" in ended.output
    assert not made.exists()


def test_pictures_and_pages_that_are_not_there_are_named(tmp_path: Path) -> None:
    for asked in (["evaluate"], ["card", str(tmp_path / "none.md")], ["card", str(tmp_path)]):
        ended = CliRunner().invoke(app, asked)
        assert (ended.exit_code, type(ended.exception)) == (2, SystemExit)
        assert "file_unusable" in ended.output
