"""What a card may say: each fact that makes no sense is named, so that whoever wrote the card finds it."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.card import Counting, Cues
from detectors.card_facts import card_of

FACTS: dict[str, Any] = {
    "name": "tiny",
    "sha256": "AB" * 32,
    "classes": ["person", "fire"],
    "input_size": [64, 96],
    "stride": 32,
    "thresholds": {"person": 0.3, "fire": 0.5},
    "precision": "fp32",
    "licence": "AGPL-3.0",
}
COUNTING = {"columns": 3, "rows": 2, "overlap": 0.2, "from_people": 6, "threshold": 0.4}
CUES = {
    "weights": "cues.onnx",
    "sha256": "CD" * 32,
    "classes": ["goods"],
    "thresholds": {"goods": 0.2},
    "input_size": [64, 64],
}


def test_a_card_stands_for_what_its_facts_say_and_keeps_what_it_does_not_know() -> None:
    card = card_of(FACTS | {"counting": COUNTING, "cues": CUES, "note": "measured"})
    assert (card.sha256, card.input_size, card.thresholds) == ("ab" * 32, (64, 96), {"person": 0.3, "fire": 0.5})
    assert card.counting == Counting(3, 2, 0.2, 6, 0.4)
    assert card.cues == Cues("cues.onnx", "cd" * 32, ("goods",), {"goods": 0.2}, (64, 64))
    with_market = card_of(FACTS | {"cues": CUES | {"market_from": 0.5}})
    assert with_market.cues == Cues("cues.onnx", "cd" * 32, ("goods",), {"goods": 0.2}, (64, 64), 0.5)
    assert (card.density, card.judge, card.quantised, card.weights) == (None, None, None, None)
    assert card.details == {"note": "measured"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stride": 48}, "multiple of the stride"),
        ({"classes": ["fire", "fire"]}, "twice"),
        ({"thresholds": {"fire": 0.5}}, "thresholds and classes differ"),
        ({"thresholds": {"person": 0.3, "fire": 1.0}}, "outside 0..1"),
        ({"precision": "INT8"}, "fp32, bf16, int8"),
        ({"weights": "../other.onnx"}, "beside the card"),
        ({"weights": "folder/other.pt"}, "beside the card"),
        ({"counting": COUNTING | {"rows": 9}}, "1 to 8 columns and rows"),
        ({"counting": COUNTING | {"threshold": 1}}, "threshold within 0..1"),
        ({"input_size": [2176, 3840]}, "more than 5000000 pixels"),
        ({"augmented": {"input_size": [64, 80], "from_score": 0.1}}, "multiple of the stride"),
        ({"augmented": {"input_size": [64, 96], "from_score": float("nan")}}, "from_score lies outside 0..1"),
        ({"cues": CUES | {"input_size": [64, 65]}}, "multiple of 32"),
        ({"cues": CUES | {"classes": ["fire"]}}, "parts of a stall"),
        ({"cues": CUES | {"market_from": 1.0}}, "threshold lies outside"),
    ],
)
def test_what_makes_no_sense_is_named(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        card_of(FACTS | change)


@pytest.mark.parametrize("key", FACTS)
def test_a_fact_that_every_card_has_is_named_where_it_is_missing(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} is missing"):
        card_of({name: value for name, value in FACTS.items() if name != key})
