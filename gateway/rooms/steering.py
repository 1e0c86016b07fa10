"""Controls carried out on real rooms, and what time brings about: patrols move on, rooms begin and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from sqlalchemy import select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.processes.periodic import PeriodicWork
from gateway.refusals import Refusal
from gateway.rooms.consultation import read
from gateway.rooms.controls import Actor, Asked, Order, advanced, carry_out, has_ended
from gateway.rooms.records import RoomState
from gateway.rooms.register import RoomRegister
from gateway.storage.tables.rooms import RoomRow

EVERY = 1.0
"""Seconds between two looks at the time."""


class Steering:
    """``control`` for people, ``work`` for time."""

    def __init__(self, register: RoomRegister) -> None:
        self._register = register
        self._records = register.records
        self.work = PeriodicWork("rooms", self.tick, EVERY)

    async def control(self, caller: Caller, room_id: str, name: str, asked: Asked) -> RoomState:
        """Carry out a control. Refuses what ``controls.carry_out`` refuses, and then nothing has changed."""
        if name == "end":
            if not caller.may("rooms.control"):
                raise Refusal(
                    "forbidden", "control_above_role", "“结束会议”只能由会议主持人操作。", "Only the chair may do this."
                )
            return await self._register.end(caller, room_id)
        if name in ("remove", "turn_away"):
            if asked.member is None:
                raise Refusal(
                    "invalid", "parameter_missing", "缺少参数 member。", "The control needs member.", field="member"
                )
            return await self._register.remove(caller, room_id, asked.member)
        actor = Actor(caller.username, caller.may("rooms.control"))
        async with self._records.changing(caller, room_id) as change:
            order = Order(asked, actor, change.now.timestamp())
            carried = carry_out(name, change.consultation, order)
            change.consultation = carried.state
            change.note("control", caller.username, carried.entry)
            why = " ".join(str(value) for key, value in carried.entry.items() if value is not None and key != "control")
            change.act = audit.Act(
                caller.username, f"room.{name}", f"room:{room_id}", change.room.platform, why=why[:200]
            )
        return change.state

    async def tick(self) -> None:
        """Look at the time once, for every room. What is amiss with one keeps no other from its time."""
        now, rows = self._records.clock(), self.work.rows
        query = select(RoomRow.id, RoomRow.state, RoomRow.starts_at, RoomRow.consultation).where(
            RoomRow.state.in_(("open", "scheduled"))
        )
        async with self._records.db.reading() as session:
            rooms = {room.id: room for room in await session.execute(query)}
        for room_id in rows.ready(rooms, now):
            with rows.by_itself(room_id, now):
                room = rooms[room_id]
                due = self._due(room_id, room.state, room.starts_at, room.consultation, now)
                if due is not None:
                    await due()

    def _due(
        self, room_id: str, state: str, starts_at: datetime | None, document: dict[str, object] | None, now: datetime
    ) -> Callable[[], Awaitable[object]] | None:
        if state == "scheduled":
            begins = starts_at is not None and starts_at <= now
            return (lambda: self._register.begin(room_id)) if begins else None
        consultation, seconds = read(document), now.astimezone(UTC).timestamp()
        if has_ended(consultation, seconds):
            return lambda: self._register.end(None, room_id, reason="time_over")
        if advanced(consultation, seconds) is not consultation:
            return lambda: self._move_on(room_id)
        return None

    async def _move_on(self, room_id: str) -> None:
        async with self._records.changing(None, room_id) as change:
            change.consultation = advanced(change.consultation, change.now.timestamp())
