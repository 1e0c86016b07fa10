"""Weights and their card, checked against one another before anything runs on them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from detectors.card import TORCH, Card
from detectors.card_file import load_card
from detectors.onnx_names import Malformed, class_names
from detectors.refusals import WeightsRefused, classes_differ
from detectors.whole_file import FileTooLarge, whole_file

LARGEST = 200_000_000
"""Bytes; a larger file is no weights of ours."""


def weights_of(card: Card, card_path: Path) -> Path:
    """The file of the card's own weights, not yet read."""
    return card_path.with_suffix(".onnx") if card.weights is None else card_path.with_name(card.weights)


def checked_weights(card_path: Path) -> tuple[Card, Path]:
    """The card and the file of its weights. Raises ``WeightsRefused`` when they do not belong together."""
    card = load_card(card_path)
    weights = weights_of(card, card_path)
    try:
        data = whole_file(weights, LARGEST)
    except FileTooLarge as error:
        raise WeightsRefused(
            "weights_too_large", f"{weights} 过大（{error.size} 字节）", f"{weights} has {error.size} bytes"
        ) from error
    except OSError as error:
        raise WeightsRefused(
            "weights_missing", f"找不到模型权重 {weights}", f"the weights {weights} are not there: {error.strerror}"
        ) from error
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsRefused(
            "weights_damaged",
            f"模型权重 {weights} 与模型卡的校验值不符，可能被截断或替换，请重新安装",
            f"the weights {weights} do not match their card's sha256: cut short or replaced; install them again",
        )
    if weights.suffix == TORCH:
        return card, weights  # only torch can tell its classes
    try:
        names = class_names(data)
    except Malformed as error:
        raise WeightsRefused(
            "weights_unusable", f"{weights} 不是可用的 ONNX 模型", f"{weights} is no usable ONNX model: {error}"
        ) from error
    if names is not None and names != card.classes:
        raise classes_differ(names, card.classes)
    return card, weights
