"""From a checkpoint to shipped weights: export, thresholds from val, precision by measurement, figures, the card."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.engine import open_detector
from detectors.plan import pictures_per_second
from models import thresholds
from models.card import CLEAR, FAILS, FAILS_ZH, UNCLEAR, write_card
from models.classes import CLASSES
from models.evaluate import Seen, judge, look_at, read_picture, recall
from models.figures import DENSEST, LOW, Profile, Say, figures, look, open_profile
from models.person_row import refit_person
from models.prepare import COCO_WEIGHTS, NEVER_TRAINED
from models.quantise import quantise
from models.sample_data import clear, read_samples

LICENCE = "AGPL-3.0"
GATHERING = "ind_"
CALIBRATED_ON = 96
FIRES_REFITTED = 80
PERSON_SCORE = 0.25
MEASURED_SECONDS = 4.0
PRECISIONS = ("fp32", "bf16", "int8")
"""``bf16`` is the fp32 file computed in bfloat16 where the CPU can."""
WORTH_IT, ALLOWED = 1.15, 0.01
"""Fewer bits are shipped when they carry so much more and no class loses more average precision than this on val."""


def release(
    fp32: Path,
    sample_data: Path,
    prepared: Path,
    input_size: tuple[int, int],
    precisions: Sequence[str],
    say: Say,
) -> dict[str, Any]:
    """Choose precision and thresholds of exported weights; answers the card without its figures on test pictures.

    ``fp32`` is replaced by the chosen file; its card, with low thresholds, lies beside it.
    """
    beside = fp32.with_suffix(".json")
    files = {"fp32": fp32, "bf16": fp32}
    with tempfile.TemporaryDirectory() as folder:
        if "int8" in precisions:
            files["int8"] = Path(folder) / fp32.name
            quantise(fp32, files["int8"], _calibration(prepared), input_size)
        measured, vals = _measured({one: files[one] for one in precisions}, input_size, sample_data, say)
        best = _best(measured)
        fp32.write_bytes(files[best].read_bytes())
    card = _low_card(fp32, best, input_size) | _chosen(best, measured)
    beside.write_text(json.dumps(card))
    card["thresholds"] = thresholds.chosen(vals[best], gatherings_of_train(open_profile(beside), sample_data, say))
    return card


def choose_precision(card_path: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Measure fp32 and bf16 anew, on val and on this machine, and judge the better one on test pictures: for released
    weights, whose thresholds stay. Writes the card and its page, and answers the card."""
    card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    onnx = card_path.with_suffix(".onnx")
    height, width = card["input_size"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / onnx.name
        file.write_bytes(onnx.read_bytes())
        measured, _ = _measured({"fp32": file, "bf16": file}, (height, width), sample_data, say)
    best = _best(measured)
    card |= {"precision": best} | _chosen(best, measured)
    with_figures(card, card_path, sample_data, say)
    return card


def _measured(
    files: Mapping[str, Path], input_size: tuple[int, int], sample_data: Path, say: Say
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Speed and quality of each precision's file; and what each saw on val. A card is left beside each file."""
    measured, vals = {}, {}
    for precision, file in files.items():
        at = file.with_suffix(".json")
        at.write_text(json.dumps(_low_card(file, precision, input_size)))
        vals[precision] = look(open_profile(at), sample_data, "val", say)
        measured[precision] = {
            "pictures_per_second": round(pictures_per_second(open_detector("auto", at), MEASURED_SECONDS), 1),
            **_quality(vals[precision]),
        }
    return measured, vals


def _chosen(best: str, measured: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    lost = {name: round(max(0.0, measured["fp32"][name] - measured[best][name]), 4) for name in ("fire", "smoke")}
    return {"precisions_measured_on_val": measured} | ({"accuracy_lost": lost} if best != "fp32" else {})


def _low_card(onnx: Path, precision: str, input_size: tuple[int, int]) -> dict[str, Any]:
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


def _quality(val: Mapping[str, Sequence[Seen]]) -> dict[str, float]:
    """Average precision of fire and smoke; of people, whose labels have gaps, the recall at a low score."""
    return {
        "fire": round(judge(val["fire"], "fire", 0.5).ap50 or 0.0, 4),
        "smoke": round(judge(val["fire"], "smoke", 0.5).ap50 or 0.0, 4),
        "person": round(recall(val["coco"], "person", PERSON_SCORE) or 0.0, 4),
    }


def refit_people(onnx: Path, sample_data: Path, input_size: tuple[int, int], say: Say) -> None:
    """Fit the person rows of exported weights to COCO's people on streets and gatherings of the train part."""
    samples = [
        one
        for one in read_samples(sample_data)
        if one.split == "train" and not one.path.name.startswith((*NEVER_TRAINED, DENSEST))
    ]
    streets = [one for one in samples if one.folder != "fire" or one.path.name.startswith("neg_")]
    fires = [one for one in samples if one.folder == "fire" and not one.path.name.startswith("neg_")]
    drawn = np.random.default_rng(7).choice(len(fires), min(FIRES_REFITTED, len(fires)), replace=False)
    chosen = streets + [fires[int(number)] for number in drawn]
    pictures = [read_picture(one) for one in chosen]
    refit_person(onnx, sample_data / "weights" / COCO_WEIGHTS, pictures, input_size, say)


def gatherings_of_train(profile: Profile, sample_data: Path, say: Say) -> list[Seen]:
    """Seen pictures of the train part in which every head of a gathering is marked; the marks train no boxes."""
    chosen = [one for one in read_samples(sample_data) if one.split == "train" and one.path.name.startswith(GATHERING)]
    return look_at(profile.detector.detect, chosen, "gatherings", say)


def with_figures(card: dict[str, Any], beside: Path, sample_data: Path, say: Say) -> Path:
    """Judge on test pictures and write the card and its page."""
    beside.write_text(json.dumps(card))
    profile = open_profile(beside)
    card["figures_on_test"] = figures(profile, look(profile, sample_data, "test", say))
    write_card(card, beside)
    return beside


def compare(card_path: Path, licensed: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Say in a card what pictures of unclear licence contribute: both are judged on val. ``licensed``: the card of
    weights made by the same recipe without them. Answers what the card says. Raises ``ValueError`` where it was not."""
    cards = {path: json.loads(path.read_text(encoding="utf-8")) for path in (card_path, licensed)}
    trained = {path: card["trained_from"]["licences"]["train"] for path, card in cards.items()}
    if any(not clear(name) for name in trained[licensed]):
        raise ValueError(f"{licensed} was trained on pictures of unclear licence")
    numbers = {path: sum(counts.values()) for path, counts in trained.items()}
    facts = {
        "note": f"The same recipe on the {numbers[licensed]} of {numbers[card_path]} training pictures whose licence is"
        " clear, both judged on val.",
        "val": {
            name: _quality(look(open_profile(path), sample_data, "val", say))
            for name, path in (("all pictures", card_path), ("those with a clear licence", licensed))
        },
    }
    write_card(cards[card_path] | {"licensed_only": facts}, card_path)
    return facts


def described(prepared: Path, recipe: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of origin: from the set, from the run, and kept from the card ``before`` (crowd counting)."""
    sources = json.loads((prepared / "licences.json").read_text())
    return {
        "note": UNCLEAR if any(not clear(name) for name in sources["licences"]["train"]) else CLEAR,
        "trained_from": sources,
        "recipe": [f"{name}: {value}" for name, value in recipe.items()],
        "fails_where": list(FAILS),
        "fails_where_zh": list(FAILS_ZH),
        **{name: before[name] for name in ("counting", "density", "judge", "licensed_only") if name in before},
    }


def _best(measured: Mapping[str, Mapping[str, float]]) -> str:
    best = "fp32"
    for precision in measured:
        faster = measured[precision]["pictures_per_second"] >= WORTH_IT * measured[best]["pictures_per_second"]
        kept = all(measured[precision][name] >= measured["fp32"][name] - ALLOWED for name in ("fire", "smoke"))
        best = precision if faster and kept else best
    return best


def _calibration(prepared: Path) -> Sequence[NDArray[np.uint8]]:
    files = sorted((prepared / "images" / "train").iterdir())
    chosen = np.random.default_rng(7).choice(len(files), min(CALIBRATED_ON, len(files)), replace=False)
    return [np.asarray(cv2.imread(str(files[int(number)])), np.uint8) for number in chosen]
