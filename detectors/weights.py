"""Weights and their card: read, checked against one another, refused with a reason before anything runs on them."""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detectors.onnx_names import Malformed, class_names
from detectors.rules.cues import CUES, VEHICLES

LARGEST, LARGEST_CARD = 200_000_000, 1_000_000
"""Bytes; larger files are no weights of ours, and no card."""
LARGEST_NUMBER = 2**53
"""Beyond it readers of JSON no longer agree about integers (RFC 8259 §6), and messages between processes end."""


class WeightsRefused(Exception):
    """The weights cannot be used. ``reason`` is stable; ``zh`` and ``en`` say what to do."""

    def __init__(self, reason: str, zh: str, en: str) -> None:
        super().__init__(f"{reason}: {en}")
        self.reason = reason
        self.zh = zh
        self.en = en


MOST_LOST = 0.03
"""Average precision at IoU 0.5 that fewer bits may cost a class; more, and the export is refused."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How people are counted where they are many and small: ``columns`` × ``rows`` tiles of the picture at its full
    size, each reaching ``overlap`` of its sides into its neighbours, their boxes merged.

    Looked at once the whole picture shows ``from_people``; ``threshold``: a person's score in a tile.
    """

    columns: int
    rows: int
    overlap: float
    from_people: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Density:
    """How people are counted where boxes no longer do: by a network for density (see ``detectors.density``).

    ``weights``: its file beside the card, of ``sha256``. It is asked, with the picture's longer side at
    ``longest_side`` px, once boxes show ``from_people`` whose median height is under ``smaller_than`` of the picture's:
    people so small are mostly missed by boxes. Its count then stands in the place of theirs.
    """

    weights: str
    sha256: str
    from_people: int
    smaller_than: float
    longest_side: int


@dataclass(frozen=True, slots=True)
class Judging:
    """Who judges the second look (see ``detectors.judge``): the file ``weights`` beside the card, of ``sha256``, which
    answers for each of ``labels`` in this order."""

    weights: str
    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cues:
    """Who finds the parts of a stall, and vehicles (see ``detectors.cues``): the file ``weights`` beside the card, of
    ``sha256``, whose ``classes`` bear in this order the names that rules know, several the same one.

    ``thresholds``: the least score by name. ``input_size``: height and width in px, as the card's.
    """

    weights: str
    sha256: str
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    input_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quantised:
    """The same network in 8-bit integers: the file ``weights`` beside the card, of ``sha256``. It is computed where the
    processor multiplies such numbers by itself (``detectors.processor``); elsewhere the card's own file is.

    ``accuracy_lost``: as the card's, for this file.
    """

    weights: str
    sha256: str
    accuracy_lost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Card:
    """What a set of weights is. ``input_size`` is height and width in px: how many pixels an input has; its
    proportions follow the camera's.

    ``thresholds`` holds the shipped score of each class. ``precision``: ``fp32``, ``bf16`` (computed in bfloat16 where
    the CPU can), ``int8`` (quantised in the file). ``accuracy_lost``: what fewer bits cost each class, in average
    precision at IoU 0.5 on the validation split, against the same weights in fp32. ``counting`` None: whole pictures.
    ``density`` None: boxes alone. ``judge`` None: the detector alone looks a second time. ``cues`` None: stalls are
    told by the detector alone. ``quantised`` None: there is but the one file. ``weights``: the file beside the
    card; None: the card's own name with ``.onnx``.
    """

    name: str
    sha256: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    stride: int
    thresholds: Mapping[str, float]
    precision: str
    licence: str
    counting: Counting | None = None
    density: Density | None = None
    judge: Judging | None = None
    cues: Cues | None = None
    quantised: Quantised | None = None
    weights: str | None = None
    accuracy_lost: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    details: Mapping[str, Any] = field(repr=False, default_factory=lambda: MappingProxyType({}))


_KEYS = ("name", "sha256", "classes", "input_size", "stride", "thresholds", "precision", "licence")
_OPTIONAL = ("counting", "density", "judge", "cues", "quantised", "weights", "accuracy_lost")
PRECISIONS = ("fp32", "bf16", "int8")
TORCH = ".pt"
"""A YOLO file as torch pickles it. That is code: it is loaded only where a card names its sha256."""


def load_card(path: Path) -> Card:
    """Read a card. Raises ``WeightsRefused`` ``card_needed``, ``card_missing`` or ``card_invalid``."""
    if path.suffix in (TORCH, ".onnx"):
        raise WeightsRefused(
            "card_needed",
            f"{path} 是模型权重，不是模型卡（.json）：请指明其模型卡，没有的用 gateway models adopt 生成",
            f"{path} is weights, not their card (.json): name the card, or make one with gateway models adopt",
        )
    try:
        facts = _facts(whole_file(path, LARGEST_CARD))
    except OSError as error:
        raise WeightsRefused(
            "card_missing", f"找不到模型卡 {path}：{error.strerror}", f"the card {path} is not there: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "no JSON, or with text, numbers or depths that cannot be told on") from error
    if not isinstance(facts, dict):
        raise _invalid(path, "no object")
    missing = [key for key in _KEYS if key not in facts]
    if missing:
        raise _invalid(path, f"{missing[0]} is missing")
    try:
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
            density=_density(facts.get("density")),
            judge=_judging(facts.get("judge")),
            cues=_cues(facts.get("cues")),
            quantised=_quantised(facts.get("quantised")),
            weights=_own_file(facts.get("weights")),
            accuracy_lost=_losses(facts),
            details=MappingProxyType({key: value for key, value in facts.items() if key not in _KEYS + _OPTIONAL}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(path, str(error)) from error
    if card.stride < 1 or any(side < 32 or side > 4096 or side % card.stride for side in card.input_size):
        raise _invalid(path, f"input_size {card.input_size} is no multiple of the stride, or out of range")
    if len(set(card.classes)) < len(card.classes):
        raise _invalid(path, "a class stands there twice")
    if not card.classes or set(card.classes) != set(card.thresholds):
        raise _invalid(path, "thresholds and classes differ")
    if any(not 0 < value < 1 for value in card.thresholds.values()):
        raise _invalid(path, "a threshold lies outside 0..1")
    if card.precision not in PRECISIONS:  # another word for int8 would pass unmeasured
        raise _invalid(path, f"precision is none of {', '.join(PRECISIONS)}")
    _refuse_lost(path, card.precision, card.accuracy_lost)
    if card.quantised is not None:
        _refuse_lost(path, "int8", card.quantised.accuracy_lost)
    return card


class FileTooLarge(ValueError):
    """Of more than so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def whole_file(path: Path, most: int) -> bytes:
    """Raises ``OSError`` where it is no file (a pipe or a device may never end), ``FileTooLarge``."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
    if about.st_size > most:
        raise FileTooLarge(about.st_size)
    return path.read_bytes()


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


def checked_weights(card_path: Path) -> tuple[Card, Path]:
    """The card and the file of its weights. Raises ``WeightsRefused`` when they do not belong together."""
    card = load_card(card_path)
    weights = card_path.with_suffix(".onnx") if card.weights is None else card_path.with_name(card.weights)
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


def classes_differ(found: object, card: tuple[str, ...]) -> WeightsRefused:
    """The network and its card do not mean the same classes, or not in the same order."""
    return WeightsRefused(
        "classes_differ",
        f"模型权重的类别（{found}）与模型卡（{card}）不符",
        f"the weights have other classes ({found}) than their card ({card})",
    )


def _invalid(path: Path, why: str) -> WeightsRefused:
    return WeightsRefused("card_invalid", f"模型卡 {path} 有误：{why}", f"the card {path} is not valid: {why}")


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
    )
    _beside(cues.weights)
    if not cues.classes or set(cues.classes) != set(cues.thresholds) or not set(cues.classes) <= CUES | VEHICLES:
        raise ValueError("cues: classes and thresholds name the parts of a stall and vehicles")
    if any(not 0 < value < 1 for value in cues.thresholds.values()):
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
