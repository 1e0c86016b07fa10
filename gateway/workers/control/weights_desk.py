"""The weights as the doors see them: cards and differences on disk, promotion, and the engine begun again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.card import Card
from detectors.card_file import load_card
from detectors.refusals import WeightsRefused
from gateway.api.weights_desk import Source, WeightsStand
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from gateway.workers.inference.promotion import Change, card_in_force, promotion, refuse_pinned, withdrawal
from gateway.workers.inference.shadow import FOLDER, kept_differences, kept_picture
from models import shipped


@dataclass(frozen=True, slots=True)
class WeightsOnDisk:
    """``WeightsDesk``. ``begin_again`` restarts the engine, and is told the card that is in force then."""

    data_folder: Path
    inference: InferenceSettings
    begin_again: Callable[[Path], None]

    def stand(self) -> WeightsStand:
        card = self._in_force()
        return WeightsStand(card, self._source(), self._shadow(card))

    def differences(self) -> list[dict[str, Any]]:
        return list(kept_differences(self.data_folder / FOLDER))

    def picture(self, difference_id: str) -> tuple[str, bytes] | None:
        return kept_picture(self.data_folder / FOLDER, difference_id)

    def promotion(self, sha256: str) -> Change:
        refuse_pinned(self.inference)
        shadow = self._shadow(self._in_force())
        if shadow is None or self.inference.shadow is None:
            raise Refusal(
                "conflict", "shadow_missing", "没有试用中的新模型。", "No new weights are in shadow.", field="sha256"
            )
        if shadow.sha256 != sha256:
            raise Refusal(
                "conflict",
                "weights_changed",
                "试用中的模型已更换，请刷新后确认。",
                "The weights in shadow are others by now; look again.",
                field="sha256",
            )
        try:
            return promotion(self.inference.shadow, self.data_folder, self.inference.engine)
        except WeightsRefused as refused:
            raise _refusal(refused) from refused

    def withdrawal(self) -> Change:
        refuse_pinned(self.inference)
        change = withdrawal(self.data_folder)
        if change is None:
            raise Refusal(
                "conflict",
                "nothing_promoted",
                "当前为出厂模型，没有可撤回的启用。",
                "The shipped weights are in force; there is nothing to take back.",
            )
        return change

    def restart(self) -> None:
        self.begin_again(card_in_force(self.data_folder, self.inference))

    def _in_force(self) -> Card:
        try:
            return load_card(card_in_force(self.data_folder, self.inference))
        except WeightsRefused as refused:
            raise _refusal(refused) from refused

    def _source(self) -> Source:
        if self.inference.weights is not None:
            return "settings"
        return "shipped" if card_in_force(self.data_folder, self.inference) == shipped.CARD else "promoted"

    def _shadow(self, in_force: Card) -> Card | None:
        """Weights that are in force already look beside nobody; a card that cannot be read is none."""
        if self.inference.shadow is None:
            return None
        try:
            card = load_card(self.inference.shadow)
        except WeightsRefused:
            return None
        return None if card.sha256 == in_force.sha256 else card


def _refusal(refused: WeightsRefused) -> Refusal:
    return Refusal("unavailable", refused.reason, refused.zh, refused.en)
