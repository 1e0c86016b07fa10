"""What the database does not take leaves nothing behind on the media side: no room, no member, no stream being read."""

from __future__ import annotations

import asyncio

import pytest

from gateway.access import audit
from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.rooms import register as under_test
from gateway.rooms.register import NewRoom, RoomRegister
from gateway.storage.database import Database

from .register_parts import CAMERA, NOW, OFFICER, Media


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
