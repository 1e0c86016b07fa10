"""A card is read where it is one, and refused with a reason where it is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detectors.card import Counting
from detectors.card_file import load_card
from detectors.refusals import WeightsRefused

MakeWeights = Callable[..., Path]


def refusal(card: Path) -> WeightsRefused:
    with pytest.raises(WeightsRefused) as caught:
        load_card(card)
    assert caught.value.zh
    assert caught.value.en
    return caught.value


def test_what_a_card_says_beside_the_known_keys_is_kept(make_weights: MakeWeights) -> None:
    assert load_card(make_weights()).details == {"note": "made for a test"}


def test_two_cards_that_share_a_detector_are_told_apart_by_their_own_sum(make_weights: MakeWeights) -> None:
    card = make_weights()
    one, facts = load_card(card), json.loads(card.read_text())
    card.write_text(json.dumps(facts | {"judge": {"weights": "judge.onnx", "sha256": "ab" * 32, "labels": ["fire"]}}))
    assert load_card(card).sha256 == one.sha256
    assert load_card(card).card_sha256 != one.card_sha256


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json").reason == "card_missing"


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": None},
        {"input_size": [64]},
        {"input_size": [65, 64]},
        {"input_size": [0, 0]},
        {"input_size": "640"},
        {"stride": 0},
        {"thresholds": {"fire": 0.5}},
        {"thresholds": dict.fromkeys(("person", "fire", "smoke", "stall"), 0.0)},
        {"thresholds": dict.fromkeys(("person", "fire", "smoke", "stall"), "high")},
        {"classes": [], "thresholds": {}},
        {"classes": ["fire", "fire"], "thresholds": {"fire": 0.5}},
        {"precision": "INT8"},
        {"precision": "x"},
        {"precision": ["int8"]},
        {"stride": float("inf")},
        {"input_size": [float("inf"), 64]},
        {"weights": "\0.onnx"},
        {"weights": "\ud800.pt"},
        {"judge": {"weights": "judge.onnx", "sha256": "ab" * 32, "labels": ["fire", "fire"]}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(make_weights: MakeWeights, changes: dict[str, Any]) -> None:
    assert refusal(make_weights(**changes)).reason == "card_invalid"


@pytest.mark.parametrize("said", [float("nan"), float("-inf"), 10**30, "\ud800", ["\ud800"]])
def test_a_card_that_could_not_be_told_on_is_refused(make_weights: MakeWeights, said: object) -> None:
    """Each camera worker asks the engine for its card: one that no message holds left every camera unwatched."""
    assert refusal(make_weights(note=said)).reason == "card_invalid"


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[]", "null", '"card"', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_card_that_is_no_json_object_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refusal(path).reason == "card_invalid"


def test_a_card_that_is_no_small_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with path.open("wb") as sparse:
        sparse.truncate(10_000_000_000)
    assert refusal(path).reason == "card_invalid"


def test_a_card_with_a_key_more_is_no_error(make_weights: MakeWeights) -> None:
    path = make_weights(metrics={"fire": 0.3})
    assert json.loads(path.read_text())["metrics"] == load_card(path).details["metrics"]


def test_an_int8_export_that_lost_its_accuracy_is_refused(make_weights: MakeWeights) -> None:
    assert load_card(make_weights(precision="int8", accuracy_lost={"fire": 0.02, "person": -0.01}))
    refused = refusal(make_weights(precision="int8", accuracy_lost={"fire": 0.31}))
    assert refused.reason == "accuracy_lost"
    assert "fire" in refused.zh


QUANTISED = {"weights": "tiny.int8.onnx", "sha256": "ab" * 32, "accuracy_lost": {"fire": 0.004, "smoke": 0.0}}


def test_a_card_names_its_quantised_network_and_one_that_lost_its_accuracy_is_refused(
    make_weights: MakeWeights,
) -> None:
    card = load_card(make_weights(quantised=QUANTISED))
    assert card.quantised is not None
    assert card.quantised.weights == "tiny.int8.onnx"
    refused = refusal(make_weights(quantised=QUANTISED | {"accuracy_lost": {"smoke": 0.054}}))
    assert refused.reason == "accuracy_lost"
    assert "int8" in refused.en
    assert "smoke" in refused.zh


@pytest.mark.parametrize(
    "change",
    [{"weights": "../other.onnx"}, {"weights": "tiny.pt"}, {"accuracy_lost": {}}, {"accuracy_lost": {"fire": "none"}}],
)
def test_a_quantised_network_from_elsewhere_or_of_unknown_accuracy_is_refused(
    make_weights: MakeWeights, change: dict[str, Any]
) -> None:
    assert refusal(make_weights(quantised=QUANTISED | change)).reason == "card_invalid"


COUNTING = {"columns": 3, "rows": 2, "overlap": 0.2, "from_people": 6, "threshold": 0.4}


def test_a_card_says_how_people_are_counted_where_they_are_many(make_weights: MakeWeights) -> None:
    assert load_card(make_weights(counting=COUNTING)).counting == Counting(3, 2, 0.2, 6, 0.4)
    assert load_card(make_weights()).counting is None


@pytest.mark.parametrize("change", [{"columns": 0}, {"overlap": 0.9}, {"threshold": float("nan")}, {"rows": None}])
def test_a_way_of_counting_that_is_none_is_refused(make_weights: MakeWeights, change: dict[str, Any]) -> None:
    assert refusal(make_weights(counting={**COUNTING, **change})).reason == "card_invalid"
