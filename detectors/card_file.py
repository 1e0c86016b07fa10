"""The card that lies beside weights: read, or refused with a reason before anything runs on what it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from detectors.card import TORCH, Card
from detectors.card_facts import card_of
from detectors.refusals import WeightsRefused
from detectors.whole_file import whole_file

LARGEST_CARD = 1_000_000
"""Bytes; a larger file is no card."""
LARGEST_NUMBER = 2**53
"""Beyond it readers of JSON no longer agree about integers (RFC 8259 §6), and messages between processes end."""
MOST_LOST = 0.03
"""Average precision at IoU 0.5 that fewer bits may cost a class; more, and the export is refused."""


def load_card(path: Path) -> Card:
    """Read a card. Raises ``WeightsRefused`` ``card_needed``, ``card_missing``, ``card_invalid`` or
    ``accuracy_lost``."""
    if path.suffix in (TORCH, ".onnx"):
        raise WeightsRefused(
            "card_needed",
            f"{path} 是模型权重，不是模型卡（.json）：请指明其模型卡，没有的用 gateway models adopt 生成",
            f"{path} is weights, not their card (.json): name the card, or make one with gateway models adopt",
        )
    try:
        data = whole_file(path, LARGEST_CARD)
        facts = _facts(data)
    except OSError as error:
        raise WeightsRefused(
            "card_missing", f"找不到模型卡 {path}：{error.strerror}", f"the card {path} is not there: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "no JSON, or with text, numbers or depths that cannot be told on") from error
    if not isinstance(facts, dict):
        raise _invalid(path, "no object")
    try:
        card = replace(card_of(facts), card_sha256=hashlib.sha256(data).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(path, str(error)) from error
    _refuse_lost(path, card.precision, card.accuracy_lost)
    if card.quantised is not None:
        _refuse_lost(path, "int8", card.quantised.accuracy_lost)
    return card


def _facts(data: bytes) -> Any:
    """A card's JSON, which is told on: to camera workers and at the doors. Raises ``ValueError`` or ``RecursionError``
    where it cannot be."""

    def whole(digits: str) -> int:
        if abs(number := int(digits)) > LARGEST_NUMBER:
            raise ValueError(f"{number} is too large")
        return number

    facts = json.loads(data.decode(), parse_int=whole)
    json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    return facts


def _refuse_lost(path: Path, precision: str, accuracy_lost: Mapping[str, float]) -> None:
    for name, lost in accuracy_lost.items():
        if not lost <= MOST_LOST:
            raise WeightsRefused(
                "accuracy_lost",
                f"模型 {path} 的 {precision} 导出使 {name} 的精度下降 {lost:.3f}（上限 {MOST_LOST}），请使用 fp32",
                f"the {precision} export of {path} cost {name} {lost:.3f} of its average precision (at most"
                f" {MOST_LOST}): use fp32",
            )


def _invalid(path: Path, why: str) -> WeightsRefused:
    return WeightsRefused("card_invalid", f"模型卡 {path} 有误：{why}", f"the card {path} is not valid: {why}")
