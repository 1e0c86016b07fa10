"""What the doors ask of the weights: which are in force, which look beside them, and putting those in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from detectors.card import Card

Source = Literal["shipped", "promoted", "settings"]


@dataclass(frozen=True, slots=True)
class WeightsStand:
    """``source``: where the weights in force are from. ``shadow`` None: none look beside them."""

    card: Card
    source: Source
    shadow: Card | None


class WeightsDesk(Protocol):
    """Its calls read files and block; each raises ``Refusal`` where weights cannot be used."""

    def stand(self) -> WeightsStand: ...

    def differences(self) -> list[dict[str, Any]]:
        """What only one of the two saw, the newest first: ``id``, ``at``, ``camera``, ``new_weights``, ``differences``
        each with ``seen_by``, ``label``, ``score`` and ``box`` normalised."""
        ...

    def picture(self, difference_id: str) -> tuple[str, bytes] | None:
        """The camera's code and the JPEG; None where it is no longer kept."""
        ...

    def promote(self, sha256: str) -> Card:
        """Put the weights in shadow in force; refused where they are not ``sha256``."""
        ...

    def withdraw(self) -> Card:
        """Back to the weights before, which are answered; refused where none were promoted."""
        ...

    def restart(self) -> None:
        """The engine begins again with the weights that are in force now."""
        ...
