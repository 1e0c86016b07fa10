"""The card of a set of weights: what the service checks (JSON), and the page that people read (Markdown)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.classes import CLASSES
from models.evaluate import Judged

LICENCE = "AGPL-3.0"
UNCLEAR = (
    "Trained in part on pictures whose licence is unknown or for research only (see `trained_from`); "
    "no such picture is contained. 部分训练图片许可不明或仅限研究使用。"
)
FAILS = (
    "No real street stall was trained on, only drawn ones: real stalls are found poorly (see the test figures).",
    "Crowds beyond about twenty people are under-counted: the network was not taught dense crowds.",
    "Hardly any training picture is real CCTV; night, rain and lens dirt are little seen.",
    "Sunsets, red lamps and bright orange surfaces are at times taken for fire.",
    "Smoke that is thin, white or low in contrast is often missed.",
)


def write_card(
    onnx: Path,
    *,
    sha256: str,
    input_size: tuple[int, int],
    thresholds: Mapping[str, float],
    val: Mapping[str, Judged],
    test: Mapping[str, Judged],
    hard_negative_share: float | None,
    prepared: Path,
    recipe: Mapping[str, Any],
) -> Path:
    """Write ``<stem>.json`` and ``<stem>.md`` beside the weights; answers the JSON's path."""
    sources = json.loads((prepared / "licences.json").read_text())
    card = {
        "note": UNCLEAR,
        "name": onnx.stem,
        "sha256": sha256,
        "classes": list(CLASSES),
        "input_size": list(input_size),
        "stride": 32,
        "thresholds": dict(thresholds),
        "precision": "fp32",
        "licence": LICENCE,
        "trained_from": sources,
        "recipe": dict(recipe),
        "metrics": {
            "val": {name: one.as_json() for name, one in val.items()},
            "test": {name: one.as_json() for name, one in test.items()},
            "hard_negative_fire_share_test": hard_negative_share,
        },
        "fails_where": list(FAILS),
    }
    path = onnx.with_suffix(".json")
    path.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    onnx.with_suffix(".md").write_text(_page(card, test), encoding="utf-8")
    return path


def _page(card: Mapping[str, Any], test: Mapping[str, Judged]) -> str:
    lines = [
        UNCLEAR,
        "",
        f"# {card['name']}",
        "",
        f"YOLOv8n for {', '.join(CLASSES)}; input {card['input_size'][0]}×{card['input_size'][1]} px (height × width),"
        f" {card['precision']}, licence {LICENCE}, sha256 `{card['sha256']}`.",
        "",
        "Begun from YOLOv8n's COCO weights (AGPL-3.0) and trained with `gateway models train`. Thresholds were chosen"
        " on the val split; splits are by scene.",
        "",
        "The demo's rendered scenes come from the generator that drew part of the training pictures, with other seeds"
        " and other pieces: that the demo works says little. What counts are the real pictures below.",
        "",
        "| class | test pictures | objects | AP50 | threshold | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in test.items():
        lines.append(
            f"| {name} | {one.pictures} | {one.objects} | {_share(one.ap50)} | {one.threshold}"
            f" | {_share(one.precision)} | {_share(one.recall)} |"
        )
    share = card["metrics"]["hard_negative_fire_share_test"]
    lines += [
        "",
        f"Hard negatives of the test split (sunsets, night lights, red rooms, fire engines) in which fire or smoke is"
        f" seen: {_share(share)}.",
        "",
        "A class is judged only on pictures whose labels know it whole. People were labelled by the COCO network that"
        " this one began from, so the person figures say how much of it was kept.",
        "",
        "## Where it fails",
        "",
        *(f"- {line}" for line in FAILS),
        "",
        "## What it was trained on",
        "",
        *(f"- {name}: {count} pictures" for name, count in card["trained_from"]["pictures"].items()),
        "",
        "Licences of the training pictures:",
        "",
        *(f"- {name}: {count}" for name, count in card["trained_from"]["licences"]["train"].items()),
        "",
    ]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
