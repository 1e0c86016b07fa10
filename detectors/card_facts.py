"""A card from the facts that its file holds, and whether they make sense. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detectors.card import TORCH, Augmented, Card, Counting, Cues, Density, Judging, Quantised
from detectors.rules.cues import CUES, VEHICLES

_KEYS = ("name", "sha256", "classes", "input_size", "stride", "thresholds", "precision", "licence")
_OPTIONAL = ("counting", "augmented", "density", "judge", "cues", "quantised", "weights", "accuracy_lost")
PRECISIONS = ("fp32", "bf16", "int8")
MOST_PIXELS = 5_000_000
"""Of an input: pictures for it cross from process to process as they are, 15 MB of at most 16 MiB."""


def card_of(facts: Mapping[str, Any]) -> Card:
    """Raises ``ValueError``, ``KeyError``, ``TypeError`` or ``AttributeError`` where they are no card's."""
    missing = [key for key in _KEYS if key not in facts]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    height, width = (int(side) for side in facts["input_size"])
    card = Card(
        name=str(facts["name"]),
        sha256=str(facts["sha256"]).lower(),
        classes=tuple(str(name) for name in facts["classes"]),
        input_size=(height, width),
        stride=int(facts["stride"]),
        thresholds=MappingProxyType({str(k): float(v) for k, v in facts["thresholds"].items()}),
        precision=str(facts["precision"]),
        licence=str(facts["licence"]),
        counting=_counting(facts.get("counting")),
        augmented=_augmented(facts.get("augmented")),
        density=_density(facts.get("density")),
        judge=_judging(facts.get("judge")),
        cues=_cues(facts.get("cues")),
        quantised=_quantised(facts.get("quantised")),
        weights=_own_file(facts.get("weights")),
        accuracy_lost=_losses(facts),
        details=MappingProxyType({key: value for key, value in facts.items() if key not in _KEYS + _OPTIONAL}),
    )
    for size in (card.input_size, *((card.augmented.input_size,) if card.augmented else ())):
        if card.stride < 1 or any(side < 32 or side > 4096 or side % card.stride for side in size):
            raise ValueError(f"input_size {size} is no multiple of the stride, or out of range")
    if height * width > MOST_PIXELS:
        raise ValueError(f"input_size {card.input_size} has more than {MOST_PIXELS} pixels")
    if len(set(card.classes)) < len(card.classes):
        raise ValueError("a class stands there twice")
    if not card.classes or set(card.classes) != set(card.thresholds):
        raise ValueError("thresholds and classes differ")
    if any(not 0 < value < 1 for value in card.thresholds.values()):
        raise ValueError("a threshold lies outside 0..1")
    if card.precision not in PRECISIONS:  # another word for int8 would pass unmeasured
        raise ValueError(f"precision is none of {', '.join(PRECISIONS)}")
    return card


def _counting(facts: Any) -> Counting | None:
    """Raises ``ValueError`` or ``TypeError`` where it is no way of counting."""
    if facts is None:
        return None
    counting = Counting(
        int(facts["columns"]),
        int(facts["rows"]),
        float(facts["overlap"]),
        int(facts["from_people"]),
        float(facts["threshold"]),
    )
    if not (1 <= counting.columns <= 8 and 1 <= counting.rows <= 8 and 0 <= counting.overlap <= 0.5):
        raise ValueError("counting has 1 to 8 columns and rows, and an overlap of 0 to 0.5")
    if not (counting.from_people >= 0 and 0 < counting.threshold < 1):
        raise ValueError("counting has a from_people of at least 0 and a threshold within 0..1")
    return counting


def _augmented(facts: Any) -> Augmented | None:
    """Raises ``ValueError`` or ``TypeError`` where it is no way of looking."""
    if facts is None:
        return None
    height, width = (int(side) for side in facts["input_size"])
    augmented = Augmented((height, width), float(facts["from_score"]))
    if not 0 < augmented.from_score < 1:
        raise ValueError("augmented: from_score lies outside 0..1")
    return augmented


def _density(facts: Any) -> Density | None:
    """Raises ``ValueError`` or ``TypeError`` where it names no weights beside the card."""
    if facts is None:
        return None
    density = Density(
        str(facts["weights"]),
        str(facts["sha256"]).lower(),
        int(facts["from_people"]),
        float(facts["smaller_than"]),
        int(facts["longest_side"]),
    )
    _beside(density.weights)
    if density.from_people < 1 or not 0 < density.smaller_than <= 1 or not 256 <= density.longest_side <= 2048:
        raise ValueError("density: from_people at least 1, smaller_than within 0..1, longest_side 256 to 2048")
    return density


def _judging(facts: Any) -> Judging | None:
    """Raises ``ValueError`` or ``TypeError`` where it names no weights beside the card, or other hazards."""
    if facts is None:
        return None
    judging = Judging(
        str(facts["weights"]), str(facts["sha256"]).lower(), tuple(str(label) for label in facts["labels"])
    )
    _beside(judging.weights)
    if not judging.labels or not set(judging.labels) <= {"fire", "smoke"}:
        raise ValueError("judge: labels are fire and smoke")
    if len(set(judging.labels)) < len(judging.labels):
        raise ValueError("judge: a label stands there twice")
    return judging


def _cues(facts: Any) -> Cues | None:
    """Raises ``ValueError`` or ``TypeError`` where it names no weights beside the card, or what no rule knows."""
    if facts is None:
        return None
    height, width = (int(side) for side in facts["input_size"])
    cues = Cues(
        str(facts["weights"]),
        str(facts["sha256"]).lower(),
        tuple(str(name) for name in facts["classes"]),
        MappingProxyType({str(k): float(v) for k, v in facts["thresholds"].items()}),
        (height, width),
        None if facts.get("market_from") is None else float(facts["market_from"]),
    )
    _beside(cues.weights)
    if not cues.classes or set(cues.classes) != set(cues.thresholds) or not set(cues.classes) <= CUES | VEHICLES:
        raise ValueError("cues: classes and thresholds name the parts of a stall and vehicles")
    market = () if cues.market_from is None else (cues.market_from,)
    if any(not 0 < value < 1 for value in (*cues.thresholds.values(), *market)):
        raise ValueError("cues: a threshold lies outside 0..1")
    if any(side < 32 or side > 2048 or side % 32 for side in cues.input_size):
        raise ValueError("cues: input_size is no multiple of 32, or out of range")
    return cues


def _quantised(facts: Any) -> Quantised | None:
    """Raises ``ValueError`` or ``TypeError`` where it names no weights beside the card, or not what they cost."""
    if facts is None:
        return None
    quantised = Quantised(str(facts["weights"]), str(facts["sha256"]).lower(), _losses(facts))
    _beside(quantised.weights)
    if not quantised.accuracy_lost:
        raise ValueError("quantised: accuracy_lost is not told")
    return quantised


def _own_file(name: Any) -> str | None:
    """Raises ``ValueError`` where it is no file of weights beside the card."""
    if name is None:
        return None
    if not str(name).endswith(TORCH):
        _beside(str(name))
    elif Path(name).name != name or not name.isprintable():
        raise ValueError(f"{name} is no file beside the card")
    return str(name)


def _losses(facts: Mapping[str, Any]) -> Mapping[str, float]:
    return MappingProxyType({str(k): float(v) for k, v in facts.get("accuracy_lost", {}).items()})


def _beside(weights: str) -> None:
    if Path(weights).name != weights or not weights.endswith(".onnx") or not weights.isprintable():
        raise ValueError(f"{weights} is no .onnx file beside the card")
