"""Weights run only with the card that belongs to them; everything else is refused with a reason to act on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.refusals import WeightsRefused
from detectors.weights import LARGEST, checked_weights

MakeWeights = Callable[..., Path]


def refusal(card: Path) -> WeightsRefused:
    with pytest.raises(WeightsRefused) as caught:
        checked_weights(card)
    assert caught.value.zh
    assert caught.value.en
    return caught.value


def test_weights_that_fit_their_card_are_taken(make_weights: MakeWeights) -> None:
    path = make_weights()
    card, weights = checked_weights(path)
    assert weights == path.with_suffix(".onnx")
    assert card.input_size == (64, 64)
    assert card.classes == ("person", "fire", "smoke", "stall")
    assert card.thresholds["fire"] == 0.5


def test_missing_weights_are_named(make_weights: MakeWeights) -> None:
    path = make_weights()
    path.with_suffix(".onnx").unlink()
    assert refusal(path).reason == "weights_missing"


def test_truncated_weights_are_refused(make_weights: MakeWeights) -> None:
    path = make_weights()
    weights = path.with_suffix(".onnx")
    weights.write_bytes(weights.read_bytes()[:-100])
    assert refusal(path).reason == "weights_damaged"


def test_other_weights_of_the_same_length_are_refused(make_weights: MakeWeights) -> None:
    path = make_weights()
    weights = path.with_suffix(".onnx")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert refusal(path).reason == "weights_damaged"


def test_weights_truncated_before_their_card_was_written_are_refused(
    make_weights: MakeWeights, unnamed_model: bytes
) -> None:
    assert refusal(make_weights(unnamed_model[:-3])).reason == "weights_unusable"


def test_weights_whose_classes_come_in_another_order_are_refused(
    make_weights: MakeWeights, swapped_model: bytes
) -> None:
    assert refusal(make_weights(swapped_model)).reason == "classes_differ"


def test_an_export_without_names_is_taken_by_its_card(make_weights: MakeWeights, unnamed_model: bytes) -> None:
    card, _ = checked_weights(make_weights(unnamed_model))
    assert card.classes[1] == "fire"


def test_a_folder_in_place_of_the_weights_is_refused(make_weights: MakeWeights) -> None:
    path = make_weights()
    path.with_suffix(".onnx").unlink()
    path.with_suffix(".onnx").mkdir()
    assert refusal(path).reason == "weights_missing"


def test_weights_larger_than_any_of_ours_are_refused_unread(make_weights: MakeWeights) -> None:
    path = make_weights()
    with path.with_suffix(".onnx").open("wb") as sparse:
        sparse.truncate(LARGEST + 1)
    assert refusal(path).reason == "weights_too_large"


def test_a_pipe_in_place_of_a_card_or_of_weights_is_refused_and_nobody_waits_for_it(make_weights: MakeWeights) -> None:
    path = make_weights()
    path.with_suffix(".onnx").unlink()
    os.mkfifo(path.with_suffix(".onnx"))
    assert refusal(path).reason == "weights_missing"
    path.unlink()
    os.mkfifo(path)
    assert refusal(path).reason == "card_missing"
