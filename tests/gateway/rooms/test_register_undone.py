"""What the database does not take leaves nothing behind on the media side: no room, no member, no stream being read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.live import LiveHub
from gateway.processes.messages import Answer
from gateway.refusals import Refusal
from gateway.rooms import register as under_test
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.register import NewRoom, RoomRegister
from gateway.storage.database import Database
from gateway.storage.tables.rooms import RoomRow

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
CAMERA = "99000000001310000001"
OFFICER = Caller(
    "u", "li", "李", frozenset({"commander"}), "hub", None, "s", "bearer", datetime(2030, 1, 7, 17, tzinfo=UTC)
)


class Media:
    """Remembers which rooms and members there are; waits to be let on where a test wants to come between."""

    def __init__(self) -> None:
        self.rooms: set[str] = set()
        self.members: set[str] = set()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def open(self, room_id: str, title: str) -> None:
        self.rooms.add(room_id)

    async def close(self, room_id: str) -> None:
        self.rooms.discard(room_id)

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        await self.add_person(room_id, member_id)

    async def add_person(self, room_id: str, member_id: str) -> None:
        self.members.add(member_id)
        self.reached.set()
        await self.go_on.wait()

    async def remove(self, room_id: str, member_id: str) -> None:
        self.members.discard(member_id)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return ""

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        return Answer("")

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        """Not of interest here."""

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        """Not of interest here."""

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        """Not of interest here."""

    def alive(self, room_id: str, member_id: str) -> None:
        """Not of interest here."""


@pytest.fixture
def media() -> Media:
    return Media()


@pytest.fixture
def register(sqlite_database: Database, media: Media) -> RoomRegister:
    return RoomRegister(sqlite_database, media, LiveHub(), lambda: NOW)


async def test_a_room_that_could_not_be_kept_is_closed_again(
    register: RoomRegister, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_record: object) -> None:
        raise Refusal("unavailable", "database_busy", "数据库繁忙", "the database is busy")

    monkeypatch.setattr(audit, "append", busy)
    with pytest.raises(Refusal, match="database_busy"):
        await register.create(OFFICER, NewRoom("会商"))
    assert media.rooms == set()


async def test_who_joins_a_room_that_ends_meanwhile_is_taken_out_again(register: RoomRegister, media: Media) -> None:
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    media.go_on.clear()
    joining = asyncio.create_task(register.join(OFFICER, room.id))
    await media.reached.wait()
    await register.end(OFFICER, room.id)
    media.go_on.set()
    with pytest.raises(Refusal, match="room_ended"):
        await joining
    assert media.members == set()


async def test_of_two_who_bring_in_the_same_camera_at_once_one_does(
    register: RoomRegister, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def granted(*_asked: object) -> str:
        return "grant"

    monkeypatch.setattr(under_test, "view", granted)
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    media.go_on.clear()
    adding = [
        asyncio.create_task(register.add_camera(OFFICER, room.id, CAMERA, "东市口", "hub", None)) for _ in range(2)
    ]
    while len(media.members) < len(adding):
        await asyncio.sleep(0.01)
    media.go_on.set()
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Refusal", "tuple"]
    present = (await register.get(OFFICER, room.id)).members
    assert {member.id for member in present} == media.members
    assert len(present) == 1


async def test_a_member_has_joined_from_the_first(register: RoomRegister) -> None:
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    _state, member = await register.join(OFFICER, room.id)
    assert member.state == "joined"


async def test_a_room_on_an_event_that_is_not_there_is_refused(register: RoomRegister, media: Media) -> None:
    with pytest.raises(Refusal, match="event_unknown"):
        await register.create(OFFICER, NewRoom("会商", "E-of-nobody"))
    assert media.rooms == set()


async def test_a_room_that_cannot_be_read_keeps_no_other_from_being_open_again(
    register: RoomRegister, media: Media, sqlite_database: Database
) -> None:
    """Those behind it stayed shut, and those before it were opened again each second."""
    rooms = [(await register.create(OFFICER, NewRoom("会商"))).room.id for _ in range(3)]
    async with sqlite_database.transaction() as session:
        broken = update(RoomRow).where(RoomRow.id == rooms[0]).values(consultation={"seats": "of another version"})
        await session.execute(broken)
    media.rooms.clear()
    await register.restore()
    assert set(rooms[1:]) <= media.rooms


async def test_a_member_that_the_media_side_goes_wrong_over_keeps_no_other_out(
    register: RoomRegister, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    first, second = [(await register.join(OFFICER, room.id))[1].id for _ in range(2)]
    add = media.add_person

    async def fails_for_one(room_id: str, member_id: str) -> None:
        if member_id == first:
            raise KeyError("a bug")
        await add(room_id, member_id)

    media.members.clear()
    monkeypatch.setattr(media, "add_person", fails_for_one)
    await register.restore()
    assert media.members == {second}
