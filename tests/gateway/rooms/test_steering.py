"""Time moves rooms on: each for itself, whatever is amiss with another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import select

from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation
from gateway.rooms.engine import MediaEngine
from gateway.rooms.register import RoomRegister
from gateway.rooms.steering import Steering
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import RoomRow

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)


class Media:
    """A media side that has gone wrong over one room."""

    def __init__(self) -> None:
        self.fault: tuple[str, Exception] | None = None
        self.opened: list[str] = []

    async def open(self, room_id: str, title: str) -> None:
        if self.fault is not None and self.fault[0] == room_id:
            raise self.fault[1]
        self.opened.append(room_id)

    async def close(self, room_id: str) -> None: ...

    def arrange(self, *_: object) -> None: ...


def steering(db: Database, media: Media) -> Steering:
    return Steering(RoomRegister(db, cast(MediaEngine, media), LiveHub(), lambda: NOW))


async def room(db: Database, state: str, consultation: dict[str, Any] | None) -> str:
    row = RoomRow(
        id=new_id(), platform="hub", title="会商", number=None, event_no=None, state=state, origin="hand",
        created_by="li", created_at=NOW, starts_at=NOW if state == "scheduled" else None, ended_at=None,
        consultation=consultation, drill=False,
    )  # fmt: skip
    async with db.transaction() as session:
        session.add(row)
    return row.id


async def state_of(db: Database, room_id: str) -> str:
    async with db.reading() as session:
        return (await session.scalars(select(RoomRow.state).where(RoomRow.id == room_id))).one()


async def test_a_room_that_cannot_be_read_keeps_no_other_from_its_end(sqlite_database: Database) -> None:
    await room(sqlite_database, "open", {"seats": "of another version"})
    over = Consultation(ends_at=NOW.timestamp() - 1).shown()
    others = [await room(sqlite_database, "open", over) for _ in range(2)]
    steers = steering(sqlite_database, Media())
    await steers.tick()
    assert [await state_of(sqlite_database, one) for one in others] == ["ended", "ended"]
    assert len(steers.work.rows) == 1


async def test_a_room_that_cannot_begin_for_whatever_reason_keeps_no_other_from_beginning(
    sqlite_database: Database,
) -> None:
    rooms = [await room(sqlite_database, "scheduled", None) for _ in range(3)]
    media = Media()
    for fault in (ValueError("a bug"), Refusal("unavailable", "worker_away", "处理进程未运行", "the worker is away")):
        media.fault = (rooms[0], fault)
        await steering(sqlite_database, media).tick()
    assert [await state_of(sqlite_database, one) for one in rooms] == ["scheduled", "open", "open"]
