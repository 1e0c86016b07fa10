"""What the doors ask of the weights: which are in force, which look beside them, and putting those in force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from detectors.card import Card
from detectors.refusals import WeightsRefused
from gateway.access import audit
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.database import Database

log = structlog.get_logger(__name__)

CUT_OFF = "cut_off"
"""Why a change was not made that the chain had been told of: its process was killed before it came to that."""

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


class NotedChange(Protocol):
    """Of a change that was begun and not seen through: its ``act`` (an ``audit.Act`` in plain words), when the chain
    was to be told of it, and whether it was made."""

    @property
    def act(self) -> Mapping[str, Any]: ...

    @property
    def at(self) -> datetime: ...

    @property
    def made(self) -> bool: ...


class WeightsTurn(Protocol):
    """Of one who may change the weights in force; nobody else may until it is dropped. Its calls block."""

    def noted(self) -> NotedChange | None: ...

    def settled(self) -> None:
        """Nothing is noted any more."""
        ...

    def drop(self) -> None: ...


class WeightsChange(WeightsTurn, Protocol):
    """Of the weights in force, ready to be made."""

    def note(self, act: Mapping[str, Any], at: datetime) -> None:
        """On the disk, before the chain is told. Raises ``Refusal``."""
        ...

    def make(self) -> None:
        """At once, and then nothing is noted and the turn is over; or not at all where ``Refusal`` is raised."""
        ...


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
    stay, and the chain is told so by the next start or change (``settle``).
    """
    try:
        await settle(db, change, clock)
        at = clock()
        await asyncio.to_thread(change.note, asdict(act), at)
        async with db.transaction() as session:
            await audit.append(session, act, at)
    except BaseException:  # what was noted stays: a chain that could not be reached may have the act all the same
        await asyncio.to_thread(change.drop)
        raise
    try:
        await asyncio.to_thread(change.make)
    except Refusal as refused:
        try:
            async with db.transaction() as session:
                await audit.append(session, _failed(act, refused.reason), clock())
            await asyncio.to_thread(change.settled)
        finally:
            await asyncio.to_thread(change.drop)
        raise


async def settle(db: Database, turn: WeightsTurn, clock: Clock) -> None:
    """Where a process was killed over a change, after the chain was told and before it was made: tell the chain that it
    was not, and the log, for somebody to decide anew. Weights do not change by themselves at some later start."""
    noted = await asyncio.to_thread(turn.noted)
    if noted is None:
        return
    if not noted.made:
        act = audit.Act(**noted.act)
        async with db.transaction() as session:
            told = await _stands_last(session, act, noted.at)
            if told:
                await audit.append(session, _failed(act, CUT_OFF), clock())
        if told:
            log.warning(
                "weights_change_cut_off",
                reason=CUT_OFF,
                what=act.what,
                target=act.target,
                who=act.who,
                detail="the process ended before the weights were put in force or taken back: those before stay, the"
                " audit chain says so; do it again",
            )
    await asyncio.to_thread(turn.settled)


async def _stands_last(session: AsyncSession, act: audit.Act, at: datetime) -> bool:
    """Whether the chain has this act, and nothing after it that says what came of it."""
    found = await audit.page(session, who=act.who, what=act.what, target=act.target, limit=1)
    return any((row.what, row.at) == (act.what, at) for row in found.items)


def _failed(act: audit.Act, why: str) -> audit.Act:
    return replace(act, what=f"{act.what}_failed", why=why)


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
