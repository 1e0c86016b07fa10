"""The transactional outbox: a message is written with the change it tells of, once for each receiver it is meant for.

A receiver that is added later gets what happens from then on. A receiver that names no types gets what happens to
events; a test is for the one that is tested.
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
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow, WarningRow

EVENT_TYPES = ("gateway.event.opened", "gateway.event.changed")
TEST_TYPE = "gateway.receiver.test"
WARNING_TYPE = "gateway.warning"
OPTIONAL_TYPES = (*EVENT_TYPES, WARNING_TYPE)
"""What a receiver may ask for."""


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
    ``department``; returns their ids. A warning that nobody asked for is not written: it stands in its own table."""
    query = select(ReceiverRow.id, ReceiverRow.platform, ReceiverRow.types).where(ReceiverRow.enabled)
    receivers = (await session.execute(query)).all()
    asked = {type_ for receiver in receivers for type_ in receiver.types}
    messages = [one for one in messages if one.type != WARNING_TYPE or WARNING_TYPE in asked]
    rows = [
        OutboxRow(id=new_id(), platform=one.platform, at=at, type=one.type, subject=one.subject, data=one.data)
        for one in messages
    ]
    session.add_all(rows)
    await session.flush()
    for receiver in receivers:
        scope = await visible_platforms(session, receiver.platform)
        for one, row in zip(messages, rows, strict=True):
            if one.type not in (receiver.types or EVENT_TYPES):
                continue
            if scope is None or one.platform in scope or one.department in scope:
                session.add(_delivery(receiver.id, row))
    await session.flush()
    return [row.id for row in rows]


async def put_for(session: AsyncSession, receiver_id: str, message: OutMessage, at: datetime) -> DeliveryRow:
    """Write a message for one receiver alone, whatever its types and scope."""
    row = OutboxRow(
        id=new_id(), platform=message.platform, at=at, type=message.type, subject=message.subject, data=message.data
    )
    session.add(row)
    await session.flush()
    delivery = _delivery(receiver_id, row)
    session.add(delivery)
    await session.flush()
    return delivery


def _delivery(receiver_id: str, row: OutboxRow) -> DeliveryRow:
    return DeliveryRow(
        id=new_id(), receiver_id=receiver_id, outbox_id=row.id, subject=row.subject, created_at=row.at, next_at=row.at
    )


def warning_message(warning: WarningRow, told: dict[str, Any]) -> OutMessage:
    """A warning for those who asked for warnings; ``told``: its event's data by id, of which a topic is made."""
    event_id = warning.identifier.rpartition(".")[0]
    known = {name: told[event_id].get(name) for name in ("no", "class_code", "hazard", "grid", "state")}
    data = {
        **known,
        "warning_colour": warning.colour,
        "department": warning.department,
        "drill": warning.drill,
        "identifier": warning.identifier,
        "msg_type": warning.msg_type,
        "cap": warning.document,
    }
    return OutMessage(WARNING_TYPE, f"warnings/{warning.event_no}", warning.platform, warning.department, data)
