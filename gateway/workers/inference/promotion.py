"""Which weights are in force: those of the settings, else those a person promoted, else the shipped ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from detectors.card import Card
from detectors.card_file import load_card
from detectors.engine import EngineName, runtime_for
from detectors.networks import checked_files
from detectors.sees import refuse_blindness
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings

SHIPPED_CARD = Path(__file__).parents[3] / "models" / "weights" / "hazard_n.json"
_PROMOTED = Path("models") / "promoted"


def card_in_force(data_folder: Path, inference: InferenceSettings) -> Path:
    """The card's path; not yet read."""
    if inference.weights is not None:
        return inference.weights
    promoted = promoted_card(data_folder)
    return promoted if promoted.is_file() else SHIPPED_CARD


def promoted_card(data_folder: Path) -> Path:
    return data_folder / _PROMOTED / "weights.json"


def refuse_pinned(inference: InferenceSettings) -> None:
    """The settings' own weights go before any that were promoted: to promote beside them would change nothing."""
    if inference.weights is not None:
        raise Refusal(
            "conflict",
            "weights_pinned",
            "设置 inference.weights 指定了模型，须先去掉该设置。",
            "The setting inference.weights names the weights; remove it first.",
            field="inference.weights",
        )


def promote(card_path: Path, data_folder: Path, engine: EngineName = "auto") -> Card:
    """Copy weights with all that their card names, every file checked: the engine would end over one that is amiss, or
    that it cannot run.

    They are in force from the next start of the inference process on. Raises ``WeightsRefused``; nothing has changed
    then.
    """
    card, (weights, *beside) = checked_files(card_path)
    runtime_for(engine, card)
    refuse_blindness(card, instead_of=load_card(card_in_force(data_folder, InferenceSettings())))
    to = promoted_card(data_folder)
    draft = to.parent.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    shutil.copyfile(card_path, draft / to.name)
    shutil.copyfile(weights, draft / (card.weights or to.with_suffix(".onnx").name))
    for file in beside:
        shutil.copyfile(file, draft / file.name)
    checked_files(draft / to.name)  # two files of one name, or a disk that is full: only one of them lies there
    old = to.parent.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if to.parent.exists():
        to.parent.rename(old)
    draft.rename(to.parent)
    return load_card(to)


def withdraw(data_folder: Path) -> bool:
    """Back to the weights before the last promotion, or to the shipped ones; False where none were promoted."""
    folder = promoted_card(data_folder).parent
    if not folder.exists():
        return False
    old, gone = folder.with_suffix(".old"), folder.with_suffix(".gone")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)  # whole or not at all: half of it would end the engine
    if old.exists():
        old.rename(folder)
    shutil.rmtree(gone, ignore_errors=True)
    return True
