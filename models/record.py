"""What a training run was begun with, kept in its folder: its recipe, and where the pictures are from that it learns.

The card tells it once the run is exported. The set may have been prepared anew by then, and a run that goes on after
an interruption is still the one that was begun.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.origin import PRETRAINED_ON, with_weights
from models.prepare import LICENCES
from models.refusals import DataRefused

RECIPE, DESCRIPTION = "recipe.json", "data.yaml"
CHECKPOINT = Path("run", "weights", "last.pt")


def begin(out: Path, prepared: Path, recipe: Mapping[str, Any], *weights: Path) -> None:
    """Keep in ``out`` what a run is begun with, of ``weights`` what taught them. The checkpoint of an earlier one goes:
    this record says nothing of it. Raises ``DataRefused`` where ``prepared`` is no set."""
    origin = with_weights(_origin_of_set(prepared), *weights)
    out.mkdir(parents=True, exist_ok=True)
    (out / CHECKPOINT).unlink(missing_ok=True)
    (out / LICENCES).write_text(json.dumps(origin, ensure_ascii=False, indent=1), encoding="utf-8")
    (out / RECIPE).write_text(json.dumps(dict(recipe)), encoding="utf-8")


def recipe_of(out: Path) -> dict[str, Any]:
    """What the run of ``out`` was begun with. Raises ``DataRefused`` where nothing says so."""
    return _facts(out / RECIPE, unrecorded(out))


def unrecorded(out: Path) -> DataRefused:
    """Nothing that can be used says what the run of ``out`` was begun with."""
    return DataRefused(
        "run_unrecorded",
        out / RECIPE,
        "没有可用的训练记录：请重新训练（不带 --resume）",
        "there is no record of a run: train anew, without --resume",
    )


def origin_of(out: Path) -> dict[str, Any]:
    """Pictures and licences of the set that the run of ``out`` learns, as they were when it began, and what taught the
    weights that it began from. Raises ``DataRefused`` where nothing says so."""
    return _facts(
        out / LICENCES,
        DataRefused(
            "origin_unrecorded",
            out / LICENCES,
            "没有记录训练图片的来源：请重新训练；旧版本训练的，且训练集此后未变，可从训练集目录复制此文件",
            "nothing says what the run was trained on: train anew; of a run of an earlier version whose set has not"
            " changed since, copy this file from the set",
        ),
    )


def refuse_another_set(out: Path, prepared: Path | None) -> None:
    """Raises ``DataRefused`` where the run of ``out`` would go on with other pictures than it was begun with: those of
    ``prepared``, if named, or of its set made anew."""
    lines = (out / DESCRIPTION).read_text(encoding="utf-8").splitlines()
    own = Path(next((line.removeprefix("path: ") for line in lines if line.startswith("path: ")), ""))
    then = {name: value for name, value in origin_of(out).items() if name != PRETRAINED_ON}
    if (prepared is not None and prepared.resolve() != own.resolve()) or then != _origin_of_set(own):
        raise DataRefused(
            "set_changed",
            out,
            f"这次训练用的是 {own} 当时的训练集，现已不同：请重新训练（不带 --resume）",
            f"the run was begun with the set in {own} as it was then, which is another now: train anew, without"
            " --resume",
        )


def _origin_of_set(prepared: Path) -> dict[str, Any]:
    return _facts(
        prepared / LICENCES,
        DataRefused(
            "set_missing",
            prepared,
            "不是训练集：先运行 gateway models prepare",
            "this is no training set: gateway models prepare makes one",
        ),
    )


def _facts(file: Path, otherwise: DataRefused) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise otherwise from error
    if not isinstance(facts, dict):
        raise otherwise
    return facts
