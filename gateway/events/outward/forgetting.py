"""What was delivered long ago is forgotten, a little at a time: an event's messages hold it whole, again and again.

Dead letters and what still waits stay, with their messages, however old they are.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select

from gateway.storage.database import Database
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, InboundMessageRow

AT_ONCE = 500
"""Rows of one transaction, so that nobody waits long for the database."""


async def forget(db: Database, before: datetime) -> int:
    """Remove some of what was delivered, told and taken in before that moment; 0: nothing is left to remove."""
    # A UUIDv7 begins with its milliseconds, so the key's own order finds the oldest without an index more.
    oldest = f"{int(before.timestamp() * 1000):012x}"
    bound = f"{oldest[:8]}-{oldest[8:]}"
    delivered = select(DeliveryRow.id).where(DeliveryRow.id < bound, DeliveryRow.state == "delivered")
    delivered = delivered.order_by(DeliveryRow.id)
    wanted = exists().where(DeliveryRow.outbox_id == OutboxRow.id)
    told = select(OutboxRow.id).where(OutboxRow.at < before, ~wanted).order_by(OutboxRow.at)
    taken = select(InboundMessageRow.id).where(InboundMessageRow.id < bound).order_by(InboundMessageRow.id)
    removed = 0
    async with db.transaction() as session:
        for table, found in (
            (DeliveryRow, delivered.order_by(DeliveryRow.id)),
            (OutboxRow, told),
            (InboundMessageRow, taken),
        ):
            ids = list(await session.scalars(found.limit(AT_ONCE)))
            if ids:
                await session.execute(delete(table).where(table.id.in_(ids)))
            removed += len(ids)
    return removed
