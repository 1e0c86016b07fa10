"""Weights put in force by a person: whole or not at all, whatever cuts it off, and taken back alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import InferenceSettings
from gateway.workers.inference.promotion import card_in_force
from models import shipped


def test_the_shipped_weights_are_those_that_the_commands_which_make_them_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their path was spelled twice: named otherwise in one place, weights were made that nothing looked with."""
    monkeypatch.setattr(shipped, "CARD", tmp_path / "hazard_s.json")
    assert card_in_force(tmp_path / "data", InferenceSettings()) == tmp_path / "hazard_s.json"
