"""Which weights are in force: those of the settings, else those a person promoted, else the shipped ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from detectors.card import Card
from detectors.card_file import load_card
from detectors.engine import EngineName, runtime_for
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from detectors.sees import refuse_blindness
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from models import shipped

_PROMOTED = Path("models") / "promoted"


def card_in_force(data_folder: Path, inference: InferenceSettings) -> Path:
    """The card's path; not yet read."""
    if inference.weights is not None:
        return inference.weights
    promoted = promoted_card(data_folder)
    return promoted if promoted.is_file() else shipped.CARD


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
    draft, old = to.parent.with_suffix(".new"), to.parent.with_suffix(".old")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        shutil.copyfile(card_path, draft / to.name)
        shutil.copyfile(weights, draft / (card.weights or to.with_suffix(".onnx").name))
        for file in beside:
            shutil.copyfile(file, draft / file.name)
        checked_files(draft / to.name)  # of two files of one name only one lies there
        shutil.rmtree(old, ignore_errors=True)
        _put(draft, to.parent, aside=old)
    except OSError as error:
        raise _not_written(to.parent, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return load_card(to)


def withdraw(data_folder: Path) -> bool:
    """Back to the weights before the last promotion, or to the shipped ones; False where none were promoted. Raises
    ``WeightsRefused``; nothing has changed then."""
    folder = promoted_card(data_folder).parent
    if not folder.exists():
        return False
    old, gone = folder.with_suffix(".old"), folder.with_suffix(".gone")
    try:
        shutil.rmtree(gone, ignore_errors=True)
        if old.exists():
            _put(old, folder, aside=gone)
        else:
            folder.rename(gone)  # whole or not at all: half of it would end the engine
    except OSError as error:
        raise _not_written(folder, error) from error
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _put(folder: Path, place: Path, *, aside: Path) -> None:
    """``folder`` takes ``place``, and what lies there goes ``aside``. Where that fails it lies there still."""
    taken = place.exists()
    if taken:
        place.rename(aside)
    try:
        folder.rename(place)
    except OSError:
        if taken:
            aside.rename(place)
        raise


def _not_written(folder: Path, error: OSError) -> WeightsRefused:
    return WeightsRefused(
        "promotion_not_written",
        f"模型未能写入 {folder}：{error.strerror}；原有模型继续有效",
        f"the weights could not be written to {folder}: {error.strerror}; those before stay in force",
    )
