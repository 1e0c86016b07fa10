"""Sends the outbox to its receivers: at least once, each receiver by itself, with backoff, and an end to trying.

A receiver has one request under way at a time and a task of its own, so a slow one slows no other. After a failure the
receiver is left alone for a while, and the message is tried again later by the schedule of Standard Webhooks; after the
last try it is a dead letter, which an administrator may replay.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.events.standard_webhooks import CloudEvent, signed_headers
from gateway.events.webhooks import checked_url
from gateway.processes.messages import Sample
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.events import OutboxRow, WebhookDeliveryRow, WebhookRow
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

TRY_SECONDS = 10.0
ROUND_SECONDS = 2.0
BATCH = 20
LONGEST_REST = timedelta(seconds=60)
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
class _Message:
    delivery_id: str
    event: CloudEvent
    url: str
    sealed_secret: str
    webhook_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: int | None
    error: str | None


@dataclass(slots=True)
class _Receiver:
    """What is known of a receiver while the process lives."""

    task: asyncio.Task[None] | None = None
    failures: int = 0
    rest_until: datetime | None = None


@dataclass(slots=True)
class _Counts:
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(slots=True)
class WebhookSender:
    """``run`` until it is cancelled; ``wake`` when the outbox holds something new."""

    db: Database
    vault: Vault
    clock: Clock
    try_seconds: float = TRY_SECONDS
    chance: Callable[[], float] = random.random
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _receivers: dict[str, _Receiver] = field(default_factory=dict)
    _counts: _Counts = field(default_factory=_Counts)

    def wake(self) -> None:
        self._woken.set()

    def samples(self) -> list[Sample]:
        """Tries counted since the process began, for ``/metrics``."""
        counts = {"delivered": self._counts.delivered, "failed": self._counts.failed, "dead": self._counts.dead}
        return [
            Sample("gateway_webhook_deliveries", {"outcome": outcome}, float(value), "counter")
            for outcome, value in counts.items()
        ]

    async def run(self, every: float = ROUND_SECONDS) -> None:
        context = await asyncio.to_thread(ssl.create_default_context)
        async with httpx.AsyncClient(
            verify=context, follow_redirects=False, trust_env=False, timeout=self.try_seconds
        ) as client:
            try:
                while True:
                    await self._round(client)
                    try:
                        async with asyncio.timeout(every):
                            await self._woken.wait()
                    except TimeoutError:
                        pass
                    self._woken.clear()
            finally:
                tasks = [receiver.task for receiver in self._receivers.values() if receiver.task is not None]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self, client: httpx.AsyncClient) -> None:
        """Start a task for each receiver that has something due, unless it has one or is left alone."""
        now = self.clock()
        try:
            async with self.db.reading() as session:
                due = await session.scalars(
                    select(WebhookDeliveryRow.webhook_id)
                    .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
                    .where(WebhookDeliveryRow.state == "pending", WebhookDeliveryRow.next_at <= now)
                    .where(WebhookRow.enabled)
                    .group_by(WebhookDeliveryRow.webhook_id)
                )
                ids = list(due)
        except (Refusal, SQLAlchemyError) as error:
            log.warning("outbox_not_read", error=str(error))
            return
        for webhook_id in ids:
            receiver = self._receivers.setdefault(webhook_id, _Receiver())
            busy = receiver.task is not None and not receiver.task.done()
            resting = receiver.rest_until is not None and receiver.rest_until > now
            if not busy and not resting:
                receiver.task = asyncio.create_task(self._serve(client, webhook_id, receiver))

    async def _serve(self, client: httpx.AsyncClient, webhook_id: str, receiver: _Receiver) -> None:
        """Send what is due to one receiver, until there is nothing or a try fails."""
        try:
            while messages := await self._due(webhook_id):
                for message in messages:
                    outcome = await self._try(client, message)
                    await self._note(message, outcome)
                    if outcome.error is not None:
                        receiver.failures += 1
                        rest = min(timedelta(seconds=2.0**receiver.failures), LONGEST_REST)
                        receiver.rest_until = self.clock() + rest
                        return
                    receiver.failures, receiver.rest_until = 0, None
        except (Refusal, SQLAlchemyError) as error:
            log.warning("webhook_not_served", webhook=webhook_id, error=str(error))

    async def _due(self, webhook_id: str) -> list[_Message]:
        query = (
            select(WebhookDeliveryRow, OutboxRow, WebhookRow)
            .join(OutboxRow, OutboxRow.id == WebhookDeliveryRow.outbox_id)
            .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
            .where(WebhookDeliveryRow.webhook_id == webhook_id, WebhookDeliveryRow.state == "pending")
            .where(WebhookDeliveryRow.next_at <= self.clock(), WebhookRow.enabled)
            .order_by(WebhookDeliveryRow.next_at, WebhookDeliveryRow.id)
            .limit(BATCH)
        )
        async with self.db.reading() as session:
            return [
                _Message(
                    delivery.id,
                    CloudEvent(
                        id=message.id,
                        source=f"/platforms/{message.platform}",
                        type=message.type,
                        subject=message.subject,
                        time=message.at,
                        data=message.data,
                    ),
                    webhook.url,
                    webhook.sealed_secret,
                    webhook.id,
                    delivery.attempts,
                )
                for delivery, message, webhook in await session.execute(query)
            ]

    async def _try(self, client: httpx.AsyncClient, message: _Message) -> _Outcome:
        """One request; its answer's body is not read. The error never holds the address, which may hold a secret."""
        body = message.event.body()
        try:
            secret = self.vault.open(message.sealed_secret, message.webhook_id)
            headers = signed_headers(secret, message.event.id, self.clock(), body)
            request = client.build_request("POST", checked_url(message.url), content=body, headers=headers)
            async with asyncio.timeout(self.try_seconds):
                response = await client.send(request, stream=True)
                await response.aclose()
        except TimeoutError:
            return _Outcome(None, "timeout")
        except httpx.TimeoutException:
            return _Outcome(None, "timeout")
        except Refusal as refusal:
            return _Outcome(None, refusal.reason)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return _Outcome(None, type(error).__name__)
        if response.is_success:
            return _Outcome(response.status_code, None)
        if response.is_redirect:
            return _Outcome(response.status_code, "redirect_refused")
        return _Outcome(response.status_code, f"status_{response.status_code}")

    async def _note(self, message: _Message, outcome: _Outcome) -> None:
        now = self.clock()
        attempts = message.attempts + 1
        values: dict[str, object] = {"attempts": attempts, "last_status": outcome.status, "last_error": outcome.error}
        wait = wait_after(attempts, self.chance())
        if outcome.error is None:
            values |= {"state": "delivered", "delivered_at": now}
            self._counts.delivered += 1
        elif wait is None:
            values |= {"state": "dead"}
            self._counts.dead += 1
            log.error("webhook_dead_letter", webhook=message.webhook_id, message=message.event.id, error=outcome.error)
        else:
            values |= {"next_at": now + wait}
            self._counts.failed += 1
            log.warning("webhook_failed", webhook=message.webhook_id, attempts=attempts, error=outcome.error)
        async with self.db.transaction() as session:
            await session.execute(
                update(WebhookDeliveryRow)
                .where(WebhookDeliveryRow.id == message.delivery_id, WebhookDeliveryRow.state == "pending")
                .values(**values)
            )
