"""Which weights are in force: those of the settings, else those a person promoted last, else the shipped ones.

Each promotion is a folder of its own below ``models/`` in the data folder, ``promoted.1``, ``promoted.2`` and so on;
that of the highest number is in force. So weights are put in force, and taken back, by one rename, and whenever a
process is killed or the machine loses power there are those before or those after: never none, which would be the
shipped ones.
"""

from __future__ import annotations

import errno
import fcntl
import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import structlog

from detectors.card import Card
from detectors.card_file import load_card
from detectors.engine import EngineName, runtime_for
from detectors.networks import checked_files, files_of
from detectors.refusals import WeightsRefused
from detectors.sees import refuse_blindness
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from gateway.storage.durable import to_disk
from gateway.workers.inference import change_note
from gateway.workers.inference.change_note import ChangeNote
from models import shipped

log = structlog.get_logger(__name__)

_CARD, _WEIGHTS = "weights.json", "weights.onnx"
_DRAFT, _GONE = "promoted.new", "promoted.gone"
_NUMBERED = re.compile(r"promoted\.([1-9][0-9]*)")
_EARLIER = ("promoted.old", "promoted")
"""Folders from before they had numbers, the older first. Cut off between two renames there may be the older alone: then
that is in force."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
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


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted of a change by a process that did not live to see it through: the ``act`` that the chain was to be
    told, the time it was told ``at``, and whether the change was ``made``."""

    act: Mapping[str, Any]
    at: datetime
    made: bool


class Turn:
    """Of one who may change the weights in force: until it is dropped, or its process is no more, it is nobody
    else's."""

    def __init__(self, data_folder: Path, held: ExitStack) -> None:
        self._data_folder, self._models, self._held = data_folder, _models(data_folder), held

    def noted(self) -> Noted | None:
        """What an earlier turn left; None where it left nothing open."""
        note = change_note.read(self._models)
        if note is None:
            return None
        now = card_in_force(self._data_folder, InferenceSettings()).parent.name
        return Noted(note.act, note.at, now == note.then)

    def settled(self) -> None:
        """Chain and disk agree about what was noted."""
        change_note.remove(self._models)

    def drop(self) -> None:
        self._held.close()


class Change(Turn):
    """Of the weights in force, ready to be made: all that takes long, or that weights may be refused for, was done.

    ``card``: of the weights that are in force then, where it lies until the change is made.
    """

    def __init__(self, data_folder: Path, folder: Path, to: Path, card: Path, held: ExitStack) -> None:
        super().__init__(data_folder, held)
        self.card = card
        self._folder, self._to = folder, to

    def note(self, act: Mapping[str, Any], at: datetime) -> None:
        """Before the chain is told of it. Raises ``Refusal`` ``promotion_not_written``; to take weights back, which
        needs but a rename, goes on without a note where the disk is full: bad ones must not stay in force for that."""
        back = self.card.parent != self._folder
        then = self.card.parent if back else self._to
        try:
            change_note.write(self._models, ChangeNote(act, at, then.name))
        except OSError as error:
            if not back or error.errno not in _FULL:
                raise _not_written(self._models, error) from error
            log.warning("weights_change_not_noted", folder=str(self._models), error=error.strerror)

    def make(self) -> None:
        """In force from the next start of the inference process on; the turn is over. Raises ``Refusal``
        ``promotion_not_written``; nothing has changed then, and the turn lasts until it is dropped."""
        try:
            _rename(self._folder, self._to)
        except OSError as error:
            raise _not_written(self._to, error) from error
        self.settled()
        self.drop()


def promotion(card_path: Path, data_folder: Path, engine: EngineName = "auto") -> Change:
    """Copy weights with all that their card names, and check every file where it lies then: the engine would end over
    one that is amiss, or that it cannot run, and where they come from it may be exchanged at any time.

    Raises ``WeightsRefused``, or ``Refusal`` ``promotion_not_written`` or ``promotion_running``; nothing is left then.
    """
    checked_files(card_path)  # what is amiss already is named where it lies
    models = _models(data_folder)
    with ExitStack() as held:
        try:
            held.enter_context(_turn(models))
            held.callback(_tidy, models)
            draft = models / _DRAFT
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            _copy(card_path, draft)
            card, _ = checked_files(draft / _CARD)  # of two files of one name only one lies there
            runtime_for(engine, card)
            refuse_blindness(card, instead_of=_card_before(data_folder))
            for file in (*draft.iterdir(), draft):
                to_disk(file)
        except OSError as error:
            raise _not_written(models, error) from error
        to = models / f"promoted.{max(_numbers(models), default=0) + 1}"
        return Change(data_folder, draft, to, draft / _CARD, held.pop_all())


def _card_before(data_folder: Path) -> Card | None:
    """In whose place others are put in force; None where it cannot be read: by it no engine starts, and nothing falls
    silent that it could tell."""
    try:
        return load_card(card_in_force(data_folder, InferenceSettings()))
    except WeightsRefused as refused:
        log.warning("card_in_force_unreadable", reason=refused.reason, detail=refused.en)
        return None


def _copy(card_path: Path, draft: Path) -> None:
    """Raises ``OSError``, ``WeightsRefused``."""
    shutil.copyfile(card_path, draft / _CARD)
    card = load_card(draft / _CARD)
    weights, *beside = files_of(card, card_path)
    shutil.copyfile(weights, draft / (card.weights or _WEIGHTS))
    for file in beside:
        shutil.copyfile(file, draft / file.name)


def withdrawal(data_folder: Path) -> Change | None:
    """Back to the weights before the last promotion, or to the shipped ones; None where none were promoted. Raises
    ``Refusal`` as ``promotion``."""
    models = _models(data_folder)
    if not models.exists():
        return None
    with ExitStack() as held:
        try:
            held.enter_context(_turn(models))
        except OSError as error:
            raise _not_written(models, error) from error
        held.callback(_tidy, models)
        before = card_before(data_folder)
        if before is None:
            return None
        shutil.rmtree(models / _GONE, ignore_errors=True)
        return Change(data_folder, _promotions(models)[-1], models / _GONE, before, held.pop_all())


def unsettled(data_folder: Path) -> Turn | None:
    """To settle what a process that was killed had noted; None where nothing is noted, or by one who still lives.
    Raises ``Refusal`` ``promotion_not_written``."""
    models = _models(data_folder)
    if change_note.read(models) is None:
        return None
    with ExitStack() as held:
        try:
            held.enter_context(_turn(models))
        except OSError as error:
            raise _not_written(models, error) from error
        except Refusal:
            return None
        return Turn(data_folder, held.pop_all())


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
        to_disk(to.parent)


def _not_written(folder: Path, error: OSError) -> Refusal:
    return Refusal(
        "unavailable",
        "promotion_not_written",
        f"模型未能写入 {folder}：{error.strerror}；原有模型继续有效",
        f"the weights could not be written to {folder}: {error.strerror}; those before stay in force",
    )
