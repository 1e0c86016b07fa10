"""A media side that has been restarted, or whose cameras' streams have begun anew, is told all that it must know."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.rooms import register as register_module
from gateway.rooms.consultation import Ring
from gateway.rooms.engine import LOAN
from gateway.rooms.media_reports import MediaReports
from gateway.rooms.register import NewRoom, RoomRegister
from gateway.rooms.restoring import Restoring
from gateway.storage.database import Database
from gateway.storage.tables.rooms import RoomRow

from .register_parts import CAMERA, NOW, OFFICER, Media

BROKEN, ELSEWHERE = "99000000001310000002", "99000000001310000003"


@pytest.fixture
def media() -> Media:
    return Media()


@pytest.fixture
def register(sqlite_database: Database, media: Media) -> RoomRegister:
    return RoomRegister(sqlite_database, media, LiveHub(), lambda: NOW)


@pytest.fixture
def restoring(register: RoomRegister) -> Restoring:
    return Restoring(register.records, MediaReports(register.records))


async def test_rooms_are_open_again_with_their_people_and_without_calls_that_went_with_the_engine(
    register: RoomRegister, restoring: Restoring, media: Media
) -> None:
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    _, person = await register.join(OFFICER, room.id)
    await register.join_terminal(room.number, "分会场", "sip:1001@192.0.2.7", known=True)
    async with register.records.changing(None, room.id) as change:
        ring = Ring("ring", "二分会场", "sip:1002@192.0.2.8", "li", NOW.timestamp())
        change.consultation = replace(change.consultation, rings=(ring,))
    media.rooms.clear()
    media.members.clear()
    await restoring.restore()
    assert (media.rooms, media.members) == ({room.id}, {person.id})
    state = await register.get(OFFICER, room.id)
    assert [member.id for member in state.members] == [person.id]
    assert [(one.state, one.reason) for one in state.consultation.rings] == [("failed", "call_lost")]


async def test_a_room_that_has_ended_stays_shut(register: RoomRegister, restoring: Restoring, media: Media) -> None:
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    await register.end(OFFICER, room.id)
    await restoring.restore()
    assert media.rooms == set()


async def test_streams_that_began_anew_are_read_by_the_rooms_that_they_are_in_and_no_others(
    register: RoomRegister, restoring: Restoring, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def granted(*_asked: object) -> str:
        return "grant"

    read: list[tuple[str, float]] = []

    async def add_camera(room_id: str, member_id: str, code: str, until: float) -> None:
        read.append((code, until))
        if code == BROKEN:
            raise Refusal("unavailable", "worker_away", "摄像机进程不在。", "The camera's worker is away.")

    monkeypatch.setattr(register_module, "view", granted)
    room = (await register.create(OFFICER, NewRoom("会商"))).room
    for code in (CAMERA, BROKEN, ELSEWHERE):
        await register.add_camera(OFFICER, room.id, code, code, "hub", None)
    monkeypatch.setattr(media, "add_camera", add_camera)
    await restoring.read_anew([BROKEN, CAMERA])
    until = (NOW + LOAN).timestamp()
    assert sorted(read) == [(CAMERA, until), (BROKEN, until)]
    await restoring.read_anew([])
    assert len(read) == 2


async def test_a_room_that_cannot_be_read_keeps_no_other_from_being_open_again(
    register: RoomRegister, restoring: Restoring, media: Media, sqlite_database: Database
) -> None:
    """Those behind it stayed shut, and those before it were opened again each second."""
    rooms = [(await register.create(OFFICER, NewRoom("会商"))).room.id for _ in range(3)]
    async with sqlite_database.transaction() as session:
        broken = update(RoomRow).where(RoomRow.id == rooms[0]).values(consultation={"seats": "of another version"})
        await session.execute(broken)
    media.rooms.clear()
    await restoring.restore()
    assert set(rooms[1:]) <= media.rooms


async def test_a_member_that_the_media_side_goes_wrong_over_keeps_no_other_out(
    register: RoomRegister, restoring: Restoring, media: Media, monkeypatch: pytest.MonkeyPatch
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
    await restoring.restore()
    assert media.members == {second}
