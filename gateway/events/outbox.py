"""The transactional outbox: a message is written with the change it tells of, once for each receiver it is meant for.

A receiver that is added later gets what happens from then on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.scopes import visible_platforms
from gateway.storage.ids import new_id
from gateway.storage.tables.events import OutboxRow, WebhookDeliveryRow, WebhookRow

EVENT_TYPES = ("gateway.event.opened", "gateway.event.changed")


async def put(
    session: AsyncSession,
    *,
    type_: str,
    subject: str,
    platform: str,
    department: str | None,
    data: dict[str, Any],
    at: datetime,
) -> str:
    """Write a message, to each enabled receiver of its type whose platform sees ``platform`` or ``department``;
    returns its id."""
    message = OutboxRow(id=new_id(), platform=platform, at=at, type=type_, subject=subject, data=data)
    session.add(message)
    await session.flush()
    receivers = select(WebhookRow.id, WebhookRow.platform, WebhookRow.types).where(WebhookRow.enabled)
    for receiver in await session.execute(receivers):
        if receiver.types and type_ not in receiver.types:
            continue
        scope = await visible_platforms(session, receiver.platform)
        if scope is None or platform in scope or department in scope:
            session.add(WebhookDeliveryRow(webhook_id=receiver.id, outbox_id=message.id, created_at=at, next_at=at))
    await session.flush()
    return message.id
