"""The roster (值班表): who is on duty, from when to when, at which post. A shift taken off stays on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.storage.tables.access import User
from gateway.storage.tables.duty import DutyShiftRow

LONGEST = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Shift:
    """``post``: 值班员, 值班长, 带班领导 … as the city calls it."""

    username: str
    post: str
    starts_at: datetime
    ends_at: datetime


async def add_shift(session: AsyncSession, caller: Caller, shift: Shift, now: datetime) -> DutyShiftRow:
    """Refuses an unknown person, an unfit time, and two shifts of one person at once."""
    if not timedelta(0) < shift.ends_at - shift.starts_at <= LONGEST:
        hours = LONGEST.total_seconds() / 3600
        raise Refusal(
            "invalid",
            "shift_unfit",
            f"班次须先始后终，且不超过 {hours:.0f} 小时。",
            f"A shift begins before it ends and lasts at most {hours:.0f} hours.",
            field="ends_at",
        )
    person = await session.scalar(select(User).where(User.username == shift.username))
    if person is None or person.disabled or not caller.sees(person.platform):
        raise Refusal(
            "invalid",
            "person_unknown",
            f"没有用户“{shift.username}”，或不在您的管辖范围内。",
            f"There is no user {shift.username!r} in your scope.",
            field="username",
        )
    overlapping = select(DutyShiftRow.id).where(
        DutyShiftRow.username == shift.username,
        DutyShiftRow.removed_at.is_(None),
        DutyShiftRow.starts_at < shift.ends_at,
        DutyShiftRow.ends_at > shift.starts_at,
    )
    if await session.scalar(overlapping.limit(1)) is not None:
        raise Refusal(
            "conflict",
            "shift_overlaps",
            f"“{shift.username}”在此时段已有班次。",
            f"{shift.username!r} has a shift at that time already.",
            field="starts_at",
        )
    row = DutyShiftRow(
        platform=person.platform,
        username=shift.username,
        post=shift.post,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        made_by=caller.username,
        made_at=now,
    )
    session.add(row)
    await session.flush()
    why = f"{shift.username} {shift.post}"
    await audit.append(session, audit.Act(caller.username, "shift.add", f"shift:{row.id}", row.platform, why), now)
    return row


async def remove_shift(session: AsyncSession, caller: Caller, shift_id: str, now: datetime) -> None:
    """Take a shift off that has not ended yet."""
    query = select(DutyShiftRow).where(DutyShiftRow.id == shift_id, caller.visible(DutyShiftRow.platform))
    row = await session.scalar(query.with_for_update())
    if row is None or row.removed_at is not None:
        raise Refusal("not_found", "shift_unknown", "没有这一班次。", "There is no such shift.", field="id")
    if row.ends_at <= now:
        raise Refusal("conflict", "shift_over", "班次已结束，不能删除。", "The shift is over.", field="id")
    row.removed_at = now
    await session.flush()
    await audit.append(
        session, audit.Act(caller.username, "shift.remove", f"shift:{row.id}", row.platform, row.username), now
    )


async def roster(session: AsyncSession, caller: Caller, since: datetime, until: datetime) -> list[DutyShiftRow]:
    """The shifts that touch the time, by when they begin."""
    query = select(DutyShiftRow).where(
        caller.visible(DutyShiftRow.platform),
        DutyShiftRow.removed_at.is_(None),
        DutyShiftRow.starts_at < until,
        DutyShiftRow.ends_at > since,
    )
    return list(await session.scalars(query.order_by(DutyShiftRow.starts_at, DutyShiftRow.post).limit(1000)))
