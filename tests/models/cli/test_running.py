"""The commands that make weights: what cannot be used is said at once, and nothing has been made or changed then."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.cli.main import app


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
