"""From a checkpoint to shipped weights: export, thresholds from val, figures from test, the card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from detectors.engine import Detector, open_detector
from models.card import LICENCE, write_card
from models.classes import CLASSES
from models.evaluate import Judged, false_fire_share, judge
from models.export import export_onnx

LOW = 0.02
"""Boxes below this score do not move an average precision."""


def release(
    checkpoint: Path,
    to: Path,
    prepared: Path,
    *,
    input_size: tuple[int, int],
    recipe: Mapping[str, Any],
    progress: Callable[[int], None],
) -> Path:
    """Write weights and card to ``to``; answers the card's path. ``input_size``: height and width, px."""
    sha256 = export_onnx(checkpoint, to, image_size=input_size)
    with tempfile.TemporaryDirectory() as folder:
        detector = _wide_open(to, sha256, input_size, Path(folder))
        val = judge(detector, prepared, "val", None, progress)
        thresholds = {name: val[name].threshold for name in CLASSES}
        test = judge(detector, prepared, "test", thresholds, progress)
        share = false_fire_share(detector, prepared, "test", thresholds)
    return write_card(
        to,
        sha256=sha256,
        input_size=input_size,
        thresholds=thresholds,
        val=val,
        test=test,
        hard_negative_share=share,
        prepared=prepared,
        recipe=recipe,
    )


def judge_card(card: Path, prepared: Path, split: str, progress: Callable[[int], None]) -> dict[str, Judged]:
    """Judge shipped weights on a split, at their own thresholds."""
    facts = json.loads(card.read_text(encoding="utf-8"))
    height, width = facts["input_size"]
    with tempfile.TemporaryDirectory() as folder:
        detector = _wide_open(card.with_suffix(".onnx"), facts["sha256"], (height, width), Path(folder))
        return judge(detector, prepared, split, facts["thresholds"], progress)


def _wide_open(onnx: Path, sha256: str, input_size: tuple[int, int], folder: Path) -> Detector:
    """The weights under a card that lets nearly every box pass, as the average precision needs."""
    card = folder / f"{onnx.stem}.json"
    (folder / onnx.name).symlink_to(onnx.absolute())
    card.write_text(
        json.dumps(
            {
                "name": onnx.stem,
                "sha256": sha256,
                "classes": list(CLASSES),
                "input_size": list(input_size),
                "stride": 32,
                "thresholds": dict.fromkeys(CLASSES, LOW),
                "precision": "fp32",
                "licence": LICENCE,
            }
        )
    )
    return open_detector("onnxruntime", card, 2)
