"""Rooms as the database keeps them, and the one way to change one: lock its row, change, note, audit, commit, tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.clock import Clock
from gateway.live import LiveHub, Notice
from gateway.refusals import Refusal
from gateway.rooms.arrangement import arranged
from gateway.rooms.consultation import Consultation, read
from gateway.rooms.engine import MediaEngine
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import RoomEntryRow, RoomMemberRow, RoomRow


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room and the members who are in it now, in the order of their coming."""

    room: RoomRow
    members: tuple[RoomMemberRow, ...]

    @property
    def consultation(self) -> Consultation:
        return read(self.room.consultation)

    def member(self, member_id: str) -> RoomMemberRow:
        for member in self.members:
            if member.id == member_id:
                return member
        raise Refusal(
            "not_found",
            "member_unknown",
            "会议室中没有该成员。",
            "There is no such member in the room.",
            field="member",
        )

    def shown(self) -> dict[str, Any]:
        """JSON-ready, as the doors and the event stream give it."""
        room = self.room
        return {
            "id": room.id,
            "title": room.title,
            "number": room.number,
            "state": room.state,
            "origin": room.origin or "hand",
            "event_no": room.event_no,
            "drill": room.drill,
            "platform": room.platform,
            "created_by": room.created_by,
            "created_at": utc_text(room.created_at),
            "starts_at": utc_text(room.starts_at) if room.starts_at else None,
            "ended_at": utc_text(room.ended_at) if room.ended_at else None,
            "revision": room.revision,
            "consultation": self.consultation.shown(),
            "members": [
                {
                    "id": member.id,
                    "kind": member.kind,
                    "name": member.name,
                    "username": member.username,
                    "camera_code": member.camera_code,
                    "state": member.state,
                    "reason": member.reason,
                    "joined_at": utc_text(member.joined_at),
                }
                for member in self.members
            ],
        }


@dataclass(slots=True)
class Change:
    """A room being changed, inside one transaction: set ``consultation``, ``members`` and the row, and ``note``."""

    session: AsyncSession
    room: RoomRow
    members: tuple[RoomMemberRow, ...]
    consultation: Consultation
    now: datetime
    entries: list[RoomEntryRow] = field(default_factory=list)
    act: audit.Act | None = None

    @property
    def state(self) -> RoomState:
        return RoomState(self.room, self.members)

    def note(self, kind: str, who: str, data: Mapping[str, Any]) -> RoomEntryRow:
        """What the minutes will say."""
        entry = RoomEntryRow(
            id=new_id(), platform=self.room.platform, room_id=self.room.id, at=self.now, who=who, kind=kind,
            data=dict(data),
        )  # fmt: skip
        self.entries.append(entry)
        return entry


@dataclass(frozen=True, slots=True)
class Seated:
    """Whose each member of an open room is (username by member), as of a revision of the room."""

    revision: int
    usernames: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Records:
    """``changing`` is the one way to change a room that is there."""

    db: Database
    engine: MediaEngine
    live: LiveHub
    clock: Clock
    _seated: dict[str, Seated] = field(default_factory=dict, init=False)

    def sits(self, room_id: str, member_id: str, username: str) -> bool:
        """Whether this member is in the open room, and is that user's, without asking the database: heartbeats come
        by the dozen a second. False says nothing."""
        seated = self._seated.get(room_id)
        return seated is not None and seated.usernames.get(member_id) == username

    @asynccontextmanager
    async def changing(self, caller: Caller | None, room_id: str) -> AsyncIterator[Change]:
        """The open room with its row locked; what the block leaves is committed, then arranged and told. Without a
        ``caller`` it is the service itself. Refuses ``room_unknown``, ``room_ended``."""
        async with self.db.transaction() as session:
            state = await open_room(session, caller, room_id, lock=True)
            change = Change(session, state.room, state.members, state.consultation, self.clock())
            yield change
            document = change.consultation.shown()
            if document != (state.room.consultation or {}):
                state.room.consultation = document
            session.add_all(change.entries)
            await session.flush()
            if change.act is not None:
                await audit.append(session, change.act, change.now)
        self.tell(change.state)
        for entry in change.entries:
            self.said(entry)

    def tell(self, state: RoomState) -> RoomState:
        """Everybody, the media side first."""
        self._remember(state)
        if state.room.state == "open":
            self.engine.arrange(state.room.id, state.room.revision, arranged(state.consultation))
        self.live.publish(Notice("room.changed", state.room.platform, state.shown(), room=state.room.id))
        return state

    def _remember(self, state: RoomState) -> None:
        room, before = state.room, self._seated.get(state.room.id)
        if room.state != "open":
            self._seated.pop(room.id, None)
        elif before is None or room.revision >= before.revision:
            self._seated[room.id] = Seated(room.revision, {one.id: one.username for one in state.members})

    def said(self, entry: RoomEntryRow) -> None:
        self.live.publish(Notice("room.said", entry.platform, shown_entry(entry), room=entry.room_id))


def shown_entry(entry: RoomEntryRow) -> dict[str, Any]:
    return {
        "id": entry.id,
        "room_id": entry.room_id,
        "at": utc_text(entry.at),
        "who": entry.who,
        "kind": entry.kind,
        "data": entry.data,
    }


async def present(session: AsyncSession, room_id: str) -> tuple[RoomMemberRow, ...]:
    query = select(RoomMemberRow).where(RoomMemberRow.room_id == room_id, RoomMemberRow.left_at.is_(None))
    return tuple(await session.scalars(query.order_by(RoomMemberRow.joined_at, RoomMemberRow.id)))


async def found(session: AsyncSession, caller: Caller | None, room_id: str, *, lock: bool = False) -> RoomState:
    """The room, if it is in the caller's scope; a guest's scope is one room. ``lock``: until the transaction ends."""
    room = await session.get(RoomRow, room_id, with_for_update=True if lock else None)
    if room is None or (caller is not None and not _in_scope(caller, room)):
        raise Refusal("not_found", "room_unknown", "没有这个会议室。", "There is no such room.")
    return RoomState(room, await present(session, room.id))


def _in_scope(caller: Caller, room: RoomRow) -> bool:
    return caller.room == room.id if caller.room is not None else caller.sees(room.platform)


async def open_room(session: AsyncSession, caller: Caller | None, room_id: str, *, lock: bool = False) -> RoomState:
    state = await found(session, caller, room_id, lock=lock)
    if state.room.state == "scheduled":
        raise Refusal("conflict", "room_not_begun", "会议尚未开始。", "The consultation has not begun.")
    if state.room.state != "open":
        raise Refusal("conflict", "room_ended", "会议室已结束。", "The room has ended.")
    return state


def utc_text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
