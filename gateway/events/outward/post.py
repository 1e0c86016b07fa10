"""What is due to a receiver, in what form, and how each try went: the sender's side of the outbox."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased

from gateway.clock import Clock
from gateway.events.outward.letters import event_of, letter_of
from gateway.events.outward.mapping import MappingFailed
from gateway.events.outward.standard_webhooks import CloudEvent
from gateway.events.outward.ways import Letter, Outcome, Receiver
from gateway.processes.messages import Sample
from gateway.storage.database import Database
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow

log = structlog.get_logger(__name__)

BATCH = 64
SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""The waits between tries, each up to a fifth longer by chance; one try more than there are waits."""


def wait_after(attempts: int, chance: float) -> timedelta | None:
    """The wait after so many failed tries, with ``chance`` in 0…1; None: it is a dead letter."""
    if attempts > len(SCHEDULE):
        return None
    return SCHEDULE[attempts - 1] * (1 + chance / 5)


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is due."""

    delivery_id: str
    subject: str
    attempts: int
    event: CloudEvent


@dataclass(frozen=True, slots=True)
class DueLetter:
    due: Due
    letter: Letter


@dataclass(slots=True)
class _Counts:
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(slots=True)
class Post:
    db: Database
    clock: Clock
    links: str = ""
    chance: Callable[[], float] = random.random
    _counts: _Counts = field(default_factory=_Counts)

    def samples(self) -> list[Sample]:
        """Tries counted since the process began, for ``/metrics``."""
        counts = {"delivered": self._counts.delivered, "failed": self._counts.failed, "dead": self._counts.dead}
        return [
            Sample("gateway_deliveries", {"outcome": outcome}, float(value), "counter")
            for outcome, value in counts.items()
        ]

    async def waiting(self) -> set[str]:
        """The receivers to which something is due."""
        async with self.db.reading() as session:
            due = select(DeliveryRow.receiver_id).where(
                DeliveryRow.state == "pending", DeliveryRow.next_at <= self.clock()
            )
            return set(await session.scalars(due.distinct()))

    async def due(self, receiver_id: str) -> list[Due]:
        """In order of their making; none whose subject has an earlier message that waits for its next try."""
        now, earlier = self.clock(), aliased(DeliveryRow)
        held_up = exists().where(
            earlier.receiver_id == receiver_id,
            earlier.state == "pending",
            earlier.subject == DeliveryRow.subject,
            earlier.id < DeliveryRow.id,
            earlier.next_at > now,
        )
        query = (
            select(DeliveryRow, OutboxRow)
            .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
            .where(DeliveryRow.receiver_id == receiver_id, DeliveryRow.state == "pending")
            .where(DeliveryRow.next_at <= now, ~held_up)
            .order_by(DeliveryRow.id)
            .limit(BATCH)
        )
        async with self.db.reading() as session:
            return [
                Due(delivery.id, delivery.subject, delivery.attempts, event_of(message))
                for delivery, message in await session.execute(query)
            ]

    async def letters(self, receiver: Receiver, due: Sequence[Due]) -> list[DueLetter]:
        """What can be sent. What the receiver's mapping cannot form is a dead letter at once: no try would mend it; nor
        would one where forming it fails for whatever reason, which keeps no other letter from being sent."""
        letters: list[DueLetter] = []
        failed: list[tuple[Due, str]] = []
        for one in due:
            try:
                letters.append(DueLetter(one, letter_of(one.event, receiver.mapping, self.links)))
            except MappingFailed as error:
                failed.append((one, f"mapping {error.field}: {error.reason}"))
            except Exception as error:
                log.exception("letter_not_formed", receiver=receiver.id, message=one.event.id)
                failed.append((one, f"letter_not_formed {type(error).__name__}"))
        if failed:
            await self._bury(receiver, failed)
        return letters

    async def _bury(self, receiver: Receiver, failed: Sequence[tuple[Due, str]]) -> None:
        last = ""
        async with self.db.transaction() as session:
            for due, why in failed:
                last = why[:200]
                self._log(receiver, due, due.attempts + 1, last, dead=True)
                await session.execute(
                    update(DeliveryRow)
                    .where(DeliveryRow.id == due.delivery_id, DeliveryRow.state == "pending")
                    .values(state="dead", attempts=due.attempts + 1, last_status=None, last_error=last)
                )
            await session.execute(
                update(ReceiverRow)
                .where(ReceiverRow.id == receiver.id)
                .values(last_error=last, last_error_at=self.clock())
            )

    async def note(self, receiver: Receiver, tried: Sequence[tuple[Due, Outcome]], back: bool) -> None:
        """Keep what became of the tries. ``back``: the receiver had been away; all that waits for it is due now."""
        now, delivered, failed = self.clock(), 0, None
        async with self.db.transaction() as session:
            for due, outcome in tried:
                attempts = due.attempts + 1
                values: dict[str, object] = {
                    "attempts": attempts, "last_status": outcome.status, "last_error": outcome.error,
                }  # fmt: skip
                wait = wait_after(attempts, self.chance())
                if outcome.error is None:
                    values |= {"state": "delivered", "delivered_at": now}
                    delivered += 1
                else:
                    failed = outcome.error
                    values |= {"state": "dead"} if wait is None else {"next_at": now + wait}
                    self._log(receiver, due, attempts, outcome.error, dead=wait is None)
                await session.execute(
                    update(DeliveryRow)
                    .where(DeliveryRow.id == due.delivery_id, DeliveryRow.state == "pending")
                    .values(**values)
                )
            if back:
                await session.execute(
                    update(DeliveryRow)
                    .where(DeliveryRow.receiver_id == receiver.id, DeliveryRow.state == "pending")
                    .where(DeliveryRow.next_at > now)
                    .values(next_at=now)
                )
            state: dict[str, object] = {"last_success_at": now, "last_error": None} if delivered else {}
            state |= {"last_error": failed, "last_error_at": now} if failed is not None else {}
            await session.execute(update(ReceiverRow).where(ReceiverRow.id == receiver.id).values(**state))
        self._counts.delivered += delivered

    async def note_lost(self, receiver_id: str, reason: str) -> None:
        """The receiver cannot be reached; no message pays for that."""
        async with self.db.transaction() as session:
            await session.execute(
                update(ReceiverRow)
                .where(ReceiverRow.id == receiver_id)
                .values(last_error=reason, last_error_at=self.clock())
            )

    def _log(self, receiver: Receiver, due: Due, attempts: int, error: str, *, dead: bool) -> None:
        if dead:
            self._counts.dead += 1
            log.error("dead_letter", receiver=receiver.id, message=due.event.id, error=error)
        else:
            self._counts.failed += 1
            log.warning("delivery_failed", receiver=receiver.id, attempts=attempts, error=error)
