"""What the doors ask of the weights: which are in force, which look beside them, and putting those in force."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from detectors.card import Card
from gateway.access import audit
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.database import Database

Source = Literal["shipped", "promoted", "settings"]


@dataclass(frozen=True, slots=True)
class WeightsStand:
    """``source``: where the weights in force are from. ``shadow`` None: none look beside them."""

    card: Card
    source: Source
    shadow: Card | None


class WeightsChange(Protocol):
    """Of the weights in force, ready to be made; until it is made or dropped no other is prepared. Its calls block."""

    def make(self) -> None:
        """At once, or not at all where ``Refusal`` is raised."""
        ...

    def drop(self) -> None: ...


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
        """What only one of the two saw, the newest first: ``id``, ``at``, ``camera``, ``new_weights``, ``differences``
        each with ``seen_by``, ``label``, ``score`` and ``box`` normalised."""
        ...

    def picture(self, difference_id: str) -> tuple[str, bytes] | None:
        """The camera's code and the JPEG; None where it is no longer kept."""
        ...

    def promotion(self, sha256: str) -> WeightsChange:
        """That the weights in shadow are in force; refused where they are not ``sha256``."""
        ...

    def withdrawal(self) -> WeightsChange:
        """Back to the weights before; refused where none were promoted."""
        ...

    def restart(self) -> None:
        """The engine begins again with the weights that are in force now."""
        ...
