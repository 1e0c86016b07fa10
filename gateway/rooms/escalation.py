"""An escalated event's room opens by itself where the plan says so: exactly once, and also after a crash.

The wish is a row that is written with the step ``escalate``; its id becomes the room's. Room, flow row of the event and
what becomes of the wish are one transaction: a crash before it leaves the wish, which is taken up again, one after it
leaves the calling to be done: whom and what the plan calls comes in by its standing order (``standing_orders``). What
is away, media side or camera, is tried again, and event and room say so.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_records import add_flow, held_event
from gateway.processes.periodic import PeriodicWork
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation
from gateway.rooms.plans import KeptPlan, plan_of
from gateway.rooms.records import Change, RoomState
from gateway.rooms.register import RoomRegister
from gateway.rooms.standing_orders import StandingOrders, authority_of
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomOpeningRow, RoomRow

log = structlog.get_logger(__name__)

EVERY = 1.0
AT_ONCE = 20
AGAIN = timedelta(seconds=5)
LATEST_AGAIN = timedelta(minutes=2)
MOST_CALLS = 5
"""Times that cameras whose worker is away are asked for: some two and a half minutes."""


class Escalations:
    """``work`` looks for wishes; ``sweep`` is one look."""

    def __init__(self, register: RoomRegister, orders: StandingOrders, announcer: Announcer) -> None:
        self._register = register
        self._orders = orders
        self._records = register.records
        self._announcer = announcer
        self.work = PeriodicWork("escalations", self._turn, EVERY)

    async def _turn(self) -> None:
        await self.sweep(self._records.clock())

    async def sweep(self, now: datetime) -> int:
        """How many rooms were opened. What fails for one keeps no other from being opened or called into."""
        opened = 0
        for opening_id in await self._due("wanted", now):
            with self.work.rows.by_itself(opening_id, now):
                opened += await self._opened(opening_id, now)
        for opening_id in await self._due("calling", now):  # after all rooms are open: a camera may take its time
            with self.work.rows.by_itself(opening_id, now):
                await self._call(opening_id, now)
        return opened

    async def _due(self, state: str, now: datetime) -> list[str]:
        rows = self.work.rows
        query = select(RoomOpeningRow.id).where(RoomOpeningRow.state == state, RoomOpeningRow.next_at <= now)
        async with self._records.db.reading() as session:
            due = await session.scalars(query.order_by(RoomOpeningRow.next_at).limit(AT_ONCE + len(rows)))
            return rows.ready(due, now)[:AT_ONCE]

    async def _opened(self, opening_id: str, now: datetime) -> bool:
        try:
            return await self._see_to(opening_id, now)
        except Refusal as refusal:
            log.warning("room_not_opened", opening=opening_id, reason=refusal.reason)
            await self._put_off(opening_id, refusal, now)
        except Exception:  # whoever waits for the room is told all the same
            await self._put_off(opening_id, _unforeseen(), now)
            raise
        return False

    async def _see_to(self, opening_id: str, now: datetime) -> bool:
        async with self._records.db.reading() as session:
            opening = await session.get(RoomOpeningRow, opening_id)
            if opening is None or opening.state != "wanted":
                return False
            event = await session.scalar(select(EventRow).where(EventRow.no == opening.event_no))
            kept = await plan_of(session, event, now) if event is not None else None
        if event is None or event.state != "escalated" or kept is None or not kept.plan.opens:
            state = "unplanned" if event is not None and event.state == "escalated" else "void"
            async with self._records.db.transaction() as session:
                await session.execute(
                    update(RoomOpeningRow)
                    .where(RoomOpeningRow.id == opening_id, RoomOpeningRow.state == "wanted")
                    .values(state=state)
                )
            return False
        try:
            return await self._open(opening, event, kept, now)
        except _Superseded:
            return False

    async def _open(self, opening: RoomOpeningRow, event: EventRow, kept: KeptPlan, now: datetime) -> bool:
        title, plan = f"{event.class_name} {event.no}"[:100], kept.plan
        async with self._records.db.reading() as session:
            try:
                await authority_of(session, kept, event.platform, now)
                acts = f"按{kept.approved_by}批准的预案呼叫终端、接入摄像机。"
            except Refusal as refusal:
                acts = f"{refusal.zh}未呼叫终端，未接入摄像机。"
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
                wish.state, wish.plan_id, wish.attempts, wish.next_at = "calling", kept.id, 0, now
                await session.flush()
                change = Change(session, room, (), Consultation(), changes.at)
                session.add(change.note("opened", audit.SYSTEM, {"title": title, "plan": list(plan.cameras)}))
                names = "、".join(one.name for one in plan.invitees)
                opinion = f"按预案自动开启会商室 {number}" + (f"，邀请：{names}" if names else "") + f"。{acts}"
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

    async def _call(self, opening_id: str, now: datetime) -> None:
        """Carry the plan's order out in the open room: at once, and again for cameras whose worker is away."""
        async with self._records.db.reading() as session:
            opening = await session.get(RoomOpeningRow, opening_id)
        if opening is None:
            return
        again = False
        fault: Exception | None = None
        try:
            done = await self._orders.carry_out(
                opening_id, opening.event_no, opening.plan_id, rings=opening.attempts == 0
            )
            again = done.again and opening.attempts + 1 < MOST_CALLS
            if not again:
                await self._orders.say_missing(opening_id, done.missing)
        except Refusal as refusal:
            if refusal.kind == "unavailable":  # the database: no reason to call nobody
                raise
            log.warning("plan_not_carried_out", room=opening_id, reason=refusal.reason)
            with suppress(Refusal):  # the room has ended meanwhile
                await self._orders.say_void(opening_id, refusal)
        except Exception as error:  # noqa: BLE001 - raised below, once it is sure that nobody is rung for ever over it
            fault, again = error, opening.attempts + 1 < MOST_CALLS
            if not again:
                with suppress(Refusal):
                    await self._orders.say_void(opening_id, _unforeseen())
        wait = min(AGAIN * 2**opening.attempts, LATEST_AGAIN)
        became = {"attempts": opening.attempts + 1, "next_at": now + wait} if again else {"state": "opened"}
        async with self._records.db.transaction() as session:
            await session.execute(update(RoomOpeningRow).where(RoomOpeningRow.id == opening_id).values(**became))
        if fault is not None:
            raise fault

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


def _unforeseen() -> Refusal:
    return Refusal("unavailable", "internal_error", "内部错误，详见日志", "internal error, see the log")


class _Superseded(Exception):
    """Another has seen to it meanwhile, or the event is no longer escalated."""
