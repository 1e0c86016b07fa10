"""Orders (指令下发): issued in a room to named people, signed for by each, and fed back. They outlive the room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.rooms.records import Records, found, shown_entry, utc_text
from gateway.storage.ids import new_id
from gateway.storage.tables.access import User
from gateway.storage.tables.rooms import RoomEntryRow, RoomOrderRow

MOST_ADDRESSEES = 50


class Orders:
    """``issue`` is the chair's; ``sign`` and ``feed_back`` are each addressee's own, also after the room has ended."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def issue(
        self, caller: Caller, room_id: str, text: str, addressees: Sequence[str], due_at: datetime | None
    ) -> list[dict[str, Any]]:
        """One order to each addressee (usernames). Refuses ``addressee_unknown``."""
        wanted = list(dict.fromkeys(addressees))
        if not 0 < len(wanted) <= MOST_ADDRESSEES:
            raise Refusal(
                "invalid", "addressees_missing", "请选择 1 至 50 个接收人。", "An order has 1 to 50 addressees.",
                field="addressees",
            )  # fmt: skip
        async with self._records.changing(caller, room_id) as change:
            query = select(User.username).where(User.username.in_(wanted), User.disabled.is_(False))
            known = set(await change.session.scalars(query.where(caller.visible(User.platform))))
            for username in wanted:
                if username not in known:
                    raise Refusal(
                        "invalid", "addressee_unknown", f"没有接收人“{username}”。",
                        f"There is no user {username!r}.", field="addressees",
                    )  # fmt: skip
            batch = new_id()
            rows = [
                RoomOrderRow(
                    id=new_id(), platform=change.room.platform, room_id=room_id, batch=batch,
                    event_no=change.room.event_no, addressee=username, text=text, state="issued",
                    issued_by=caller.username, issued_at=change.now, due_at=due_at, signed_at=None, fed_back_at=None,
                )
                for username in wanted
            ]  # fmt: skip
            change.session.add_all(rows)
            change.note("order", caller.username, {"batch": batch, "text": text, "addressees": wanted})
            change.act = audit.Act(
                caller.username, "room.order", f"room:{room_id}", change.room.platform, why=" ".join(wanted)[:200]
            )
        return [shown_order(row) for row in rows]

    async def sign(self, caller: Caller, order_id: str) -> dict[str, Any]:
        """签收. Refuses ``order_not_yours`` and ``order_state_wrong``."""
        return await self._step(caller, order_id, "issued", "signed", "")

    async def feed_back(self, caller: Caller, order_id: str, text: str) -> dict[str, Any]:
        """反馈, once it is signed for."""
        return await self._step(caller, order_id, "signed", "fed_back", text)

    async def of_room(self, caller: Caller, room_id: str) -> list[dict[str, Any]]:
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            query = select(RoomOrderRow).where(RoomOrderRow.room_id == room_id).order_by(RoomOrderRow.id)
            return [shown_order(row) for row in await session.scalars(query)]

    async def of_caller(self, caller: Caller) -> list[dict[str, Any]]:
        """The caller's own orders, those not done first, at most 200."""
        query = select(RoomOrderRow).where(RoomOrderRow.addressee == caller.username)
        if caller.room is not None:
            query = query.where(RoomOrderRow.room_id == caller.room)
        async with self._records.db.reading() as session:
            rows = list(await session.scalars(query.order_by(RoomOrderRow.issued_at.desc()).limit(200)))
        return [shown_order(row) for row in sorted(rows, key=lambda row: row.state == "fed_back")]

    async def _step(self, caller: Caller, order_id: str, before: str, after: str, feedback: str) -> dict[str, Any]:
        now = self._records.clock()
        async with self._records.db.transaction() as session:
            row = await _own_order(session, caller, order_id)
            if row.state != before:
                raise Refusal(
                    "conflict", "order_state_wrong", "指令的状态不允许此操作。", "The order is not at that step."
                )
            row.state = after
            if after == "signed":
                row.signed_at = now
            else:
                row.fed_back_at, row.feedback = now, feedback
            data = {"order_id": row.id, "batch": row.batch, "step": after, "feedback": feedback}
            entry = RoomEntryRow(
                id=new_id(), platform=row.platform, room_id=row.room_id, at=now, who=caller.username, kind="order_step",
                data=data,
            )  # fmt: skip
            session.add(entry)
            await session.flush()
            act = audit.Act(caller.username, f"order.{after}", f"order:{row.id}", row.platform, why=feedback[:200])
            await audit.append(session, act, now)
        self._records.live.publish(Notice("room.said", row.platform, shown_entry(entry), room=row.room_id))
        return shown_order(row)


async def _own_order(session: AsyncSession, caller: Caller, order_id: str) -> RoomOrderRow:
    row = await session.get(RoomOrderRow, order_id, with_for_update=True)
    if row is None or (caller.room is not None and row.room_id != caller.room):
        raise Refusal("not_found", "order_unknown", "没有这条指令。", "There is no such order.")
    if row.addressee != caller.username:
        raise Refusal("forbidden", "order_not_yours", "该指令不是发给您的。", "That order is not for you.")
    return row


def shown_order(row: RoomOrderRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "batch": row.batch,
        "room_id": row.room_id,
        "event_no": row.event_no,
        "addressee": row.addressee,
        "text": row.text,
        "state": row.state,
        "issued_by": row.issued_by,
        "issued_at": utc_text(row.issued_at),
        "due_at": utc_text(row.due_at) if row.due_at else None,
        "signed_at": utc_text(row.signed_at) if row.signed_at else None,
        "fed_back_at": utc_text(row.fed_back_at) if row.fed_back_at else None,
        "feedback": row.feedback,
    }
