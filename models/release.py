"""From a checkpoint to shipped weights: export, thresholds from val, precision by measurement, figures, the card."""

from __future__ import annotations

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
from models.card import CLEAR, FAILS, UNCLEAR, page
from models.classes import CLASSES
from models.evaluate import Seen, judge, look_at
from models.figures import LOW, Profile, Say, figures, look, open_profile
from models.quantise import quantise
from models.sample_data import clear, read_samples

LICENCE = "AGPL-3.0"
GATHERING = "ind_"
CALIBRATED_ON = 96
MEASURED_SECONDS = 4.0
PRECISIONS = ("fp32", "bf16", "int8")
"""``bf16`` is the fp32 file computed in bfloat16 where the CPU can."""
WORTH_IT, ALLOWED = 1.15, 0.01
"""Fewer bits are shipped when they carry so much more and no class loses more average precision than this on val."""


def release(
    fp32: Path, sha256: str, sample_data: Path, prepared: Path, input_size: tuple[int, int], say: Say
) -> dict[str, Any]:
    """Choose precision and thresholds of exported weights; answers the card without its figures on test pictures.

    ``fp32`` is replaced by the chosen file. The card lies beside it.
    """
    card: dict[str, Any] = {
        "name": fp32.stem,
        "sha256": sha256,
        "classes": list(CLASSES),
        "input_size": list(input_size),
        "stride": 32,
        "thresholds": dict.fromkeys(CLASSES, LOW),
        "precision": "fp32",
        "licence": LICENCE,
    }
    with tempfile.TemporaryDirectory() as folder:
        int8 = Path(folder) / "int8" / fp32.name
        int8.parent.mkdir()
        files = {"fp32": fp32, "bf16": fp32, "int8": int8}
        shas = {"fp32": sha256, "bf16": sha256, "int8": quantise(fp32, int8, _calibration(prepared), input_size)}
        measured, vals = {}, {}
        for precision in PRECISIONS:
            beside = files[precision].with_suffix(".json")
            beside.write_text(json.dumps(card | {"precision": precision, "sha256": shas[precision]}))
            profile = open_profile(beside)
            vals[precision] = look(profile, sample_data, "val", say)
            fast = open_detector("auto", beside)
            measured[precision] = {
                "pictures_per_second": round(pictures_per_second(fast, MEASURED_SECONDS), 1),
                **{name: round(judge(vals[precision][kind], name, 0.5).ap50 or 0.0, 4) for name, kind in _JUDGED},
            }
        best = _best(measured)
        lost = {name: round(max(0.0, measured["fp32"][name] - measured[best][name]), 4) for name, _ in _JUDGED}
        if best == "int8":
            fp32.write_bytes(int8.read_bytes())
        card |= {"precision": best, "sha256": shas[best], "precisions_measured_on_val": measured}
        if best != "fp32":
            card["accuracy_lost"] = lost
    beside = fp32.with_suffix(".json")
    beside.write_text(json.dumps(card))
    gatherings = gatherings_of_train(open_profile(beside), sample_data, say)
    card["thresholds"] = thresholds.chosen(vals[best], gatherings)
    return card


_JUDGED = (("person", "coco"), ("fire", "fire"), ("smoke", "fire"))


def gatherings_of_train(profile: Profile, sample_data: Path, say: Say) -> list[Seen]:
    """Seen pictures of the train part in which every head of a gathering is marked; the marks train no boxes."""
    chosen = [one for one in read_samples(sample_data) if one.split == "train" and one.path.name.startswith(GATHERING)]
    return look_at(profile.detector, chosen, "gatherings", say)


def with_figures(card: dict[str, Any], beside: Path, sample_data: Path, say: Say) -> Path:
    """Judge on test pictures and write the card and its page."""
    beside.write_text(json.dumps(card))
    profile = open_profile(beside)
    card["figures_on_test"] = figures(profile, look(profile, sample_data, "test", say))
    beside.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.with_suffix(".md").write_text(page(card), encoding="utf-8")
    return beside


def described(prepared: Path, recipe: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of origin: from the set, from the run, and kept from the card ``before`` (crowd counting)."""
    sources = json.loads((prepared / "licences.json").read_text())
    return {
        "note": UNCLEAR if any(not clear(name) for name in sources["licences"]["train"]) else CLEAR,
        "trained_from": sources,
        "recipe": [f"{name}: {value}" for name, value in recipe.items()],
        "fails_where": list(FAILS),
        **{name: before[name] for name in ("counting", "density", "licensed_only") if name in before},
    }


def _best(measured: Mapping[str, Mapping[str, float]]) -> str:
    best = "fp32"
    for precision in PRECISIONS[1:]:
        faster = measured[precision]["pictures_per_second"] >= WORTH_IT * measured[best]["pictures_per_second"]
        kept = all(measured[precision][name] >= measured["fp32"][name] - ALLOWED for name, _ in _JUDGED)
        best = precision if faster and kept else best
    return best


def _calibration(prepared: Path) -> Sequence[NDArray[np.uint8]]:
    files = sorted((prepared / "images" / "train").iterdir())
    chosen = np.random.default_rng(7).choice(len(files), min(CALIBRATED_ON, len(files)), replace=False)
    return [np.asarray(cv2.imread(str(files[int(number)])), np.uint8) for number in chosen]
