"""An escalated event's room opens by itself where the plan says so: exactly once, and also after a crash.

The wish is a row that is written with the step ``escalate``; its id becomes the room's. Room, flow row of the event and
the wish's end are one transaction: a crash before it leaves the wish, which is taken up again, one after it leaves
nothing to do. A media side that is away is tried again, and the event says so.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_records import add_flow, held_event
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation
from gateway.rooms.plans import Plan, plan_of
from gateway.rooms.records import Change, RoomState
from gateway.rooms.register import RoomRegister
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomOpeningRow, RoomRow

log = structlog.get_logger(__name__)

EVERY = 1.0
AT_ONCE = 20
AGAIN = timedelta(seconds=5)
LATEST_AGAIN = timedelta(minutes=2)


class Escalations:
    """``run`` looks for wishes; ``sweep`` is one look."""

    def __init__(self, register: RoomRegister, announcer: Announcer) -> None:
        self._register = register
        self._records = register.records
        self._announcer = announcer

    async def run(self, every: float = EVERY) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep(self._records.clock())
            except (Refusal, SQLAlchemyError) as error:  # a database that is away is back by and by
                log.warning("escalations_not_looked_at", error=str(error))
            await asyncio.sleep(every)

    async def sweep(self, now: datetime) -> int:
        """How many rooms were opened."""
        async with self._records.db.reading() as session:
            query = select(RoomOpeningRow.id).where(RoomOpeningRow.state == "wanted", RoomOpeningRow.next_at <= now)
            due = list(await session.scalars(query.order_by(RoomOpeningRow.next_at).limit(AT_ONCE)))
        opened = 0
        for opening_id in due:
            try:
                opened += await self._see_to(opening_id, now)
            except Refusal as refusal:
                log.warning("room_not_opened", opening=opening_id, reason=refusal.reason)
                await self._put_off(opening_id, refusal, now)
        return opened

    async def _see_to(self, opening_id: str, now: datetime) -> bool:
        async with self._records.db.reading() as session:
            opening = await session.get(RoomOpeningRow, opening_id)
            if opening is None or opening.state != "wanted":
                return False
            event = await session.scalar(select(EventRow).where(EventRow.no == opening.event_no))
            plan = await plan_of(session, event, now) if event is not None else None
        if event is None or event.state != "escalated" or plan is None or not plan.opens:
            state = "unplanned" if event is not None and event.state == "escalated" else "void"
            async with self._records.db.transaction() as session:
                await session.execute(
                    update(RoomOpeningRow)
                    .where(RoomOpeningRow.id == opening_id, RoomOpeningRow.state == "wanted")
                    .values(state=state)
                )
            return False
        try:
            return await self._open(opening, event, plan)
        except _Superseded:
            return False

    async def _open(self, opening: RoomOpeningRow, event: EventRow, plan: Plan) -> bool:
        title = f"{event.class_name} {event.no}"[:100]
        async with self._register.opening(opening.id, title) as number:

            async def work(session: AsyncSession, changes: Changes) -> RoomRow | None:
                held = await held_event(session, event.no)
                query = select(RoomOpeningRow).where(RoomOpeningRow.id == opening.id).with_for_update()
                wish = (await session.scalars(query.execution_options(populate_existing=True))).one()
                if held is None or held.state != "escalated" or wish.state != "wanted":
                    return None
                room = RoomRow(
                    id=opening.id, platform=held.platform, title=title, number=number, event_no=held.no, state="open",
                    origin="event", created_by=opening.asked_by, created_at=changes.at, starts_at=None, ended_at=None,
                    drill=held.drill, consultation=Consultation(invited=plan.invitees).shown(),
                )  # fmt: skip
                session.add(room)
                wish.state = "opened"
                await session.flush()
                change = Change(session, room, (), Consultation(), changes.at)
                session.add(change.note("opened", audit.SYSTEM, {"title": title, "plan": list(plan.cameras)}))
                names = "、".join(one.name for one in plan.invitees)
                opinion = f"按预案自动开启会商室 {number}" + (f"，邀请：{names}" if names else "") + "。"
                await add_flow(session, held, held.state, "open_room", audit.SYSTEM, opinion[:2000], changes.at)
                changes.event(held, "event.changed")
                changes.audit(
                    audit.Act(audit.SYSTEM, "room.create", f"room:{room.id}", room.platform, f"event:{held.no}")
                )
                return room

            room = await self._announcer.commit(work)
            if room is None:
                raise _Superseded
        self._records.tell(RoomState(room, ()))
        return True

    async def _put_off(self, opening_id: str, refusal: Refusal, now: datetime) -> None:
        """Try again later, each time after longer; the event says once that its room is waited for."""

        async def work(session: AsyncSession, changes: Changes) -> None:
            opening = await session.get(RoomOpeningRow, opening_id, with_for_update=True)
            if opening is None or opening.state != "wanted":
                return
            opening.attempts += 1
            opening.next_at = now + min(AGAIN * 2 ** min(opening.attempts - 1, 10), LATEST_AGAIN)
            opening.last_error = refusal.zh[:200]
            await session.flush()
            event = await held_event(session, opening.event_no)
            if opening.attempts == 1 and event is not None and event.state == "escalated":
                opinion = f"会商室暂未能开启，系统将重试：{refusal.zh}"
                await add_flow(session, event, event.state, "room_waits", audit.SYSTEM, opinion, changes.at)
                changes.event(event, "event.changed")

        await self._announcer.commit(work)


class _Superseded(Exception):
    """Another has seen to it meanwhile, or the event is no longer escalated."""
