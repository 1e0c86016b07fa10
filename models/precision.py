"""In which bits a network is shipped: measured on val and in processor time; fewer bits only where they cost nothing.

The card's own file is always in floats, for processors of every kind; ``bf16`` says that it may be computed in
bfloat16 where the processor can. A quantised file beside it is for processors that multiply bytes by themselves.
Pictures a second would say more of who else uses the machine than of the network: what is compared is the time of one
processor, the candidates taking turns.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from detectors.engine import Detector, open_detector
from detectors.processor import multiplies_bytes
from models.calibration import calibration
from models.classes import CLASSES
from models.evaluate import Seen, judge, look_at, recall
from models.figures import LOW, Say
from models.quantise import quantise
from models.sample_data import read_samples

LICENCE = "AGPL-3.0"
PRECISIONS = ("fp32", "bf16", "int8")
"""``bf16`` is the fp32 file computed in bfloat16 where the CPU can."""
WORTH_IT = 1.15
"""Fewer bits must cost so many times less processor time."""
ALLOWED = {"fire": 0.01, "smoke": 0.01, "person": 0.0}
"""What fewer bits may cost each class on val: average precision of fire and smoke, recall of people."""
PERSON_SCORE = 0.25
ROUNDS, PICTURES_A_ROUND = 7, 4

Measured = Mapping[str, Mapping[str, float]]
"""By precision: ``processor_ms`` of a picture, and the quality of fire, smoke and people on val."""


def choose(
    fp32: Path,
    input_size: tuple[int, int],
    sample_data: Path,
    say: Say,
    quantised_before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the card is to say of precision. Writes the quantised file beside ``fp32`` where it is worth it; one that
    lies there and is not goes. Where this processor cannot compute it there is none, or what these weights had before.
    """
    beside = quantised_beside(fp32)
    with tempfile.TemporaryDirectory() as folder:
        file, draft = Path(folder) / fp32.name, Path(folder) / beside.name
        file.symlink_to(fp32.absolute())
        cards = {one: low_card(file, one, input_size) for one in PRECISIONS if one != "int8"}
        if "int8" in PRECISIONS and multiplies_bytes():
            sha256 = quantise(fp32, draft, calibration(sample_data, input_size, say), say)
            entry = {"weights": draft.name, "sha256": sha256, "accuracy_lost": {"fire": 0.0}}
            cards["int8"] = low_card(file, "bf16", input_size) | {"quantised": entry}
        measured = _measured(cards, file, sample_data, say)
        chosen = said(measured, cards.get("int8", {}).get("quantised"))
        if "quantised" in chosen:
            chosen["quantised"]["weights"] = beside.name
            beside.write_bytes(draft.read_bytes())
        elif quantised_before is not None and "int8" not in measured:
            chosen["quantised"] = dict(quantised_before)
        else:
            beside.unlink(missing_ok=True)
    return chosen


def said(measured: Measured, quantised: Mapping[str, Any] | None) -> dict[str, Any]:
    """The card's words: ``precision`` of its own file, ``quantised`` where bytes are worth it, and what each costs."""
    best = "bf16" if "bf16" in measured and worth_it(measured, "bf16", "fp32") else "fp32"
    words: dict[str, Any] = {"precision": best, "precisions_measured_on_val": measured}
    if best != "fp32":
        words["accuracy_lost"] = lost(measured, best)
    if quantised is not None and "int8" in measured and worth_it(measured, "int8", best):
        words["quantised"] = {**quantised, "accuracy_lost": lost(measured, "int8")}
    return words


def worth_it(measured: Measured, fewer: str, instead_of: str) -> bool:
    """Whether these bits cost clearly less time, and no class more than ``ALLOWED``."""
    faster = measured[fewer]["processor_ms"] * WORTH_IT <= measured[instead_of]["processor_ms"]
    return faster and all(value <= ALLOWED[name] for name, value in lost(measured, fewer).items())


def lost(measured: Measured, precision: str) -> dict[str, float]:
    """What a precision costs each class against floats; where it gains, nothing."""
    return {name: round(max(0.0, measured["fp32"][name] - measured[precision][name]), 4) for name in ALLOWED}


def quantised_beside(onnx: Path) -> Path:
    return onnx.with_suffix(".int8.onnx")


def low_card(onnx: Path, precision: str, input_size: tuple[int, int]) -> dict[str, Any]:
    """A card of weights that are still being judged, at thresholds low enough for it."""
    return {
        "name": onnx.stem,
        "sha256": hashlib.sha256(onnx.read_bytes()).hexdigest(),
        "classes": list(CLASSES),
        "input_size": list(input_size),
        "stride": 32,
        "thresholds": dict.fromkeys(CLASSES, LOW),
        "precision": precision,
        "licence": LICENCE,
    }


def quality(fires: Sequence[Seen], people: Sequence[Seen]) -> dict[str, float]:
    """Average precision of fire and smoke; of people, whose labels have gaps, the recall at a low score."""
    return {
        "fire": round(judge(fires, "fire", 0.5).ap50 or 0.0, 4),
        "smoke": round(judge(fires, "smoke", 0.5).ap50 or 0.0, 4),
        "person": round(recall(people, "person", PERSON_SCORE) or 0.0, 4),
    }


def processor_ms(detectors: Mapping[str, Detector]) -> dict[str, float]:
    """Milliseconds of processor that a picture of the usual size takes each, one thread, by turns; the median round."""
    rounds: dict[str, list[float]] = {name: [] for name in detectors}
    for number in range(ROUNDS + 1):
        for name, detector in detectors.items():
            height, width = detector.card.input_size
            picture = np.zeros((height, width, 3), np.uint8)
            picture[: height // 2] = 255  # one without contrast would not be computed
            began = time.process_time()
            for _ in range(PICTURES_A_ROUND):
                detector.detect(picture)
            if number:  # the first compiles
                rounds[name].append((time.process_time() - began) / PICTURES_A_ROUND * 1000)
    return {name: round(median(taken), 1) for name, taken in rounds.items()}


def _measured(
    cards: Mapping[str, Mapping[str, Any]], file: Path, sample_data: Path, say: Say
) -> dict[str, dict[str, float]]:
    val = [one for one in read_samples(sample_data) if one.split == "val"]
    fires = [one for one in val if one.folder == "fire"]
    people = [one for one in val if one.folder == "coco"]
    detectors = {}
    for name, card in cards.items():
        at = file.with_suffix(".json")
        at.write_text(json.dumps(card))
        detectors[name] = open_detector("auto", at, 1, any_shapes=True)
    times = processor_ms(detectors)
    return {
        name: {
            "processor_ms": times[name],
            **quality(
                look_at(detector.detect, fires, f"{name}: fire", say),
                look_at(detector.detect, people, f"{name}: people", say),
            ),
        }
        for name, detector in detectors.items()
    }
