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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from detectors.engine import Detector, open_detector
from detectors.processor import multiplies_bytes
from models.calibration import calibration
from models.choosing import BOUNDS, CHOSEN_ON, Basis, basis, to_choose_by
from models.classes import CLASSES
from models.evaluate import Seen, judge, labels_of, look_at, recall
from models.figures import LOW, Say
from models.quantise import quantise
from models.sample_data import Sample, read_samples

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
    *,
    licensed_only: bool = False,
) -> dict[str, Any]:
    """What the card is to say of precision. Writes the quantised file beside ``fp32`` where it is worth it; one that
    lies there and is not goes. Where this processor cannot compute it there is none, or what these weights had before.

    ``licensed_only``: see ``models.choosing``; the words then say by how many pictures it was chosen.
    """
    by: dict[str, Basis] = {}
    beside = quantised_beside(fp32)
    with tempfile.TemporaryDirectory() as folder:
        file, draft = Path(folder) / fp32.name, Path(folder) / beside.name
        file.symlink_to(fp32.absolute())
        cards = {one: low_card(file, one, input_size) for one in PRECISIONS if one != "int8"}
        if "int8" in PRECISIONS and multiplies_bytes():
            pictures = calibration(sample_data, input_size, say, licensed_only=licensed_only)
            sha256 = quantise(fp32, draft, pictures, say)
            by |= pictures.by
            entry = {"weights": draft.name, "sha256": sha256, "accuracy_lost": {"fire": 0.0}}
            cards["int8"] = low_card(file, "bf16", input_size) | {"quantised": entry}
        fires = _of_val(sample_data, "fire", ("fire", "smoke"), licensed_only=licensed_only)
        people = _of_val(sample_data, "coco", ("person",), licensed_only=licensed_only)
        of_val = {"fire": fires, "smoke": fires, "person": people}
        by |= {f"precision_{name}": basis(shown, _showing(name)) for name, shown in of_val.items()}
        measured = _measured(cards, file, fires, people, say)
        chosen = said(measured, cards.get("int8", {}).get("quantised"))
        if "quantised" in chosen:
            chosen["quantised"]["weights"] = beside.name
            beside.write_bytes(draft.read_bytes())
        elif quantised_before is not None and "int8" not in measured:
            chosen["quantised"] = dict(quantised_before)
        else:
            beside.unlink(missing_ok=True)
    if licensed_only:
        shipped = [name for name in by if name not in BOUNDS or "quantised" in chosen]
        chosen[CHOSEN_ON] = {name: asdict(by[name]) for name in shipped}
    return chosen


def _of_val(sample_data: Path, folder: str, names: Sequence[str], *, licensed_only: bool) -> list[Sample]:
    """Of clear ones there must be enough that show each of the classes: on what shows none nothing is lost."""
    by = [one for one in read_samples(sample_data) if one.split == "val" and one.folder == folder]
    choices = (to_choose_by(by, licensed_only=licensed_only, deciding=_showing(name)).pictures for name in names)
    return max(choices, key=len)


def _showing(name: str) -> Callable[[Sample], bool]:
    return lambda sample: any(one.label == name for one in labels_of(sample))


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
    cards: Mapping[str, Mapping[str, Any]], file: Path, fires: Sequence[Sample], people: Sequence[Sample], say: Say
) -> dict[str, dict[str, float]]:
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
