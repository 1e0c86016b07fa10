"""Files of weights read once for as long as they lie there unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.card_file import load_card
from gateway.workers.control import checked_shadow
from gateway.workers.control.checked_shadow import CheckedShadow


def test_what_lies_there_unchanged_is_read_once_and_again_once_it_was_written_to(
    shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    checked_files = checked_shadow.checked_files

    def counted(card_path: Path) -> object:
        read.append(card_path)
        return checked_files(card_path)

    monkeypatch.setattr(checked_shadow, "checked_files", counted)
    checked, card, weights = CheckedShadow(), load_card(shadow_card), shadow_card.with_suffix(".onnx")
    whole = weights.read_bytes()
    assert [checked.amiss(card, shadow_card) for _ in range(3)] == [None] * 3
    assert len(read) == 1
    weights.write_bytes(whole[:-10])
    refused = [checked.amiss(card, shadow_card) for _ in range(3)]
    assert [one and one.reason for one in refused] == ["weights_damaged"] * 3
    weights.unlink()
    assert (missing := checked.amiss(card, shadow_card)) is not None
    assert missing.reason == "weights_missing"
    assert len(read) == 3
    weights.write_bytes(whole)
    assert checked.amiss(card, shadow_card) is None
