"""Fewer bits are shipped where they save time and cost no accuracy, and not otherwise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models import precision, release, shipped
from models.calibration import calibration
from models.precision import choose, lost, quantised_beside, said

ENTRY = {"weights": "hazard.int8.onnx", "sha256": "ab" * 32, "accuracy_lost": {}}


def measured(**changes: dict[str, float]) -> dict[str, dict[str, float]]:
    """Floats, half as many bits in half the time, and bytes in a third of it, all of one quality."""
    of = {"fire": 0.5, "smoke": 0.6, "person": 0.8}
    times = {"fp32": 60.0, "bf16": 30.0, "int8": 20.0}
    return {name: {"processor_ms": ms, **of, **changes.get(name, {})} for name, ms in times.items()}


def test_the_fewest_bits_that_cost_nothing_are_shipped_beside_what_every_processor_computes() -> None:
    words = said(measured(int8={"fire": 0.495, "smoke": 0.61}), ENTRY)
    assert words["precision"] == "bf16"
    assert words["quantised"] == ENTRY | {"accuracy_lost": {"fire": 0.005, "smoke": 0.0, "person": 0.0}}


@pytest.mark.parametrize("change", [{"smoke": 0.589}, {"fire": 0.48}, {"person": 0.79}, {"processor_ms": 27.0}])
def test_bytes_that_cost_a_class_its_accuracy_or_save_hardly_any_time_are_not_shipped(change: dict[str, float]) -> None:
    words: dict[str, Any] = said(measured(int8=change), ENTRY)
    assert "quantised" not in words
    assert words["precision"] == "bf16"
    assert words["precisions_measured_on_val"]["int8"].items() >= change.items()


def test_bytes_stand_on_their_own_where_bfloat16_is_not_worth_it() -> None:
    words = said(measured(bf16={"processor_ms": 300.0}), ENTRY)
    assert words["precision"] == "fp32"
    assert "accuracy_lost" not in words
    assert "quantised" in words


def test_a_gain_is_no_loss() -> None:
    assert lost(measured(bf16={"fire": 0.7}), "bf16") == {"fire": 0.0, "smoke": 0.0, "person": 0.0}


@pytest.mark.parametrize("able", [True, False])
def test_what_is_said_of_bytes_lies_beside_the_floats_and_where_they_cannot_be_computed_nothing_does(
    sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr(precision, "multiplies_bytes", lambda: able)
    # Trying bounds takes a minute.
    monkeypatch.setattr(precision, "calibration", lambda *about, **how: replace(calibration(*about, **how), trials=[]))
    floats = tmp_path / "weights" / "small.onnx"
    floats.parent.mkdir()
    floats.write_bytes(shipped.WEIGHTS.read_bytes())
    quantised_beside(floats).write_bytes(b"of earlier weights")
    words = choose(floats, (64, 64), sample_data, lambda _what, _done, _of: None)
    assert ("int8" in words["precisions_measured_on_val"]) is able
    assert quantised_beside(floats).exists() is ("quantised" in words)
    if "quantised" in words:
        assert words["quantised"]["weights"] == "small.int8.onnx"
        assert words["quantised"]["sha256"] == hashlib.sha256(quantised_beside(floats).read_bytes()).hexdigest()
    before = {"weights": "small.int8.onnx", "sha256": "ab" * 32, "accuracy_lost": {"fire": 0.0}}
    if not able:
        again = choose(floats, (64, 64), sample_data, lambda _what, _done, _of: None, before)
        assert again["quantised"] == before
    assert floats.read_bytes() == shipped.WEIGHTS.read_bytes()


def test_the_precision_of_the_file_that_the_card_names_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken from the card's own name: of another file, or of none."""
    card = tmp_path / "card.json"
    facts = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    card.write_text(json.dumps(facts | {"weights": "network.onnx"}), encoding="utf-8")
    measured: list[Path] = []

    def choose(weights: Path, *_: object, **__: object) -> dict[str, Any]:
        measured.append(weights)
        return {"precision": "fp32"}

    monkeypatch.setattr(release, "choose", choose)
    monkeypatch.setattr(release, "with_figures", lambda *_: card)
    release.choose_precision(card, tmp_path, lambda _what, _done, _of: None)
    assert measured == [tmp_path / "network.onnx"]
