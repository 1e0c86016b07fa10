"""The transactional outbox: a message is written with the change it tells of, once for each receiver it is meant for.

A receiver that is added later gets what happens from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.scopes import visible_platforms
from gateway.storage.ids import new_id
from gateway.storage.tables.events import OutboxRow, WebhookDeliveryRow, WebhookRow

EVENT_TYPES = ("gateway.event.opened", "gateway.event.changed")


@dataclass(frozen=True, slots=True)
class OutMessage:
    """What is to be told: ``department`` is the one an event was dispatched to."""

    type: str
    subject: str
    platform: str
    department: str | None
    data: dict[str, Any]


async def put(session: AsyncSession, messages: Sequence[OutMessage], at: datetime) -> list[str]:
    """Write messages in order, each to the enabled receivers of its type whose platform sees ``platform`` or
    ``department``; returns their ids."""
    rows = [
        OutboxRow(id=new_id(), platform=one.platform, at=at, type=one.type, subject=one.subject, data=one.data)
        for one in messages
    ]
    session.add_all(rows)
    await session.flush()
    receivers = select(WebhookRow.id, WebhookRow.platform, WebhookRow.types).where(WebhookRow.enabled)
    for receiver in (await session.execute(receivers)).all():
        scope = await visible_platforms(session, receiver.platform)
        for one, row in zip(messages, rows, strict=True):
            if receiver.types and one.type not in receiver.types:
                continue
            if scope is None or one.platform in scope or one.department in scope:
                session.add(WebhookDeliveryRow(webhook_id=receiver.id, outbox_id=row.id, created_at=at, next_at=at))
    await session.flush()
    return [row.id for row in rows]
