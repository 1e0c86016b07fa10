"""Which weights are in force: those of the settings, else those a person promoted last, else the shipped ones.

Each promotion is a folder of its own below ``models/`` in the data folder, ``promoted.1``, ``promoted.2`` and so on;
that of the highest number is in force. So weights are put in force, and taken back, by one rename, and whenever a
process is killed or the machine loses power there are those before or those after: never none, which would be the
shipped ones.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from detectors.card_file import load_card
from detectors.engine import EngineName, runtime_for
from detectors.networks import checked_files
from detectors.sees import refuse_blindness
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from models import shipped

_CARD, _WEIGHTS = "weights.json", "weights.onnx"
_DRAFT, _GONE = "promoted.new", "promoted.gone"
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


def card_before(data_folder: Path) -> Path | None:
    """The path of the card that is in force once the last promotion is taken back; None where nothing was promoted."""
    promoted = _promotions(_models(data_folder))
    if not promoted:
        return None
    return promoted[-2] / _CARD if len(promoted) > 1 else shipped.CARD


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


class Change:
    """Of the weights in force, ready to be made: all that takes long, or that weights may be refused for, was done.

    No other is prepared until it is made or dropped. ``card``: of the weights that are in force then, where it lies
    until it is made.
    """

    def __init__(self, folder: Path, to: Path, card: Path, tidying: ExitStack) -> None:
        self.card = card
        self._folder, self._to, self._tidying = folder, to, tidying

    def make(self) -> None:
        """In force from the next start of the inference process on. Raises ``Refusal`` ``promotion_not_written``;
        nothing has changed then."""
        with self._tidying:
            try:
                _rename(self._folder, self._to)
            except OSError as error:
                raise _not_written(self._to, error) from error

    def drop(self) -> None:
        self._tidying.close()


def promotion(card_path: Path, data_folder: Path, engine: EngineName = "auto") -> Change:
    """Copy weights with all that their card names, every file checked: the engine would end over one that is amiss, or
    that it cannot run.

    Raises ``WeightsRefused``, or ``Refusal`` ``promotion_not_written`` or ``promotion_running``; nothing is left then.
    """
    card, (weights, *beside) = checked_files(card_path)
    runtime_for(engine, card)
    models = _models(data_folder)
    with ExitStack() as tidying:
        try:
            tidying.enter_context(_turn(models))
            tidying.callback(_tidy, models)
            refuse_blindness(card, instead_of=load_card(card_in_force(data_folder, InferenceSettings())))
            draft = models / _DRAFT
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            shutil.copyfile(card_path, draft / _CARD)
            shutil.copyfile(weights, draft / (card.weights or _WEIGHTS))
            for file in beside:
                shutil.copyfile(file, draft / file.name)
            checked_files(draft / _CARD)  # of two files of one name only one lies there
            for file in (*draft.iterdir(), draft):
                _to_disk(file)
        except OSError as error:
            raise _not_written(models, error) from error
        to = models / f"promoted.{max(_numbers(models), default=0) + 1}"
        return Change(draft, to, draft / _CARD, tidying.pop_all())


def withdrawal(data_folder: Path) -> Change | None:
    """Back to the weights before the last promotion, or to the shipped ones; None where none were promoted. Raises
    ``Refusal`` as ``promotion``."""
    models = _models(data_folder)
    if not models.exists():
        return None
    with ExitStack() as tidying:
        try:
            tidying.enter_context(_turn(models))
        except OSError as error:
            raise _not_written(models, error) from error
        tidying.callback(_tidy, models)
        before = card_before(data_folder)
        if before is None:
            return None
        shutil.rmtree(models / _GONE, ignore_errors=True)
        return Change(_promotions(models)[-1], models / _GONE, before, tidying.pop_all())


def _turn(models: Path) -> TextIO:
    """Until it is closed, or its process is no more, no one else prepares a change. Raises ``OSError``."""
    models.mkdir(mode=0o700, parents=True, exist_ok=True)
    turn = (models / "promotion.lock").open("a")
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        turn.close()
        raise Refusal(
            "conflict",
            "promotion_running",
            "正在启用或撤回模型，请稍后再试。",
            "Weights are being put in force or taken back just now; try again in a moment.",
        ) from None
    return turn


def _models(data_folder: Path) -> Path:
    return data_folder / "models"


def _promotions(models: Path) -> list[Path]:
    """The folders of what was promoted, the last one last."""
    names = (*_EARLIER, *(f"promoted.{number}" for number in sorted(_numbers(models))))
    return [folder for name in names if (folder := models / name).exists()]


def _numbers(models: Path) -> list[int]:
    return [int(found[1]) for path in models.glob("promoted.*") if (found := _NUMBERED.fullmatch(path.name))]


def _tidy(models: Path) -> None:
    """Away with what is not in force and nobody goes back to. What cannot be removed now is next time."""
    with suppress(OSError):
        for older in _promotions(models)[:-KEPT]:
            shutil.rmtree(models / _GONE, ignore_errors=True)
            _rename(older, models / _GONE)  # half of it must not be gone back to
    for left in (_DRAFT, _GONE):
        shutil.rmtree(models / left, ignore_errors=True)


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


def _not_written(folder: Path, error: OSError) -> Refusal:
    return Refusal(
        "unavailable",
        "promotion_not_written",
        f"模型未能写入 {folder}：{error.strerror}；原有模型继续有效",
        f"the weights could not be written to {folder}: {error.strerror}; those before stay in force",
    )
