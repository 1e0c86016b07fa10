"""A card for a YOLO file that came from elsewhere: what the file says of itself, and what only its owner can say.

Loading a ``.pt`` runs what is in it. Who makes a card for one vouches for it: from then on that very file is loaded, by
its sha256, and no other.
"""

from __future__ import annotations

import json
from pathlib import Path

from detectors.card import Card
from detectors.engine import open_detector, runtime_for
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from detectors.sees import refuse_blindness
from detectors.weights import LARGEST

NOTE = "Taken as it came: nobody has measured it on pictures of this city. 未经本机评测的外来模型。"


def adopt(weights: Path, *, threshold: float, licence: str) -> Path:
    """Load ``weights`` on Ultralytics, see them answer, and write their card beside them; answers its path.

    ``threshold``: the least score of every class, until they are settled one by one in the card. Raises
    ``WeightsRefused``; nothing is written then, and a card that is there stays.
    """
    path = weights.with_suffix(".json")
    if path.exists():
        raise WeightsRefused(
            "card_exists", f"模型卡 {path} 已存在，请先移走", f"the card {path} is there already: move it away first"
        )
    if not weights.is_file():
        raise WeightsRefused("weights_missing", f"找不到模型权重 {weights}", f"the weights {weights} are not there")
    if weights.stat().st_size > LARGEST:
        raise WeightsRefused("weights_too_large", f"{weights} 过大", f"{weights} has more than {LARGEST} bytes")
    card = open_detector("ultralytics", weights).card
    refuse_blindness(card)
    runtime_for("auto", card)
    draft = path.with_suffix(".json.new")
    draft.write_text(json.dumps(_facts(card, threshold, licence), ensure_ascii=False, indent=1), encoding="utf-8")
    try:
        checked_files(draft)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _facts(card: Card, threshold: float, licence: str) -> dict[str, object]:
    return {
        "name": card.name,
        "weights": card.weights,
        "sha256": card.sha256,
        "classes": card.classes,
        "input_size": card.input_size,
        "stride": card.stride,
        "thresholds": dict.fromkeys(card.classes, threshold),
        "precision": card.precision,
        "licence": licence,
        "note": NOTE,
    }
