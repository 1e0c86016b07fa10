"""The outbox does not grow for ever, and forgets nothing that somebody still waits for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from gateway.access.caller import Caller
from gateway.events.outward.forgetting import forget
from gateway.events.outward.receivers import NewReceiver, Receivers
from gateway.settings import ReceiverSettings
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom


async def test_only_what_was_delivered_long_ago_is_forgotten(
    room: EventsRoom, person: Callable[..., Caller], tmp_path: Path
) -> None:
    room.clock.now = datetime.now(UTC)  # identifiers are made by the real clock
    administration = Receivers(Vault.at(tmp_path), ReceiverSettings())
    async with room.db.transaction() as session:
        new = NewReceiver("webhook", "https://grid.example/")
        await administration.add(session, person("system_admin"), new, room.clock())
    for zone in ("delivered", "dead", "waiting"):
        await room.raise_alert("fire", zone=zone)
    async with room.db.transaction() as session:
        ids = list(await session.scalars(select(DeliveryRow.id).order_by(DeliveryRow.id)))
        for row_id, state in zip(ids, ("delivered", "dead", "pending"), strict=True):
            await session.execute(update(DeliveryRow).where(DeliveryRow.id == row_id).values(state=state))
    assert await forget(room.db, room.clock() - timedelta(days=1)) == 0
    assert await room.how_many(OutboxRow) == 3
    later = room.clock() + timedelta(days=31)
    assert await forget(room.db, later) == 2
    assert await forget(room.db, later) == 0
    async with room.db.reading() as session:
        assert list(await session.scalars(select(DeliveryRow.state).order_by(DeliveryRow.id))) == ["dead", "pending"]
    assert await room.how_many(OutboxRow) == 2
