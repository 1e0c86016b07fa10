"""Makes the finder of a stall's parts (see ``detectors.cues``) of COCO's YOLOv8n, the classes that count alone, and
beside it in the same file of ImageNet's EfficientNet-Lite0 what tells market scenes.

Nothing is trained: no picture of the train part shows a real stall. What fruit, bottles and parasols look like COCO has
taught already, and what a market looks like ImageNet.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch

from models.card import write_card
from models.coco_init import coco_network
from models.export import export_onnx
from models.halves import halved
from models.market import LIKELY, beside, exported, market_scenes
from models.market import NOTE as MARKET_NOTE
from models.origin import COCO, IMAGENET, PRETRAINED_ON

CLASSES: dict[int, tuple[str, str]] = {
    2: ("car", "car"),
    5: ("bus", "bus"),
    7: ("truck", "truck"),
    25: ("umbrella", "umbrella"),
    39: ("bottle", "goods"),
    46: ("banana", "goods"),
    47: ("apple", "goods"),
    48: ("sandwich", "goods"),
    49: ("orange", "goods"),
    50: ("broccoli", "goods"),
    51: ("carrot", "goods"),
    52: ("hot dog", "goods"),
    53: ("pizza", "goods"),
    54: ("donut", "goods"),
    55: ("cake", "goods"),
}
"""By COCO's number: its name, and the name that rules know. Cups, glasses, bowls, chairs and tables are left out: they
stand on a café's terrace as well."""
THRESHOLDS = {"goods": 0.15, "umbrella": 0.25, "car": 0.4, "bus": 0.4, "truck": 0.4}
"""Goods count from three pieces on, or with a parasol: each piece may be unsure. On the street pictures of train and
val, which show no stall, COCO's network sees no goods even at 0.12."""
INPUT = (384, 640)
NOTE = (
    "the rows of COCO's YOLOv8n (AGPL-3.0) for vehicles, umbrellas and goods (bottle, banana, apple, sandwich, orange,"
    " broccoli, carrot, hot dog, pizza, donut, cake); trained on COCO (annotations CC-BY-4.0, photos from Flickr),"
    " nothing added. 摊点物件模型取自 COCO 的 YOLOv8n。"
)


def cue_network(coco: Path) -> Any:
    """COCO's network with the rows of ``CLASSES`` alone, in their order."""
    network: Any = coco_network(coco)
    detect = network.model[-1]
    rows = list(CLASSES)
    for branch in detect.cv3:
        old = branch[-1]
        new: Any = torch.nn.Conv2d(old.in_channels, len(rows), 1)
        with torch.no_grad():
            new.weight.copy_(old.weight[rows])
            new.bias.copy_(old.bias[rows])
        branch[-1] = new
    detect.nc = network.nc = network.yaml["nc"] = len(rows)
    detect.no = detect.nc + detect.reg_max * 4
    network.names = {number: name for number, (name, _) in enumerate(CLASSES.values())}
    return network


def make_cues(coco: Path, to: Path, card: Path) -> dict[str, Any]:
    """Export to ``to`` and name it in ``card``; answers what the card says of it. Raises ``ModuleNotFoundError``
    where the training extra lacks ImageNet's weights."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, floats = Path(folder) / "cues.pt", Path(folder) / "cues.onnx"
        torch.save({"model": cue_network(coco).eval()}, checkpoint)
        export_onnx(checkpoint, floats, image_size=INPUT)
        both = beside(onnx.load(str(floats)), exported(market_scenes(), INPUT))
        data = bytes(halved(both).SerializeToString())
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)
    facts = {
        "weights": to.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "classes": [name for _, name in CLASSES.values()],
        "thresholds": THRESHOLDS,
        "input_size": list(INPUT),
        "market_from": LIKELY,
        PRETRAINED_ON: [COCO, IMAGENET],
        "note": f"{NOTE} And {MARKET_NOTE}",
    }
    write_card(json.loads(card.read_text(encoding="utf-8")) | {"cues": facts}, card)
    return facts
