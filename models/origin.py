"""Whether pictures with a clear licence alone taught all that a card names: its first line.

What pictures taught stays in weights that are begun from others, averaged with them, or that see through another
network's features. So all of them count, of the detector and of each network that goes along with it (decision 0137).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from detectors.card_file import load_card
from models import choosing
from models.carried import NAMES
from models.classes import CLASSES
from models.onnx_file import read_network
from models.sample_data import clear

COCO = "COCO (annotations CC-BY-4.0, photos from Flickr)"
IMAGENET = "ImageNet (photos from the web, for research)"
UNTOLD = "unknown (weights whose card does not tell)"
PRETRAINED_ON = "pretrained_on"
"""What taught the weights that a network was begun from, as ``licences`` says it of its own pictures."""

CLEAR = "Trained only on pictures with a clear licence (see `trained_from`). 仅使用许可明确的图片训练。"
UNCLEAR = (
    "Trained in part on pictures whose licence is unknown or for research only (see `trained_from`); "
    "no such picture is contained. 部分训练图片许可不明或仅限研究使用。"
)
UNCLEAR_ALONG = (
    "The detector was trained only on pictures with a clear licence (see `trained_from`), but what goes along with it"
    " ({en}) in part on pictures whose licence is unknown or for research only; no such picture is contained."
    " 检测模型仅使用许可明确的图片训练，随附的{zh}部分使用许可不明或仅限研究的图片训练。"
)


CHOSEN = (
    " Too few pictures with a clear licence were there to choose {en} by: those of unclear licence had their say in it."
    " 许可明确的图片太少，{zh}的选定也用了许可不明的图片。"
)


def note(card: Mapping[str, Any]) -> str:
    """The first line of a card that says what it was ``trained_from``, and where something was not ``chosen_on``
    pictures with a clear licence though it was to be."""
    unclear = [choosing.NAMES[name] for name, _, count in choosing.told(card) if count]
    if not unclear:
        return _taught_by(card)
    zh, en = "、".join(zh for zh, _ in unclear), ", ".join(en for _, en in unclear)
    return _taught_by(card) + CHOSEN.format(zh=zh, en=en)


def _taught_by(card: Mapping[str, Any]) -> str:
    if not all_clear(taught(card["trained_from"])):
        return UNCLEAR
    unclear = [called for name, called in NAMES.items() if card.get(name) and not _clear_along(card[name])]
    if not unclear:
        return CLEAR
    return UNCLEAR_ALONG.format(zh="、".join(zh for zh, _ in unclear), en=", ".join(en for _, en in unclear))


def taught(trained_from: Mapping[str, Any]) -> tuple[str, ...]:
    """The licences of all pictures that taught a detector, those of the weights it was begun from included."""
    return (*trained_from["licences"]["train"], *trained_from.get(PRETRAINED_ON, ()))


def on_clear_alone(trained_from: Mapping[str, Any]) -> bool:
    """Whether a run was on pictures with a clear licence alone, as after ``prepare --licensed-only``: then its bits and
    thresholds are chosen by such, too, whatever it began from."""
    return all_clear(trained_from["licences"]["train"])


def all_clear(licences: Iterable[str]) -> bool:
    return all(clear(one) for one in licences)


def with_weights(trained_from: Mapping[str, Any], *begun_from: Path) -> dict[str, Any]:
    """The same with what taught the weights that it was begun from, or averaged with."""
    before = (*trained_from.get(PRETRAINED_ON, ()), *(one for weights in begun_from for one in taught_before(weights)))
    return {**trained_from, PRETRAINED_ON: list(dict.fromkeys(before))}


def taught_before(weights: Path) -> tuple[str, ...]:
    """The same of an ONNX export of YOLOv8n that a run begins from or is averaged with: as the card beside it says, or
    COCO's, which has its classes. What nothing is told of is unclear. Raises ``WeightsRefused`` where that card or the
    weights cannot be read."""
    card = weights.with_suffix(".json")
    if card.is_file():
        load_card(card)
        facts = json.loads(card.read_text(encoding="utf-8"))
        if facts["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest():
            with suppress(KeyError, TypeError):  # a foreign card says nothing, or says it otherwise
                return tuple(dict.fromkeys(taught(facts["trained_from"])))
    return (UNTOLD,) if _of_our_classes(weights) else (COCO,)


def _clear_along(network: Mapping[str, Any]) -> bool:
    """A network made before it said what taught it is not clear."""
    return PRETRAINED_ON in network and all_clear((*network[PRETRAINED_ON], *network.get("licences", ())))


def _of_our_classes(weights: Path) -> bool:
    rows = [one for one in read_network(weights).graph.initializer if one.name.endswith("cv3.0.2.bias")]
    return any(list(one.dims) == [len(CLASSES)] for one in rows)
