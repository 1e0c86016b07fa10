"""``gateway promote``: weights are put in force and taken back, and the audit chain has the one as the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from detectors.card_file import load_card
from gateway.cli.main import app

pytestmark = pytest.mark.integration


def test_weights_that_are_taken_back_are_called_so_in_the_audit_chain(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.chdir(tmp_path)
    for words in ([str(shadow_card)], ["--back"]):
        done = CliRunner().invoke(app, ["promote", *words])
        assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(app, ["promote", "--back"])
    assert refused.exit_code != 0

    [database] = data.glob("*.db")
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        told = connection.execute(text("SELECT what, target FROM audit WHERE what LIKE 'weights.%' ORDER BY seq")).all()
    engine.dispose()
    new = load_card(shadow_card).sha256
    assert [tuple(one) for one in told] == [
        ("weights.promote", f"weights:{new}"),
        ("weights.withdraw", "weights:promoted"),
    ]
