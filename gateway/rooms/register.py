"""The register of rooms: who is in which room, kept in the database, with the media side told of every change.

``member_media`` says what members may send and watch, ``media_reports`` takes in what the media side tells by itself,
and ``restoring`` tells it everything anew when it has been restarted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog
from msgspec.structs import replace
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit, sessions
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.clock import Clock
from gateway.events.modes_in_force import modes_in_force
from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation, Invitee, SeatKind, joined
from gateway.rooms.engine import LOAN, MediaEngine
from gateway.rooms.records import Change, Records, RoomState, found, open_room, present
from gateway.rooms.seating import seat_of, seated, unseated, with_place
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomMemberRow, RoomRow

log = structlog.get_logger(__name__)

MOST_OPEN_ROOMS = 50
FIRST_NUMBER, LAST_NUMBER = 100_000, 999_999
SYSTEM = audit.SYSTEM

Origin = Literal["hand", "event", "schedule"]


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to be made. ``starts_at`` in the future: it is scheduled. ``minutes`` None: until it is ended."""

    title: str
    event_no: str | None = None
    starts_at: datetime | None = None
    minutes: float | None = None
    invited: Sequence[Invitee] = field(default=())


@asynccontextmanager
async def undone(undo: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """What the media side was asked for is taken back when the rest fails: nobody would know of it any more."""
    try:
        yield
    except BaseException:
        await asyncio.shield(undo())
        raise


class RoomRegister:
    """Every coming and going goes through here: rules first, then media, then the database, then the live stream."""

    def __init__(self, db: Database, media: MediaEngine, live: LiveHub, clock: Clock) -> None:
        self._db = db
        self._media = media
        self._clock = clock
        self.records = Records(db, media, live, clock)

    async def create(self, caller: Caller, asked: NewRoom) -> RoomState:
        """Open a room, or schedule it. Refuses an event that the caller does not see (``event_unknown``), when too many
        rooms are open (``rooms_too_many``) or the media side is away."""
        now = self._clock()
        async with self._db.reading() as session:
            modes = await modes_in_force(session, now)
            drill = modes.at(caller.platform).drill
            if asked.event_no is not None:
                drill = await _seen_event(session, caller, asked.event_no)
            await _room_for_one_more(session)
            number = await _free_number(session)
        later = asked.starts_at is not None and asked.starts_at > now
        begins = asked.starts_at if later and asked.starts_at is not None else now
        ends_at = begins.timestamp() + asked.minutes * 60 if asked.minutes is not None else None
        origin: Origin = "schedule" if later else "event" if asked.event_no is not None else "hand"
        room = RoomRow(
            id=new_id(), platform=caller.platform, title=asked.title, number=number, event_no=asked.event_no,
            state="scheduled" if later else "open", origin=origin, created_by=caller.username, created_at=now,
            starts_at=asked.starts_at, ended_at=None, drill=drill,
            consultation=Consultation(invited=tuple(asked.invited), ends_at=ends_at).shown(),
        )  # fmt: skip
        if not later:
            await self._media.open(room.id, room.title)
        async with undone(lambda: self._quietly_close(room.id)), self._db.transaction() as session:
            session.add(room)
            await session.flush()
            change = Change(session, room, (), Consultation(), now)
            change.note("opened" if not later else "scheduled", caller.username, {"title": room.title})
            session.add_all(change.entries)
            await session.flush()
            act = audit.Act(caller.username, "room.create", f"room:{room.id}", room.platform, why=asked.title)
            await audit.append(session, act, now)
        return self.records.tell(RoomState(room, ()))

    @asynccontextmanager
    async def opening(self, room_id: str, title: str) -> AsyncIterator[str]:
        """The media of a room whose row the block writes; gives the number that terminals dial. Taken back when the
        block fails. Refuses ``rooms_too_many``, or when the media side is away."""
        async with self._db.reading() as session:
            await _room_for_one_more(session)
            number = await _free_number(session)
        await self._media.open(room_id, title)
        async with undone(lambda: self._quietly_close(room_id)):
            yield number

    async def begin(self, room_id: str) -> None:
        """The time of a scheduled room has come."""
        async with self._db.reading() as session:
            title = await session.scalar(select(RoomRow.title).where(RoomRow.id == room_id))
        await self._media.open(room_id, title or "")
        async with undone(lambda: self._quietly_close(room_id)), self._db.transaction() as session:
            room = await session.get(RoomRow, room_id, with_for_update=True)
            if room is None or room.state != "scheduled":
                return
            room.state = "open"
            change = Change(session, room, (), Consultation(), self._clock())
            change.note("opened", SYSTEM, {"title": room.title})
            session.add_all(change.entries)
        self.records.tell(RoomState(room, ()))

    async def listed(self, caller: Caller, *, state: str | None, event_no: str | None = None) -> list[RoomState]:
        """The rooms in the caller's scope, newest first, at most 200."""
        conditions = [caller.visible(RoomRow.platform)]
        if caller.room is not None:
            conditions.append(RoomRow.id == caller.room)
        if state is not None:
            conditions.append(RoomRow.state == state)
        if event_no is not None:
            conditions.append(RoomRow.event_no == event_no)
        async with self._db.reading() as session:
            rooms = list(
                await session.scalars(select(RoomRow).where(*conditions).order_by(RoomRow.created_at.desc()).limit(200))
            )
            return [RoomState(room, await present(session, room.id)) for room in rooms]

    async def get(self, caller: Caller, room_id: str) -> RoomState:
        async with self._db.reading() as session:
            return await found(session, caller, room_id)

    async def join(self, caller: Caller, room_id: str) -> tuple[RoomState, RoomMemberRow]:
        """A new member for the caller's browser; each browser that joins is one. With a lobby, whoever is neither
        invited nor of the chair waits there; a locked room lets in the chair alone."""
        member = self._row(room_id, "person", caller.display_name, username=caller.username)
        chair = caller.may("rooms.control")
        async with self._db.reading() as session:
            state = with_place(await open_room(session, caller, room_id))
            joined(state.consultation, seat_of(member, chair), may_enter=_may_enter(state, caller))
        await self._media.add_person(room_id, member.id)
        async with (
            undone(lambda: self._quietly_remove(room_id, member.id)),
            self.records.changing(caller, room_id) as change,
        ):
            seated(change, member, chair=chair, may_enter=_may_enter(change.state, caller))
            change.act = self._act(caller, "room.join", change.state, member)
        return change.state, member

    async def join_terminal(
        self, number: str, name: str, address: str, *, known: bool
    ) -> tuple[RoomState, RoomMemberRow, bool]:
        """A terminal dialled ``number``. Who is not known waits in the lobby; the answer says whether it may enter."""
        async with self._db.reading() as session:
            room_id = await session.scalar(select(RoomRow.id).where(RoomRow.number == number, RoomRow.state == "open"))
        if room_id is None:
            raise Refusal("not_found", "room_unknown", "没有这个会议室。", "There is no such room.")
        member = self._row(room_id, "terminal", name, address=address)
        async with self.records.changing(None, room_id) as change:
            seated(change, member, chair=False, may_enter=known and not change.consultation.locked)
            change.act = audit.Act(
                SYSTEM, "room.join", f"room:{room_id}", change.room.platform, f"terminal {address}"[:200]
            )
        return change.state, member, change.consultation.seats[member.id].place == "room"

    async def join_rung(self, room_id: str, ring_id: str) -> tuple[RoomState, RoomMemberRow]:
        """A terminal that the room rang has answered. Refuses ``ring_unknown`` where it was given up meanwhile."""
        async with self.records.changing(None, room_id) as change:
            ring = next((one for one in change.consultation.rings if one.id == ring_id), None)
            if ring is None:
                raise Refusal("not_found", "ring_unknown", "该呼叫已取消。", "That ring was given up.")
            member = self._row(room_id, "terminal", ring.name, address=ring.address)
            rings = tuple(one for one in change.consultation.rings if one.id != ring_id)
            change.consultation = replace(change.consultation, rings=rings)
            seated(change, member, chair=False, may_enter=True)
            change.act = audit.Act(
                SYSTEM, "room.join", f"room:{room_id}", change.room.platform, f"rung {ring.address}"[:200]
            )
        return change.state, member

    async def add_camera(
        self, caller: Caller, room_id: str, code: str, name: str, platform: str, grant: str | None
    ) -> tuple[RoomState, RoomMemberRow]:
        """Bring a camera into the room, under the caller's viewing grant."""
        now = self._clock()
        async with self._db.transaction() as session:
            state = _without(code, with_place(await open_room(session, caller, room_id)))
            grant_id = await view(
                session, caller, grant, Viewed("live", f"camera:{code}", code, platform, state.room.event_no), now
            )
        member = self._row(room_id, "camera", name, camera_code=code, grant_id=grant_id)
        await self._media.add_camera(room_id, member.id, code, (now + LOAN).timestamp())
        async with (
            undone(lambda: self._quietly_remove(room_id, member.id)),
            self.records.changing(caller, room_id) as change,
        ):
            _without(code, change.state)
            seated(change, member, chair=False, may_enter=True)
            change.act = self._act(caller, "room.add_camera", change.state, member)
        return change.state, member

    async def remove(self, caller: Caller, room_id: str, member_id: str) -> RoomState:
        """Leave the room, or (with the permission to control it) take another member out."""
        async with self.records.changing(caller, room_id) as change:
            member = change.state.member(member_id)
            if member.username != caller.username and not caller.may("rooms.control"):
                raise Refusal(
                    "forbidden", "member_not_yours", "您无权移出其他成员。", "You may not remove other members."
                )
            own = member.username == caller.username
            unseated(change, member, "left", caller.username if not own else None)
            change.act = self._act(caller, "room.remove", change.state, member)
        await self._quietly_remove(room_id, member_id)
        return change.state

    async def end(self, caller: Caller | None, room_id: str, *, reason: str = "room_ended") -> RoomState:
        """End the room for all; guests' sessions end with it. ``caller`` None: its time is over."""
        who = caller.username if caller is not None else SYSTEM
        async with self.records.changing(caller, room_id) as change:
            change.room.state, change.room.ended_at = "ended", change.now
            for member in change.members:
                member.state, member.left_at, member.reason = "gone", change.now, reason
            change.members = ()
            change.consultation = replace(
                change.consultation,
                seats={},
                recording=None,
                roll_call=None,
                patrol=None,
                broadcast=None,
                pushed=(),
                rings=(),
            )
            change.note("ended", who, {"reason": reason})
            await sessions.end_guests(change.session, room_id, change.now)
            change.act = audit.Act(who, "room.end", f"room:{room_id}", change.room.platform, why=change.room.title)
        await self._quietly_close(room_id)
        return change.state

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

    def _row(
        self, room_id: str, kind: SeatKind, name: str, *, username: str | None = None, camera_code: str | None = None,
        address: str | None = None, grant_id: str | None = None,
    ) -> RoomMemberRow:  # fmt: skip
        return RoomMemberRow(
            id=new_id(), room_id=room_id, kind=kind, name=name, username=username, camera_code=camera_code,
            address=address, state="joined", reason=None, joined_at=self._clock(), left_at=None, platform="",
            grant_id=grant_id,
        )  # fmt: skip

    def _act(self, caller: Caller, what: str, state: RoomState, member: RoomMemberRow) -> audit.Act:
        named = f"{member.kind} {member.camera_code or member.username}"
        return audit.Act(caller.username, what, f"room:{state.room.id}", state.room.platform, named, member.grant_id)


def _may_enter(state: RoomState, caller: Caller) -> bool:
    return (
        caller.may("rooms.control")
        or caller.room == state.room.id
        or caller.username == state.room.created_by
        or any(invitee.username == caller.username for invitee in state.consultation.invited)
    )


async def _room_for_one_more(session: AsyncSession) -> None:
    query = select(func.count()).select_from(RoomRow).where(RoomRow.state == "open")
    if (await session.execute(query)).scalar_one() >= MOST_OPEN_ROOMS:
        raise Refusal(
            "too_many",
            "rooms_too_many",
            f"同时开启的会议室不能超过 {MOST_OPEN_ROOMS} 个。",
            f"No more than {MOST_OPEN_ROOMS} rooms can be open at once.",
        )


async def _free_number(session: AsyncSession) -> str:
    """What a terminal dials: random, so that rooms are not found by counting. The table keeps it unique."""
    while True:
        number = str(FIRST_NUMBER + secrets.randbelow(LAST_NUMBER - FIRST_NUMBER + 1))
        if await session.scalar(select(RoomRow.id).where(RoomRow.number == number)) is None:
            return number


async def _seen_event(session: AsyncSession, caller: Caller, event_no: str) -> bool:
    """Whether the event arose in a drill."""
    query = select(EventRow.drill).where(EventRow.no == event_no, caller.visible(EventRow.platform))
    drill = await session.scalar(query)
    if drill is None:
        raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="event_no")
    return drill


def _without(code: str, state: RoomState) -> RoomState:
    """The state, if the camera is not in the room yet."""
    if any(one.camera_code == code for one in state.members):
        raise Refusal(
            "conflict", "camera_in_room", "该摄像机已在会议室中。", "The camera is in the room already.",
            field="camera_code",
        )  # fmt: skip
    return state
