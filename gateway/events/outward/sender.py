"""Sends the outbox to its receivers: at least once, each receiver by itself, with backoff, and an end to trying.

Each enabled receiver has a line of its own, so a slow or dead one slows no other. After a failure the receiver is left
alone for a while, and the message is tried again later by the schedule of Standard Webhooks; after the last try it is a
dead letter, which an administrator may replay.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select

from gateway.clock import Clock
from gateway.events.outward.addresses import BrokerPlaces
from gateway.events.outward.forgetting import forget
from gateway.events.outward.line import Line
from gateway.events.outward.mappings import mapping_in_force
from gateway.events.outward.mqtt_way import MqttWays
from gateway.events.outward.post import Post
from gateway.events.outward.ways import OpenWay, Receiver
from gateway.events.outward.webhook_way import WebhookWays
from gateway.processes.messages import Sample
from gateway.processes.periodic import PeriodicWork
from gateway.refusals import Refusal
from gateway.settings import ReceiverSettings
from gateway.storage.database import Database
from gateway.storage.tables.outward import ReceiverRow
from gateway.storage.vault import Vault

TRY_SECONDS = 10.0
ROUND_SECONDS = 2.0
FORGET_SECONDS, FORGET_STEP_SECONDS = 3600.0, 1.0


@dataclass(slots=True)
class OutboxSender:
    """``run`` until it is cancelled; ``wake`` when the outbox holds something new."""

    db: Database
    vault: Vault
    clock: Clock
    settings: ReceiverSettings = field(default_factory=ReceiverSettings)
    try_seconds: float = TRY_SECONDS
    round_seconds: float = ROUND_SECONDS
    chance: Callable[[], float] = random.random
    post: Post = field(init=False)
    work: PeriodicWork = field(init=False)
    forgetting: PeriodicWork = field(init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _ways: dict[str, OpenWay] = field(default_factory=dict)
    _lines: dict[str, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.post = Post(self.db, self.clock, self.settings.links, self.chance)
        self.work = PeriodicWork("outbox", self._round, self.round_seconds, woken=self._woken)
        self.forgetting = PeriodicWork("outbox_forgetting", self._forget, FORGET_SECONDS)

    def wake(self) -> None:
        self._woken.set()

    def samples(self) -> list[Sample]:
        return self.post.samples()

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            webhooks = await stack.enter_async_context(WebhookWays.ready(self.clock, self.try_seconds))
            places = BrokerPlaces(self.settings.networks, self.settings.plain_networks)
            self._ways = {"webhook": webhooks.open, "mqtt": MqttWays(places, self.try_seconds).open}
            stack.push_async_callback(self._end_all)
            forgetting = asyncio.create_task(self.forgetting.run(), name="forget deliveries")
            stack.callback(forgetting.cancel)
            await self.work.run()

    async def _forget(self) -> None:
        """In small steps."""
        removed = 1
        while removed:
            removed = await forget(self.db, self.clock() - timedelta(days=self.settings.keep_days))
            await asyncio.sleep(FORGET_STEP_SECONDS)  # the database is others' too

    async def _round(self) -> None:
        """See to it that each enabled receiver has a line as it is set up now, and tell the lines what is due."""
        async with self.db.reading() as session:
            known = {row.id: row for row in await session.scalars(select(ReceiverRow).where(ReceiverRow.enabled))}
        due = await self.post.waiting()
        for receiver_id, line in list(self._lines.items()):
            row = known.get(receiver_id)
            if row is None or row.revision != line.receiver.revision or line.task is None or line.task.done():
                await self._end(self._lines.pop(receiver_id))
        now = self.clock()
        for receiver_id in self.work.rows.ready(known.keys() - self._lines.keys(), now):
            with self.work.rows.by_itself(receiver_id, now):
                await self._begin(known[receiver_id])
        for receiver_id, line in self._lines.items():
            line.tell(receiver_id in due)

    async def _begin(self, row: ReceiverRow) -> None:
        open_way = self._ways.get(row.kind)
        if open_way is None:
            return
        try:
            secret = self.vault.open(row.sealed_secret, row.id) if row.sealed_secret else ""
        except Refusal as refusal:
            if row.last_error != refusal.reason:
                await self.post.note_lost(row.id, refusal.reason)
            return
        async with self.db.reading() as session:
            mapping = await mapping_in_force(session, row)
        receiver = Receiver(row.id, row.kind, row.platform, row.address, row.options, secret, row.revision, mapping)
        line = Line(receiver, open_way, self.post, self.clock)
        line.task = asyncio.create_task(line.run(), name=f"receiver {row.id}")
        self._lines[row.id] = line

    async def _end(self, line: Line) -> None:
        if line.task is not None:
            line.task.cancel()
            await asyncio.wait({line.task}, timeout=self.try_seconds)

    async def _end_all(self) -> None:
        await asyncio.gather(*(self._end(line) for line in self._lines.values()))
        self._lines.clear()
