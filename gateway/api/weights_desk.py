"""What the doors ask of the weights: which are in force, which look beside them, and putting those in force."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from detectors.card import Card
from detectors.refusals import WeightsRefused
from gateway.access import audit
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.database import Database

Source = Literal["shipped", "promoted", "settings"]


@dataclass(frozen=True, slots=True)
class WeightsStand:
    """What lies on disk, and so is in force from the engine's next start on: its ``card``, the ``file`` of its weights
    and its ``source``. ``before``: the card that is in force again once the last promotion is taken back.

    ``shadow`` None: the settings name no other weights, or their card cannot be read. ``amiss``: why those that they
    name could not be put in force as they lie there now."""

    card: Card
    file: Path
    source: Source
    before: Card | None
    shadow: Card | None
    amiss: WeightsRefused | None


class WeightsChange(Protocol):
    """Of the weights in force, ready to be made; until it is made or dropped no other is prepared. Its calls block."""

    def make(self) -> None:
        """At once, or not at all where ``Refusal`` is raised."""
        ...

    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change after which the weights of ``card`` are in force."""

    change: WeightsChange
    card: Card


async def make_change(db: Database, change: WeightsChange, act: audit.Act, clock: Clock) -> None:
    """Tell the audit chain of ``act``, and then make the change.

    Weights are large, and a transaction keeps every writer waiting: they lie ready before one begins. Where the chain
    cannot be written nothing changes, so that nothing ever changes that it does not have; where the disk refuses the
    change then, those in force stay, and the chain has that, too (``…_failed``). Killed between the two, those in force
    stay, and the chain has an act that was not carried out.
    """
    try:
        async with db.transaction() as session:
            await audit.append(session, act, clock())
    except BaseException:
        await asyncio.to_thread(change.drop)
        raise
    try:
        await asyncio.to_thread(change.make)
    except Refusal as refused:
        async with db.transaction() as session:
            await audit.append(session, replace(act, what=f"{act.what}_failed", why=refused.reason), clock())
        raise


class WeightsDesk(Protocol):
    """Its calls read files and block; each raises ``Refusal`` where weights cannot be used."""

    def stand(self) -> WeightsStand: ...

    def differences(self) -> list[dict[str, Any]]:
        """What only one of the two saw, the newest first: ``id``, ``at``, ``camera``, ``new_card`` (its sha256),
        ``differences`` each with ``seen_by``, ``label``, ``score`` and ``box`` normalised."""
        ...

    def picture(self, difference_id: str) -> tuple[str, bytes] | None:
        """The camera's code and the JPEG; None where it is no longer kept."""
        ...

    def promotion(self, card_sha256: str) -> Prepared:
        """That the weights in shadow are in force; refused where their card is not the one of ``card_sha256``."""
        ...

    def withdrawal(self, card_sha256: str) -> Prepared:
        """Back to the weights before; refused where none were promoted, where those before cannot be used, and where
        the card in force is not the one of ``card_sha256``."""
        ...

    def restart(self) -> None:
        """The engine begins again with the weights that are in force now."""
        ...


def shadow_missing() -> Refusal:
    return Refusal(
        "conflict", "shadow_missing", "没有试用中的新模型。", "No new weights are in shadow.", field="sha256"
    )


def shadow_changed() -> Refusal:
    return Refusal(
        "conflict",
        "weights_changed",
        "试用中的模型已更换，请刷新后确认。",
        "The weights in shadow are others by now; look again.",
        field="sha256",
    )


def in_force_changed() -> Refusal:
    return Refusal(
        "conflict",
        "weights_changed",
        "在用模型已更换（可能已被撤回），请刷新后确认。",
        "The weights in force are others by now, perhaps taken back already; look again.",
        field="sha256",
    )


def nothing_promoted() -> Refusal:
    return Refusal(
        "conflict",
        "nothing_promoted",
        "当前为出厂模型，没有可撤回的启用。",
        "The shipped weights are in force; there is nothing to take back.",
    )
