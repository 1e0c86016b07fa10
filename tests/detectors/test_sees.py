"""Weights that cannot tell a hazard are known for it before a rule waits for them in vain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from detectors.card import Card, Cues
from detectors.card_file import load_card
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig, StallRuleConfig
from detectors.sees import HAZARDS, can_fire, hazards_of, refuse_blindness
from models.shipped import CARD

MakeWeights = Callable[..., Path]
SHIPPED = load_card(CARD)


def knowing(classes: tuple[str, ...], parts: tuple[str, ...] = ()) -> Card:
    """A card of weights that know these classes, with a network beside them for these parts of a stall."""
    cues = Cues("cues.onnx", "ab" * 32, parts, dict.fromkeys(parts, 0.5), (64, 64)) if parts else None
    return replace(SHIPPED, classes=classes, cues=cues)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (SHIPPED.classes, set(HAZARDS)),
        (("person", "bicycle", "car", "umbrella"), {"crowd"}),
        (("smoke",), {"fire"}),
        (("goods",), {"stall"}),
        (("person", "umbrella", "cart"), {"crowd", "stall"}),
        (("cat", "dog"), set()),
    ],
)
def test_a_hazard_is_told_by_its_classes(classes: tuple[str, ...], told: set[str]) -> None:
    assert hazards_of(knowing(classes)) == told


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (("umbrella", "cart"), True),
        (("goods", "goods"), True),
        (("umbrella", "car"), False),
    ],
)
def test_stalls_are_told_by_the_network_for_their_parts_where_the_detector_knows_none(
    parts: tuple[str, ...], told: bool
) -> None:
    card = knowing(("fire", "umbrella"), parts)
    assert hazards_of(card) == ({"fire", "stall"} if told else {"fire"})
    assert can_fire(StallRuleConfig(), card) == told
    assert not can_fire(StallRuleConfig(attended_only=True), card)


def test_each_network_tells_stalls_by_its_own_parts_alone() -> None:
    """What the one sees is not grouped with what the other sees."""
    assert hazards_of(knowing(("umbrella",), ("cart",))) == set()


def test_weights_with_a_network_for_the_parts_of_a_stall_may_replace_those_with_a_class_for_it() -> None:
    refuse_blindness(knowing(("person", "fire"), ("goods", "umbrella")), SHIPPED)


@pytest.mark.parametrize(
    ("rule", "classes", "fires"),
    [
        (FireRuleConfig(smoke=False), ("smoke", "person"), False),
        (FireRuleConfig(smoke=False), ("fire",), True),
        (FireRuleConfig(), ("smoke",), True),
        (StallRuleConfig(attended_only=True), ("stall", "fire"), False),
        (StallRuleConfig(attended_only=True), ("stall", "person"), True),
        (StallRuleConfig(), ("stall",), True),
        (CrowdRuleConfig(), ("stall",), False),
    ],
)
def test_a_rule_fires_only_where_all_that_it_waits_for_is_told(
    rule: RuleConfig, classes: tuple[str, ...], fires: bool
) -> None:
    assert can_fire(rule, knowing(classes)) == fires


def test_weights_of_the_wrong_classes_are_refused_before_anything_starts(
    make_weights: MakeWeights, unnamed_model: bytes
) -> None:
    names = ["cat", "dog", "car", "bus"]
    card = make_weights(unnamed_model, classes=names, thresholds=dict.fromkeys(names, 0.5))
    with pytest.raises(WeightsRefused) as caught:
        checked_files(card)
    assert caught.value.reason == "weights_see_nothing"


def test_weights_that_tell_less_than_those_in_force_do_not_replace_them(
    make_weights: MakeWeights, unnamed_model: bytes
) -> None:
    names = ["person", "fire", "smoke", "car"]
    card = load_card(make_weights(unnamed_model, classes=names, thresholds=dict.fromkeys(names, 0.5)))
    refuse_blindness(card)
    with pytest.raises(WeightsRefused) as caught:
        refuse_blindness(card, SHIPPED)
    assert caught.value.reason == "weights_see_less"
    assert "占道经营" in caught.value.zh
    refuse_blindness(SHIPPED, card)


def test_an_int8_export_whose_loss_nobody_measured_is_refused(make_weights: MakeWeights) -> None:
    card = make_weights(precision="int8")
    with pytest.raises(WeightsRefused) as caught:
        checked_files(card)
    assert caught.value.reason == "accuracy_unmeasured"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"accuracy_lost": {"fire": 0.004, "smoke": 0.0}}))
    assert checked_files(card)[0].precision == "int8"
