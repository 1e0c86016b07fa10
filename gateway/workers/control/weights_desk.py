"""The weights as the doors see them: cards and differences on disk, promotion, and the engine begun again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectors.card import Card
from detectors.card_file import load_card
from detectors.engine import EngineName, runtime_for
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from detectors.sees import refuse_blindness
from detectors.weights import weights_of
from gateway.api.weights_desk import (
    Prepared,
    Source,
    WeightsStand,
    in_force_changed,
    nothing_promoted,
    shadow_changed,
    shadow_missing,
)
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from gateway.workers.control.checked_shadow import CheckedShadow
from gateway.workers.inference.opening import refuse_unopened
from gateway.workers.inference.promotion import card_before, card_in_force, promotion, refuse_pinned, withdrawal
from gateway.workers.inference.shadow import FOLDER, kept_differences, kept_picture
from models import shipped


@dataclass(frozen=True, slots=True)
class WeightsOnDisk:
    """``WeightsDesk``. ``begin_again`` restarts the engine, and is told the card that is in force then.
    ``seen_to_open`` raises ``WeightsRefused`` for weights that do not open on an engine."""

    data_folder: Path
    inference: InferenceSettings
    begin_again: Callable[[Path], None]
    seen_to_open: Callable[[EngineName, Path], None] = refuse_unopened
    _checked: CheckedShadow = field(default_factory=CheckedShadow, init=False)

    def stand(self) -> WeightsStand:
        path = card_in_force(self.data_folder, self.inference)
        card = _readable(path)
        shadow, amiss = self._shadow(card)
        return WeightsStand(card, weights_of(card, path), self._source(path), self._before(), shadow, amiss)

    def differences(self) -> list[dict[str, Any]]:
        return list(kept_differences(self.data_folder / FOLDER))

    def picture(self, difference_id: str) -> tuple[str, bytes] | None:
        return kept_picture(self.data_folder / FOLDER, difference_id)

    def promotion(self, card_sha256: str) -> Prepared:
        refuse_pinned(self.inference)
        if self.inference.shadow is None:
            raise shadow_missing()
        try:
            change = promotion(self.inference.shadow, self.data_folder, self.inference.engine)
        except WeightsRefused as refused:
            raise _refusal(refused) from refused
        try:
            card = _readable(change.card)
            if card.card_sha256 != card_sha256:
                raise shadow_changed()
        except BaseException:
            change.drop()
            raise
        return Prepared(change, card)

    def withdrawal(self, card_sha256: str) -> Prepared:
        refuse_pinned(self.inference)
        change = withdrawal(self.data_folder)
        if change is None:
            raise nothing_promoted()
        try:
            if _readable(card_in_force(self.data_folder, self.inference)).card_sha256 != card_sha256:
                raise in_force_changed()
            return Prepared(change, self._usable(change.card))
        except BaseException:
            change.drop()
            raise

    def restart(self) -> None:
        self.begin_again(card_in_force(self.data_folder, self.inference))

    def _usable(self, path: Path) -> Card:
        """The card, whose files the engine can take: it would not start again over those that it cannot."""
        try:
            card, _ = checked_files(path)
            runtime_for(self.inference.engine, card)
            self.seen_to_open(self.inference.engine, path)
        except WeightsRefused as refused:
            raise _refusal(refused) from refused
        return card

    def _source(self, card: Path) -> Source:
        if self.inference.weights is not None:
            return "settings"
        return "shipped" if card == shipped.CARD else "promoted"

    def _before(self) -> Card | None:
        """None too where the settings' own weights are in force, and where the card cannot be read."""
        path = None if self.inference.weights is not None else card_before(self.data_folder)
        try:
            return None if path is None else load_card(path)
        except WeightsRefused:
            return None

    def _shadow(self, in_force: Card) -> tuple[Card | None, WeightsRefused | None]:
        """The card, and why it could not be put in force. Weights that are in force already look beside nobody."""
        path, card = self.inference.shadow, None
        if path is None:
            return None, None
        try:
            card = load_card(path)
            if card.card_sha256 == in_force.card_sha256:
                return None, None
            if (amiss := self._checked.amiss(card, path)) is not None:
                return card, amiss
            runtime_for(self.inference.engine, card)
            refuse_blindness(card, instead_of=in_force)
        except WeightsRefused as refused:
            return card, refused
        return card, None


def _readable(path: Path) -> Card:
    try:
        return load_card(path)
    except WeightsRefused as refused:
        raise _refusal(refused) from refused


def _refusal(refused: WeightsRefused) -> Refusal:
    return Refusal("unavailable", refused.reason, refused.zh, refused.en)
