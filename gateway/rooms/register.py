"""The register of rooms: who is in which room, kept in the database, with the media side told of every change.

The media side (the room worker) holds nothing that the register does not know: after it has been restarted,
``restore`` opens the rooms again. Whoever was in a room publishes anew or is gone with the next missed heartbeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.clock import Clock
from gateway.live import LiveHub, Notice
from gateway.processes.messages import MemberChanged
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomMemberRow, RoomRow

log = structlog.get_logger(__name__)

MOST_MEMBERS = 64
MOST_OPEN_ROOMS = 50
LOAN = timedelta(hours=24)
"""How long a room may read a camera's stream."""


class RoomMedia(Protocol):
    """The media side of rooms; refuses with ``Refusal`` when it is away."""

    async def open(self, room_id: str) -> None: ...
    async def close(self, room_id: str) -> None: ...
    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        """A member that is there already is read anew, where the camera's stream is now."""

    async def add_person(self, room_id: str, member_id: str) -> None: ...
    async def remove(self, room_id: str, member_id: str) -> None: ...
    async def publish(self, room_id: str, member_id: str, offer: str) -> str: ...
    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> str: ...
    async def stop_publishing(self, room_id: str, member_id: str) -> None: ...
    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None: ...
    def alive(self, room_id: str, member_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room and the members who are in it now, in the order of their coming."""

    room: RoomRow
    members: tuple[RoomMemberRow, ...]

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
        return {
            "id": self.room.id,
            "title": self.room.title,
            "state": self.room.state,
            "event_no": self.room.event_no,
            "platform": self.room.platform,
            "created_by": self.room.created_by,
            "created_at": _text(self.room.created_at),
            "ended_at": _text(self.room.ended_at) if self.room.ended_at else None,
            "revision": self.room.revision,
            "members": [
                {
                    "id": member.id,
                    "kind": member.kind,
                    "name": member.name,
                    "username": member.username,
                    "camera_code": member.camera_code,
                    "state": member.state,
                    "reason": member.reason,
                    "joined_at": _text(member.joined_at),
                }
                for member in self.members
            ],
        }


@asynccontextmanager
async def undone(undo: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """What the media side was asked for is taken back when the rest fails: nobody would know of it any more."""
    try:
        yield
    except BaseException:
        await asyncio.shield(undo())
        raise


class RoomRegister:
    """Every change of a room goes through here: rules first, then media, then the database, then the live stream."""

    def __init__(self, db: Database, media: RoomMedia, live: LiveHub, clock: Clock) -> None:
        self._db = db
        self._media = media
        self._live = live
        self._clock = clock

    async def create(self, caller: Caller, title: str, event_no: str | None) -> RoomState:
        """Open a room. Refuses an event that the caller does not see (``event_unknown``), when too many rooms are open
        (``rooms_too_many``) or the media side is away."""
        async with self._db.reading() as session:
            if event_no is not None:
                await _seen_event(session, caller, event_no)
            query = select(func.count()).select_from(RoomRow).where(RoomRow.state == "open")
            if (await session.execute(query)).scalar_one() >= MOST_OPEN_ROOMS:
                raise Refusal(
                    "too_many",
                    "rooms_too_many",
                    f"同时开启的会议室不能超过 {MOST_OPEN_ROOMS} 个。",
                    f"No more than {MOST_OPEN_ROOMS} rooms can be open at once.",
                )
        room_id, now = new_id(), self._clock()
        await self._media.open(room_id)
        room = RoomRow(
            id=room_id, platform=caller.platform, title=title, event_no=event_no, state="open",
            created_by=caller.username, created_at=now, ended_at=None,
        )  # fmt: skip
        async with undone(lambda: self._quietly_close(room_id)), self._db.transaction() as session:
            session.add(room)
            await session.flush()
            await audit.append(
                session, audit.Act(caller.username, "room.create", f"room:{room_id}", room.platform, why=title), now
            )
        return self._told(RoomState(room, ()))

    async def listed(self, caller: Caller, *, state: str | None) -> list[RoomState]:
        """The rooms in the caller's scope, newest first, at most 200."""
        conditions = [caller.visible(RoomRow.platform)]
        if state is not None:
            conditions.append(RoomRow.state == state)
        async with self._db.reading() as session:
            rooms = list(
                await session.scalars(select(RoomRow).where(*conditions).order_by(RoomRow.created_at.desc()).limit(200))
            )
            return [RoomState(room, await _present(session, room.id)) for room in rooms]

    async def get(self, caller: Caller, room_id: str) -> RoomState:
        async with self._db.reading() as session:
            return await _found(session, caller, room_id)

    async def join(self, caller: Caller, room_id: str) -> tuple[RoomState, RoomMemberRow]:
        """A new member for the caller's browser; each browser that joins is one."""
        member = RoomMemberRow(
            id=new_id(), room_id=room_id, kind="person", name=caller.display_name, username=caller.username,
            camera_code=None, state="joined", reason=None, joined_at=self._clock(), left_at=None, platform="",
            grant_id=None,
        )  # fmt: skip
        async with self._db.reading() as session:
            _with_place(await _open_room(session, caller, room_id))
        await self._media.add_person(room_id, member.id)
        async with undone(lambda: self._quietly_remove(room_id, member.id)), self._db.transaction() as session:
            state = _with_place(await _open_room(session, caller, room_id))
            member.platform = state.room.platform
            session.add(member)
            await session.flush()
            await audit.append(session, self._act(caller, "room.join", state, member), self._clock())
        return self._told(RoomState(state.room, (*state.members, member))), member

    async def add_camera(
        self, caller: Caller, room_id: str, code: str, name: str, platform: str, grant: str | None
    ) -> tuple[RoomState, RoomMemberRow]:
        """Bring a camera into the room, under the caller's viewing grant."""
        now = self._clock()
        async with self._db.transaction() as session:
            state = _without(code, _with_place(await _open_room(session, caller, room_id)))
            grant_id = await view(
                session, caller, grant, Viewed("live", f"camera:{code}", code, platform, state.room.event_no), now
            )
        member = RoomMemberRow(
            id=new_id(), room_id=room_id, kind="camera", name=name, username=None, camera_code=code, state="joined",
            reason=None, joined_at=now, left_at=None, platform=state.room.platform, grant_id=grant_id,
        )  # fmt: skip
        await self._media.add_camera(room_id, member.id, code, (now + LOAN).timestamp())
        async with undone(lambda: self._quietly_remove(room_id, member.id)), self._db.transaction() as session:
            state = _without(code, _with_place(await _open_room(session, caller, room_id)))
            session.add(member)
            await session.flush()
            await audit.append(session, self._act(caller, "room.add_camera", state, member), self._clock())
        return self._told(RoomState(state.room, (*state.members, member))), member

    async def remove(self, caller: Caller, room_id: str, member_id: str) -> RoomState:
        """Leave the room, or (with the permission to control it) take another member out."""
        async with self._db.transaction() as session:
            state = await _found(session, caller, room_id)
            member = state.member(member_id)
            if member.username != caller.username and not caller.may("rooms.control"):
                raise Refusal(
                    "forbidden", "member_not_yours", "您无权移出其他成员。", "You may not remove other members."
                )
            member.state, member.left_at, member.reason = "gone", self._clock(), "left"
            await session.flush()
            await audit.append(session, self._act(caller, "room.remove", state, member), self._clock())
        await self._quietly_remove(room_id, member_id)
        return self._told(RoomState(state.room, tuple(m for m in state.members if m.id != member_id)))

    async def end(self, caller: Caller, room_id: str) -> RoomState:
        """End the room for all."""
        now = self._clock()
        async with self._db.transaction() as session:
            state = await _open_room(session, caller, room_id)
            state.room.state, state.room.ended_at = "ended", now
            for member in state.members:
                member.state, member.left_at, member.reason = "gone", now, "room_ended"
            await session.flush()
            act = audit.Act(caller.username, "room.end", f"room:{room_id}", state.room.platform, why=state.room.title)
            await audit.append(session, act, now)
        await self._quietly_close(room_id)
        return self._told(RoomState(state.room, ()))

    async def publish(self, caller: Caller, room_id: str, member_id: str, offer: str) -> str:
        """The answer to a member's WHIP offer."""
        await self._own(caller, room_id, member_id)
        return await self._media.publish(room_id, member_id, offer)

    async def subscribe(self, caller: Caller, room_id: str, viewer_id: str, member_id: str, offer: str) -> str:
        """The answer to a WHEP offer of the caller's member ``viewer_id`` for another member; leaves an audit row."""
        now = self._clock()
        async with self._db.transaction() as session:
            state = await _open_room(session, caller, room_id)
            _owned(state, caller, viewer_id)
            member = state.member(member_id)
            target = f"camera:{member.camera_code}" if member.camera_code else f"member:{member.id}"
            why = f"会商 {state.room.title}"
            act = audit.Act(caller.username, "view.room", target, state.room.platform, why=why, grant=member.grant_id)
            await audit.append(session, act, now)
        return await self._media.subscribe(room_id, viewer_id, member_id, offer)

    async def stop_publishing(self, caller: Caller, room_id: str, member_id: str) -> None:
        await self._own(caller, room_id, member_id)
        await self._media.stop_publishing(room_id, member_id)

    async def stop_subscription(self, caller: Caller, room_id: str, viewer_id: str, member_id: str) -> None:
        await self._own(caller, room_id, viewer_id)
        await self._media.stop_subscription(room_id, viewer_id, member_id)

    async def heartbeat(self, caller: Caller, room_id: str, member_id: str) -> None:
        """The member's browser is still there; one that says nothing for five seconds is gone."""
        await self._own(caller, room_id, member_id)
        self._media.alive(room_id, member_id)

    async def changed(self, told: MemberChanged) -> None:
        """The media side reports a member's state. That one has ``left`` was ordered here, and is known here."""
        if told.reason == "left":
            return
        async with self._db.transaction() as session:
            room = await session.get(RoomRow, told.room_id)
            if room is None:
                return
            state = RoomState(room, await _present(session, room.id))
            member = next((member for member in state.members if member.id == told.member_id), None)
            if member is None:
                return
            member.state, member.reason = told.state, told.reason or None
            if told.state == "gone":
                member.left_at = self._clock()
        self._told(RoomState(room, tuple(m for m in state.members if m.left_at is None)))

    async def restore(self) -> None:
        """Open every open room again on a media side that knows none of them."""
        async with self._db.reading() as session:
            rooms = list(await session.scalars(select(RoomRow).where(RoomRow.state == "open")))
            states = [RoomState(room, await _present(session, room.id)) for room in rooms]
        for state in states:
            try:
                await self._media.open(state.room.id)
            except Refusal as refusal:
                log.error("room_not_restored", room=state.room.id, reason=refusal.reason)
                continue
            for member in state.members:
                await self._bring_back(member)

    async def read_anew(self, codes: Collection[str]) -> None:
        """The streams of these cameras have begun anew: the rooms they are in read them where they are now."""
        query = select(RoomMemberRow).where(RoomMemberRow.camera_code.in_(codes), RoomMemberRow.left_at.is_(None))
        async with self._db.reading() as session:
            members = list(await session.scalars(query)) if codes else []
        for member in members:
            await self._bring_back(member)

    async def _bring_back(self, member: RoomMemberRow) -> None:
        """A camera whose worker is away comes back with it (``read_anew``)."""
        try:
            if member.camera_code is not None:
                until = (self._clock() + LOAN).timestamp()
                await self._media.add_camera(member.room_id, member.id, member.camera_code, until)
            else:
                await self._media.add_person(member.room_id, member.id)
        except Refusal as refusal:
            log.warning("member_not_brought_back", room=member.room_id, member=member.id, reason=refusal.reason)

    async def _quietly_close(self, room_id: str) -> None:
        try:
            await self._media.close(room_id)
        except Refusal as refusal:  # a media side that is away is told nothing of this room when it is back
            log.warning("room_not_closed", room=room_id, reason=refusal.reason)

    async def _quietly_remove(self, room_id: str, member_id: str) -> None:
        try:
            await self._media.remove(room_id, member_id)
        except Refusal as refusal:
            log.warning("member_not_removed", room=room_id, member=member_id, reason=refusal.reason)

    async def _own(self, caller: Caller, room_id: str, member_id: str) -> None:
        async with self._db.reading() as session:
            _owned(await _open_room(session, caller, room_id), caller, member_id)

    def _told(self, state: RoomState) -> RoomState:
        self._live.publish(Notice("room.changed", state.room.platform, state.shown()))
        return state

    def _act(self, caller: Caller, what: str, state: RoomState, member: RoomMemberRow) -> audit.Act:
        named = f"{member.kind} {member.camera_code or member.username}"
        return audit.Act(caller.username, what, f"room:{state.room.id}", state.room.platform, named, member.grant_id)


async def _present(session: AsyncSession, room_id: str) -> tuple[RoomMemberRow, ...]:
    query = select(RoomMemberRow).where(RoomMemberRow.room_id == room_id, RoomMemberRow.left_at.is_(None))
    return tuple(await session.scalars(query.order_by(RoomMemberRow.joined_at, RoomMemberRow.id)))


async def _seen_event(session: AsyncSession, caller: Caller, event_no: str) -> None:
    query = select(EventRow.id).where(EventRow.no == event_no, caller.visible(EventRow.platform))
    if await session.scalar(query) is None:
        raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="event_no")


async def _found(session: AsyncSession, caller: Caller, room_id: str) -> RoomState:
    room = await session.get(RoomRow, room_id)
    if room is None or not caller.sees(room.platform):
        raise Refusal("not_found", "room_unknown", "没有这个会议室。", "There is no such room.")
    return RoomState(room, await _present(session, room.id))


async def _open_room(session: AsyncSession, caller: Caller, room_id: str) -> RoomState:
    state = await _found(session, caller, room_id)
    if state.room.state != "open":
        raise Refusal("conflict", "room_ended", "会议室已结束。", "The room has ended.")
    return state


def _with_place(state: RoomState) -> RoomState:
    if len(state.members) >= MOST_MEMBERS:
        raise Refusal(
            "too_many",
            "room_full",
            f"会议室成员已满（{MOST_MEMBERS}）。",
            f"The room is full ({MOST_MEMBERS} members).",
        )
    return state


def _without(code: str, state: RoomState) -> RoomState:
    """The state, if the camera is not in the room yet."""
    if any(present.camera_code == code for present in state.members):
        raise Refusal(
            "conflict", "camera_in_room", "该摄像机已在会议室中。", "The camera is in the room already.",
            field="camera_code",
        )  # fmt: skip
    return state


def _owned(state: RoomState, caller: Caller, member_id: str) -> None:
    member = state.member(member_id)
    if member.username != caller.username:
        raise Refusal("forbidden", "member_not_yours", "该成员不属于您。", "That member is not yours.", field="member")


def _text(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))
