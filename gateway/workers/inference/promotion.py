"""Which weights are in force: those of the settings, else those a person promoted last, else the shipped ones.

Each promotion is a folder of its own below ``models/`` in the data folder, ``promoted.1``, ``promoted.2`` and so on;
that of the highest number is in force. So weights are put in force, and taken back, by one rename, and whenever a
process is killed or the machine loses power there are those before or those after: never none, which would be the
shipped ones.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
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

_CARD, _WEIGHTS = "weights.json", "weights.onnx"
_NUMBERED = re.compile(r"promoted\.([1-9][0-9]*)")
_EARLIER = ("promoted.old", "promoted")
"""Folders from before they had numbers, the older first. Cut off between two renames there may be the older alone: then
that is in force."""
KEPT = 2
"""Promotions that are kept: the last one, and the one to go back to."""


def card_in_force(data_folder: Path, inference: InferenceSettings) -> Path:
    """The card's path; not yet read."""
    if inference.weights is not None:
        return inference.weights
    promoted = _promotions(_models(data_folder))
    return promoted[-1] / _CARD if promoted else shipped.CARD


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
    models = _models(data_folder)
    draft, place = models / "promoted.new", models / f"promoted.{max(_numbers(models), default=0) + 1}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        shutil.copyfile(card_path, draft / _CARD)
        shutil.copyfile(weights, draft / (card.weights or _WEIGHTS))
        for file in beside:
            shutil.copyfile(file, draft / file.name)
        checked_files(draft / _CARD)  # of two files of one name only one lies there
        for file in (*draft.iterdir(), draft):
            _to_disk(file)
        _rename(draft, place)
    except OSError as error:
        raise _not_written(place, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for older in _promotions(models)[:-KEPT]:
        with suppress(OSError):  # one more may be taken back then
            _remove(older)
    return load_card(place / _CARD)


def withdraw(data_folder: Path) -> bool:
    """Back to the weights before the last promotion, or to the shipped ones; False where none were promoted. Raises
    ``WeightsRefused``; nothing has changed then."""
    folders = _promotions(_models(data_folder))
    if not folders:
        return False
    try:
        _remove(folders[-1])
    except OSError as error:
        raise _not_written(folders[-1], error) from error
    return True


def _models(data_folder: Path) -> Path:
    return data_folder / "models"


def _promotions(models: Path) -> list[Path]:
    """The folders of what was promoted, the last one last."""
    names = (*_EARLIER, *(f"promoted.{number}" for number in sorted(_numbers(models))))
    return [folder for name in names if (folder := models / name).exists()]


def _numbers(models: Path) -> list[int]:
    return [int(found[1]) for path in models.glob("promoted.*") if (found := _NUMBERED.fullmatch(path.name))]


def _remove(folder: Path) -> None:
    """By one rename, for half of it would end the engine. Raises ``OSError``; it is there as it was then."""
    gone = folder.with_name("promoted.gone")
    shutil.rmtree(gone, ignore_errors=True)
    _rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _rename(folder: Path, to: Path) -> None:
    folder.rename(to)
    with suppress(OSError):  # it has its new name, though perhaps not after a loss of power
        _to_disk(to.parent)


def _to_disk(path: Path) -> None:
    """Of a folder: the names in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_written(folder: Path, error: OSError) -> WeightsRefused:
    return WeightsRefused(
        "promotion_not_written",
        f"模型未能写入 {folder}：{error.strerror}；原有模型继续有效",
        f"the weights could not be written to {folder}: {error.strerror}; those before stay in force",
    )
