"""By which pictures something is chosen of weights that only pictures with a clear licence taught (decision 0139).

By such alone, as far as there are enough of them; else by all there are, and the card says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

CHOSEN_ON = "chosen_on"
"""Of a card: by how many pictures each of ``NAMES`` was chosen, ``clear`` ones and ``unclear`` ones."""
ENOUGH = 10
"""Pictures of which nine in ten can be told; 19 in 20 of ``TWICE`` as many."""
TWICE = 2 * ENOUGH
BOUNDS = ("bounds_fire", "bounds_others")
NAMES = {
    "fire": ("火焰阈值", "the threshold of fire"),
    "smoke": ("烟雾阈值", "the threshold of smoke"),
    "person": ("人员阈值", "the threshold of person"),
    "stall": ("摊点阈值", "the threshold of stall"),
    "precision_fire": ("数值精度（火焰）", "the precision, on fire"),
    "precision_smoke": ("数值精度（烟雾）", "the precision, on smoke"),
    "precision_person": ("数值精度（人员）", "the precision, on people"),
    "bounds_fire": ("int8 取值范围（火情）", "the bounds of int8, on fire"),
    "bounds_others": ("int8 取值范围（其他）", "the bounds of int8, on the rest"),
}


class _Licensed(Protocol):
    @property
    def clear_licence(self) -> bool: ...


T = TypeVar("T", bound=_Licensed)


@dataclass(frozen=True, slots=True)
class Basis:
    """How many of the pictures by which something was chosen have a clear licence, and how many none."""

    clear: int
    unclear: int


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """``pictures`` to choose by; ``basis``: of those among them that decide."""

    pictures: list[T]
    basis: Basis


def to_choose_by(
    pictures: Sequence[T],
    *,
    licensed_only: bool,
    deciding: Callable[[T], bool] = lambda _: True,
    enough: int = ENOUGH,
) -> Choice[T]:
    """All of them; where ``licensed_only``, those with a clear licence if ``enough`` of these decide."""
    clear = [one for one in pictures if one.clear_licence]
    by = clear if licensed_only and sum(map(deciding, clear)) >= enough else list(pictures)
    return Choice(by, basis(by, deciding))


def basis(pictures: Sequence[T], deciding: Callable[[T], bool]) -> Basis:
    decide = [one.clear_licence for one in pictures if deciding(one)]
    return Basis(sum(decide), len(decide) - sum(decide))


def told(card: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """What the card says was chosen by how many clear and unclear pictures, by the names that ``NAMES`` has."""
    of: Mapping[str, Mapping[str, int]] = card.get(CHOSEN_ON) or {}
    return [(name, of[name]["clear"], of[name]["unclear"]) for name in NAMES if name in of]
