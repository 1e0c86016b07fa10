"""Links for people without an account, such as a member of grid staff on a phone: each works once, for one room, for a
limited time. Whoever opens one becomes a guest whose session knows that room alone and ends with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit, sessions
from gateway.access.caller import Caller, SessionKind
from gateway.access.roles import GUEST
from gateway.access.sessions import SignedIn, token_sha256
from gateway.refusals import Refusal
from gateway.rooms.records import Records, found, open_room, utc_text
from gateway.storage.ids import new_id
from gateway.storage.tables.access import User
from gateway.storage.tables.rooms import RoomLinkRow

LONGEST = timedelta(hours=24)
MOST_OPEN_LINKS = 100
_NO_PASSWORD = "!"  # noqa: S105  # the hash of no password at all


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """``token`` is shown this once; it travels behind the ``#`` of an address, which browsers send to nobody."""

    id: str
    token: str
    name: str
    until: datetime


class Links:
    """``issue``, ``open`` (once), ``revoke``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def issue(self, caller: Caller, room_id: str, name: str, lasting: timedelta) -> IssuedLink:
        now = self._records.clock()
        if not timedelta(minutes=1) <= lasting <= LONGEST:
            raise Refusal(
                "invalid", "link_time_wrong", "链接有效期应为 1 分钟至 24 小时。", "A link lasts 1 minute to 24 hours.",
                field="minutes",
            )  # fmt: skip
        token = secrets.token_urlsafe(32)
        async with self._records.db.transaction() as session:
            state = await open_room(session, caller, room_id)
            unused = (RoomLinkRow.used_at.is_(None), RoomLinkRow.revoked_at.is_(None), RoomLinkRow.until > now)
            query = select(func.count()).select_from(RoomLinkRow).where(RoomLinkRow.room_id == room_id, *unused)
            if (await session.execute(query)).scalar_one() >= MOST_OPEN_LINKS:
                raise Refusal("too_many", "links_too_many", "未使用的链接过多。", "Too many links are waiting.")
            row = RoomLinkRow(
                id=new_id(), platform=state.room.platform, room_id=room_id, token_sha256=token_sha256(token), name=name,
                issued_by=caller.username, issued_at=now, until=now + lasting, used_at=None, revoked_at=None,
                user_id=None,
            )  # fmt: skip
            session.add(row)
            await session.flush()
            act = audit.Act(caller.username, "room.link", f"room:{room_id}", row.platform, why=name)
            await audit.append(session, act, now)
        return IssuedLink(row.id, token, name, row.until)

    async def open(self, token: str, *, kind: SessionKind, address: str) -> tuple[SignedIn, str]:
        """A guest's session and the room it is for. Refuses, in the same words, a link that is unknown, used, taken
        back or too old, or whose room has ended."""
        now = self._records.clock()
        async with self._records.db.transaction() as session:
            query = select(RoomLinkRow).where(RoomLinkRow.token_sha256 == token_sha256(token)).with_for_update()
            row = await session.scalar(query)
            if row is None or row.used_at is not None or row.revoked_at is not None or row.until <= now:
                raise _link_ended()
            try:
                await open_room(session, None, row.room_id)
            except Refusal:
                raise _link_ended() from None
            user = User(
                id=new_id(), platform=row.platform, username=f"guest-{secrets.token_hex(6)}", display_name=row.name,
                password_hash=_NO_PASSWORD, roles=[GUEST], password_changed_at=now, created_at=now,
            )  # fmt: skip
            session.add(user)
            await session.flush()
            opened = await sessions.open_guest(
                session, user, row.room_id, kind=kind, address=address, now=now, until=now + LONGEST
            )
            row.used_at, row.user_id = now, user.id
            await session.flush()
            act = audit.Act(user.username, "session.open", f"room:{row.room_id}", row.platform, why=f"link {row.id}")
            await audit.append(session, act, now)
        return opened, row.room_id

    async def revoke(self, caller: Caller, room_id: str, link_id: str) -> None:
        """Take a link back; a guest who has come by it is signed out."""
        now = self._records.clock()
        async with self._records.db.transaction() as session:
            row = await _link(session, caller, room_id, link_id)
            row.revoked_at = row.revoked_at or now
            if row.user_id is not None:
                await sessions.end_all(session, row.user_id, now)
            await session.flush()
            act = audit.Act(caller.username, "room.link_revoke", f"room:{room_id}", row.platform, why=row.name)
            await audit.append(session, act, now)

    async def listed(self, caller: Caller, room_id: str) -> list[dict[str, Any]]:
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            query = select(RoomLinkRow).where(RoomLinkRow.room_id == room_id).order_by(RoomLinkRow.id)
            return [
                {
                    "id": row.id,
                    "name": row.name,
                    "issued_by": row.issued_by,
                    "until": utc_text(row.until),
                    "used": row.used_at is not None,
                    "revoked": row.revoked_at is not None,
                }
                for row in await session.scalars(query)
            ]


async def _link(session: AsyncSession, caller: Caller, room_id: str, link_id: str) -> RoomLinkRow:
    await found(session, caller, room_id)
    row = await session.get(RoomLinkRow, link_id)
    if row is None or row.room_id != room_id:
        raise Refusal("not_found", "link_unknown", "没有这个链接。", "There is no such link.")
    return row


def _link_ended() -> Refusal:
    return Refusal(
        "unauthenticated", "link_ended", "链接无效、已使用或已过期，请联系会议主持人。",
        "The link is not valid, has been used or has ended; ask the chair for another.",
    )  # fmt: skip
