from __future__ import annotations

from typer.testing import CliRunner

from models.cli.main import app


def test_a_split_that_is_none_is_not_judged_as_an_empty_one() -> None:
    ended = CliRunner().invoke(app, ["evaluate", "--split", "tset"])
    assert ended.exit_code == 2
    assert "train" in ended.output
