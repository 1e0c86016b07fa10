"""A consultation over the doors: opened from an event, steered by its chair, joined by link, in the minutes after."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import av.error
import httpx
import pytest
from sqlalchemy import select

from gateway.api.services import Services
from gateway.api.stream import shows
from gateway.live import Notice
from gateway.processes.messages import Answer
from gateway.refusals import Refusal
from gateway.rooms import recordings as recordings_module
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.desk import RoomDesk
from gateway.rooms.recorder import Recorder
from gateway.rooms.recording_file import RecordedFile, left_behind, recorded_in
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.access import User, UserSession

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
JPEG = b"\xff\xd8\xff\xe0 picture"


class Engine:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.arranged: dict[str, Arrangement] = {}
        self.removed: list[str] = []
        self.rung: list[tuple[str, str]] = []
        self.beats: list[str] = []

    async def open(self, room_id: str, title: str) -> None: ...
    async def close(self, room_id: str) -> None: ...
    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None: ...
    async def add_person(self, room_id: str, member_id: str) -> None: ...
    async def remove(self, room_id: str, member_id: str) -> None:
        self.removed.append(member_id)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return "v=0"

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        return Answer("v=0", "sub_stream;width=640;height=360")

    async def stop_publishing(self, room_id: str, member_id: str) -> None: ...
    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None: ...
    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        self.rung.append((username, address))
        if not username and "10.0.0.99" in address:
            raise Refusal("unavailable", "unreachable", "终端无法连接", "the terminal cannot be reached")

    async def stop_ringing(self, room_id: str, ring_id: str) -> None: ...
    def alive(self, room_id: str, member_id: str) -> None:
        self.beats.append(member_id)

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        self.arranged[room_id] = arrangement


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def services(services: Services, sqlite_database: Database, engine: Engine, tmp_path: Path) -> Services:
    recordings = tmp_path / "room-recordings"
    files = EvidenceFiles(tmp_path / "evidence", (recordings,))
    desk = RoomDesk.over(sqlite_database, engine, services.live, services.clock, files, services.vault, recordings)
    return replace(services, rooms=desk)


async def opened(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/rooms", json={"title": "火情会商", **asked})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def joined(client: httpx.AsyncClient, room: str) -> str:
    answer = await client.post(f"/api/v1/rooms/{room}/members", json={"kind": "person"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def control(client: httpx.AsyncClient, room: str, name: str, **asked: Any) -> httpx.Response:
    return await client.post(f"/api/v1/rooms/{room}/controls/{name}", json=asked)


async def test_a_control_is_a_rule_of_the_server_and_reaches_the_media(client_as: ClientAs, engine: Engine) -> None:
    chair, town = await client_as("commander"), await client_as("department")
    room = (await opened(chair))["id"]
    await joined(chair, room)
    member = await joined(town, room)
    refused = await control(town, room, "mute", member=member)
    assert (refused.status_code, refused.json()["reason"]) == (403, "control_above_role")
    assert engine.arranged[room].sends_sound(member)
    answer = await control(chair, room, "mute", member=member)
    assert answer.json()["consultation"]["seats"][member]["muted"] is True
    assert not engine.arranged[room].sends_sound(member)
    assert (await control(town, room, "ask_to_speak", member=member)).status_code == 200
    assert (await control(chair, room, "remove", member=member)).status_code == 200
    assert engine.removed == [member]
    assert (await control(town, room, "end")).status_code == 403
    assert (await control(chair, room, "end")).json()["state"] == "ended"
    assert (await control(chair, room, "lock")).json()["reason"] == "room_ended"


async def test_who_waits_in_the_lobby_gets_no_media_until_let_in(client_as: ClientAs, engine: Engine) -> None:
    chair, town = await client_as("duty_leader"), await client_as("department")
    room = (await opened(chair))["id"]
    host = await joined(chair, room)
    await control(chair, room, "lobby_on")
    member = await joined(town, room)
    sdp = {"content": b"v=0", "headers": {"Content-Type": "application/sdp"}}
    for path in (f"whip/rooms/{room}?member={member}", f"whep/rooms/{room}/{host}?viewer={member}"):
        assert (await town.post(f"/api/v1/{path}", **sdp)).json()["reason"] == "waiting_in_lobby"  # type: ignore[arg-type]
    assert member in engine.arranged[room].outside
    await control(chair, room, "admit", member=member)
    assert (await town.post(f"/api/v1/whip/rooms/{room}?member={member}", **sdp)).status_code == 201  # type: ignore[arg-type]
    watched = await town.post(f"/api/v1/whep/rooms/{room}/{host}?viewer={member}", **sdp)  # type: ignore[arg-type]
    assert (watched.status_code, watched.headers["x-stream-note"]) == (201, "sub_stream;width=640;height=360")
    await control(chair, room, "lock")
    other = await client_as("grid_member")
    refused = await other.post(f"/api/v1/rooms/{room}/members", json={"kind": "person"})
    assert refused.json()["reason"] == "room_locked"


async def test_a_heartbeat_is_its_members_own_and_one_who_has_gone_is_told_so(
    client_as: ClientAs, engine: Engine
) -> None:
    chair, town = await client_as("duty_leader"), await client_as("department")
    room = (await opened(chair))["id"]
    member, own = await joined(town, room), await joined(chair, room)

    async def beat(client: httpx.AsyncClient, member: str) -> tuple[int, str]:
        answer = await client.post(f"/api/v1/rooms/{room}/members/{member}/heartbeat")
        return answer.status_code, answer.json()["reason"] if answer.is_error else ""

    assert await beat(town, member) == (204, "")
    assert await beat(town, own) == (403, "member_not_yours")
    await control(chair, room, "remove", member=member)
    assert await beat(town, member) == (404, "member_unknown")
    assert await beat(chair, own) == (204, "")
    await control(chair, room, "end")
    assert await beat(chair, own) == (409, "room_ended")
    assert engine.beats == [member, own]


async def test_who_writes_a_plan_is_shown_and_who_may_approve_it_does(client_as: ClientAs) -> None:
    admin, leader = await client_as("system_admin"), await client_as("duty_leader")
    plan = {"class_code": "90-01", "grid": "*", "invitees": [{"name": "消防站", "address": "sip:1001@192.0.2.7"}]}
    plan_id = (await admin.put("/api/v1/room-plans", json=plan)).json()["id"]

    async def kept() -> tuple[str, str | None]:
        (one,) = (await leader.get("/api/v1/room-plans")).json()
        return one["author"], one["approved_by"]

    author = (await kept())[0]
    assert (await kept())[1] is None
    assert (await admin.post(f"/api/v1/room-plans/{plan_id}/approval")).status_code == 403
    assert (await leader.post(f"/api/v1/room-plans/{plan_id}/approval")).status_code == 204
    assert (await kept())[1] not in (None, author)
    await admin.put("/api/v1/room-plans", json=plan)
    assert (await kept())[1] is None, "what was changed is to be approved anew"
    assert (await leader.post("/api/v1/room-plans/none/approval")).json()["reason"] == "plan_unknown"


async def test_a_link_opens_one_room_once_and_its_guest_knows_nothing_else(
    client_as: ClientAs, anonymous: httpx.AsyncClient, services: Services
) -> None:
    chair = await client_as("commander")
    room, elsewhere = (await opened(chair))["id"], (await opened(chair))["id"]
    link = (await chair.post(f"/api/v1/rooms/{room}/links", json={"name": "网格员 甲", "minutes": 5})).json()
    opening = {"token": link["token"], "kind": "bearer"}
    guest = (await anonymous.post("/api/v1/session/guest", json=opening)).json()
    assert guest["room_id"] == room
    again = await anonymous.post("/api/v1/session/guest", json=opening)
    assert (again.status_code, again.json()["reason"]) == (401, "link_ended")
    anonymous.headers["Authorization"] = f"Bearer {guest['token']}"
    await joined(anonymous, room)
    assert [one["id"] for one in (await anonymous.get("/api/v1/rooms")).json()["items"]] == [room]
    assert (await anonymous.get(f"/api/v1/rooms/{elsewhere}")).status_code == 404
    assert (await anonymous.post(f"/api/v1/rooms/{elsewhere}/members", json={"kind": "person"})).status_code == 404
    for path in ("alerts", "cameras", "events", "statistics/summary"):
        assert (await anonymous.get(f"/api/v1/{path}")).status_code in (403, 404), path
    async with services.db.reading() as session:
        row = (await session.scalars(select(UserSession).where(UserSession.room_id == room))).one()
        username = await session.scalar(select(User.username).where(User.id == row.user_id))
    assert username is not None
    assert username.startswith("guest-")
    await control(chair, room, "end")
    assert (await anonymous.get("/api/v1/rooms")).status_code == 401, "the guest's session ended with the room"


async def test_a_link_lapses_and_can_be_taken_back(
    client_as: ClientAs, anonymous: httpx.AsyncClient, clock: Any
) -> None:
    chair = await client_as("commander")
    room = (await opened(chair))["id"]
    late, taken = [
        (await chair.post(f"/api/v1/rooms/{room}/links", json={"name": "某人", "minutes": minutes})).json()
        for minutes in (5, 60)
    ]
    clock.advance(minutes=6)
    await chair.delete(f"/api/v1/rooms/{room}/links/{taken['id']}")
    for link in (late, taken, {"token": "x" * 43}):
        answer = await anonymous.post("/api/v1/session/guest", json={"token": link["token"]})
        assert (answer.status_code, answer.json()["reason"]) == (401, "link_ended")


async def test_a_guest_hears_of_its_own_room_only(client_as: ClientAs, anonymous: httpx.AsyncClient) -> None:
    from gateway.access.caller import Caller

    guest = Caller(
        "u",
        "guest-1",
        "甲",
        frozenset({"room_guest"}),
        "hub",
        None,
        "s",
        "bearer",
        None,
        room="r1",  # type: ignore[arg-type]
    )
    assert shows(guest, Notice("room.changed", "hub", {}, room="r1"))
    assert not shows(guest, Notice("room.changed", "hub", {}, room="r2"))
    assert not shows(guest, Notice("event.opened", "hub", {}))


async def test_an_order_is_signed_for_and_fed_back_by_its_addressee_alone(client_as: ClientAs) -> None:
    chair, town, other = await client_as("commander"), await client_as("department"), await client_as("department")
    room = (await opened(chair))["id"]
    me = (await town.get("/api/v1/session")).json()["user"]["username"]
    wrong = await chair.post(f"/api/v1/rooms/{room}/orders", json={"text": "到场", "addressees": ["nobody"]})
    assert wrong.json()["reason"] == "addressee_unknown"
    issued = await chair.post(f"/api/v1/rooms/{room}/orders", json={"text": "十分钟内到场", "addressees": [me]})
    order = issued.json()[0]["id"]
    assert (await other.post(f"/api/v1/orders/{order}/sign")).json()["reason"] == "order_not_yours"
    early = await town.post(f"/api/v1/orders/{order}/feedback", json={"text": "已到"})
    assert early.json()["reason"] == "order_state_wrong"
    assert (await town.post(f"/api/v1/orders/{order}/sign")).json()["state"] == "signed"
    await control(chair, room, "end")
    done = await town.post(f"/api/v1/orders/{order}/feedback", json={"text": "已到场处置"})
    assert done.json()["state"] == "fed_back", "an order outlives its room"
    assert (await town.get("/api/v1/orders")).json()[0]["feedback"] == "已到场处置"


async def test_the_minutes_are_made_by_themselves(client_as: ClientAs, clock: Any) -> None:
    chair, town = await client_as("commander"), await client_as("department")
    asked = [{"name": "城管局", "username": "user99"}]
    room = (await opened(chair, invited=asked))["id"]
    host, member = await joined(chair, room), await joined(town, room)
    await control(chair, room, "roll_call")
    await control(chair, room, "roll_call_next", present=True)
    await control(chair, room, "broadcast", member=host)
    assert (await town.post(f"/api/v1/rooms/{room}/words", json={"text": "现场已控制"})).status_code == 201
    frozen = await chair.post(
        f"/api/v1/rooms/{room}/pictures?member={member}", content=JPEG, headers={"Content-Type": "image/jpeg"}
    )
    picture = frozen.json()["id"]
    stroke = {"points": [[0.1, 0.1], [0.5, 0.5]]}
    drawn = await town.post(f"/api/v1/rooms/{room}/pictures/{picture}/strokes", json={"strokes": [stroke]})
    assert len(drawn.json()["strokes"]) == 1
    outside = {"points": [[0.1, 1.1]]}
    answer = await town.post(f"/api/v1/rooms/{room}/pictures/{picture}/strokes", json={"strokes": [outside]})
    assert answer.status_code == 422
    assert (await town.get(f"/api/v1/rooms/{room}/pictures/{picture}.jpg")).content == JPEG
    await control(chair, room, "end")
    minutes = (await chair.get(f"/api/v1/rooms/{room}/minutes")).json()
    assert [one["reason"] for one in minutes["attendance"]] == ["room_ended", "room_ended"]
    assert minutes["absent"] == ["城管局"]
    assert [one["present"] for one in minutes["roll_call"]] == [True]
    assert [one["control"] for one in minutes["pushes"]] == ["broadcast"]
    assert [one["text"] for one in minutes["said"]] == ["现场已控制"]
    assert len(minutes["pictures"]) == 1


async def test_a_scheduled_room_begins_and_one_with_an_end_ends_by_the_clock(
    client_as: ClientAs, services: Services, clock: Any
) -> None:
    chair = await client_as("commander")
    room = await opened(chair, starts_at="2030-01-07T10:00:00Z", minutes=30)
    assert room["state"] == "scheduled"
    assert services.rooms is not None
    refused = await chair.post(f"/api/v1/rooms/{room['id']}/members", json={"kind": "person"})
    assert refused.json()["reason"] == "room_not_begun"
    states = []
    for _ in range(3):
        clock.advance(minutes=31)
        await services.rooms.steering.tick()
        states.append((await chair.get(f"/api/v1/rooms/{room['id']}")).json()["state"])
    assert states == ["scheduled", "open", "ended"]


async def test_words_are_bounded_in_number(client_as: ClientAs) -> None:
    chair = await client_as("commander")
    room = (await opened(chair))["id"]
    answers = [await chair.post(f"/api/v1/rooms/{room}/words", json={"text": "喂"}) for _ in range(25)]
    assert {answer.status_code for answer in answers[:20]} == {201}
    assert answers[-1].json()["reason"] == "said_too_often"


async def test_a_room_rings_terminals_and_shows_how_it_goes(
    client_as: ClientAs, engine: Engine, services: Services
) -> None:
    leader, officer, town = (
        await client_as("duty_leader"),
        await client_as("duty_officer"),
        await client_as("department"),
    )
    known = await leader.post(
        "/api/v1/terminals", json={"username": "9001", "name": "镇街会议室", "password": "Correct-Horse-7"}
    )
    room = (await opened(officer))["id"]
    door = f"/api/v1/rooms/{room}/rings"
    assert (await town.post(door, json={"terminal": known.json()["id"]})).status_code == 403
    wrong = await officer.post(door, json={"address": "sip:9001@example.com"})
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "address_invalid")
    shown = (await officer.post(door, json={"terminal": known.json()["id"]})).json()["consultation"]["rings"]
    assert [(one["name"], one["state"]) for one in shown] == [("镇街会议室", "calling")]
    again = await officer.post(door, json={"address": "sip:9001"})
    assert again.json()["reason"] == "terminal_rung_already"
    assert engine.rung == [("9001", "")]
    failed = (await officer.post(door, json={"address": "sip:1@10.0.0.99", "name": "县局"})).json()
    assert [(one["name"], one["reason"]) for one in failed["consultation"]["rings"]][1:] == [("县局", "unreachable")]

    assert services.rooms is not None
    ring = shown[0]["id"]
    await services.rooms.ringing.told(room, ring, "ringing", "")
    state, member = await services.rooms.ringing.answered(room, ring)
    assert (member.name, state.consultation.seats[member.id].place) == ("镇街会议室", "room"), "who is rung is let in"
    assert [one.name for one in state.consultation.rings] == ["县局"]
    with pytest.raises(Refusal, match="given up"):
        await services.rooms.ringing.answered(room, ring)
    cleared = await officer.delete(f"{door}/{state.consultation.rings[0].id}")
    assert cleared.json()["consultation"]["rings"] == []

    services.rooms.terminals.registered("9001", "sip:9001@10.0.0.9:5060", services.clock().timestamp() + 60)
    listed = (await officer.get("/api/v1/terminals")).json()
    assert [(one["registered"], one["registered_at"]) for one in listed] == [(True, "sip:9001@10.0.0.9:5060")]


async def test_what_a_member_sent_in_vp8_is_played_as_webm_from_the_minutes(
    client_as: ClientAs, services: Services, tmp_path: Path
) -> None:
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    recorder = Recorder(lambda _said: None)
    recorder.arrange(tmp_path / "room-recordings" / room)
    for frame in parts.vp8_film(20):
        recorder.picture("one", "vp8", frame.data, frame.pts, frame.keyframe, 0, 1_800_000_000 + frame.pts / 90_000)
    recorder.arrange(None)
    assert services.rooms is not None
    await services.rooms.recordings.take_over_left()
    (shown,) = (await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]
    assert (shown["container"], shown["member_id"]) == ("webm", "one")
    door = f"/api/v1/rooms/{room}/recordings/{shown['id']}"
    answer = await chair.get(f"{door}.webm", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.headers["content-type"]) == (206, "video/webm")
    assert answer.content == b"\x1a\x45\xdf\xa3"
    assert (await chair.get(f"{door}.mp4")).json()["reason"] == "recording_unknown"
    assert (await chair.get(f"{door}.exe")).status_code == 422


async def test_a_recording_that_cannot_be_read_or_removed_keeps_no_other_back_and_no_room_from_going_on(
    client_as: ClientAs, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rooms are restored after it: where it failed, it was tried again each second, and no room ever came back."""
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    for member in ("broken", "one"):
        recorder = Recorder(lambda _said: None)
        recorder.arrange(tmp_path / "room-recordings" / room)
        for frame in parts.vp8_film(20):
            recorder.picture(
                member, "vp8", frame.data, frame.pts, frame.keyframe, 0, 1_800_000_000 + frame.pts / 90_000
            )
        recorder.arrange(None)
    read, remove = left_behind, Path.unlink
    threads: list[int] = []

    def on_a_bad_disk(path: Path) -> RecordedFile | None:
        threads.append(threading.get_ident())
        if path.name.startswith("broken"):
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    def read_only(path: Path, missing_ok: bool = False) -> None:
        if path.is_relative_to(tmp_path / "room-recordings"):
            raise OSError(errno.EROFS, "Read-only file system")
        remove(path, missing_ok)

    monkeypatch.setattr(recordings_module, "left_behind", on_a_bad_disk)
    monkeypatch.setattr(Path, "unlink", read_only)
    assert services.rooms is not None
    await services.rooms.recordings.take_over_left()
    kept = (await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]
    assert [one["member_id"] for one in kept] == ["one"]
    assert len(threads) == 2
    assert threading.get_ident() not in threads, "control goes on while gigabytes are read"


def recorded(folder: Path, member: str = "one") -> None:
    recorder = Recorder(lambda _said: None)
    recorder.arrange(folder)
    for frame in parts.vp8_film(20):
        recorder.picture(member, "vp8", frame.data, frame.pts, frame.keyframe, 0, 1_800_000_000 + frame.pts / 90_000)
    recorder.arrange(None)


async def test_a_recording_that_cannot_be_removed_is_kept_once_however_often_it_is_taken_over(
    client_as: ClientAs, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was kept once more at each restart, with a file and a line in the minutes of its own."""
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    recorded(tmp_path / "room-recordings" / room)
    remove = Path.unlink

    def read_only(path: Path, missing_ok: bool = False) -> None:
        if path.is_relative_to(tmp_path / "room-recordings"):
            raise OSError(errno.EROFS, "Read-only file system")
        remove(path, missing_ok)

    assert services.rooms is not None
    with monkeypatch.context() as on_a_bad_disk:
        on_a_bad_disk.setattr(Path, "unlink", read_only)
        for _ in range(3):
            await services.rooms.recordings.take_over_left()
    minutes = (await chair.get(f"/api/v1/rooms/{room}/minutes")).json()
    assert len(minutes["recordings"]) == 1
    assert len(list((tmp_path / "evidence").rglob("*.webm"))) == 1
    await services.rooms.recordings.take_over_left()
    assert recorded_in(tmp_path / "room-recordings" / room) == []
    assert len((await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]) == 1


async def test_a_recording_told_twice_at_once_is_kept_once(
    client_as: ClientAs, services: Services, tmp_path: Path
) -> None:
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    recorded(tmp_path / "room-recordings" / room)
    assert services.rooms is not None
    await asyncio.gather(*(services.rooms.recordings.take_over_left() for _ in range(2)))
    assert len((await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]) == 1


@pytest.mark.parametrize("fault", [av.error.OSError(errno.EIO, "Input/output error"), OSError(errno.EMFILE, "Full")])
async def test_a_recording_that_cannot_be_read_for_now_is_not_thrown_away(
    client_as: ClientAs, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    recorded(tmp_path / "room-recordings" / room)

    def broken(*_: object, **__: object) -> None:
        raise fault

    assert services.rooms is not None
    with monkeypatch.context() as bad_disk:
        bad_disk.setattr(av, "open", broken)
        await services.rooms.recordings.take_over_left()
    assert len(recorded_in(tmp_path / "room-recordings" / room)) == 1
    await services.rooms.recordings.take_over_left()
    assert len((await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]) == 1


async def test_a_recording_that_nobody_can_make_sense_of_keeps_no_room_from_going_on(
    client_as: ClientAs, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chair = await client_as("duty_leader")
    room = (await opened(chair))["id"]
    for member in ("broken", "one"):
        recorded(tmp_path / "room-recordings" / room, member)

    def odd(path: Path) -> RecordedFile | None:
        if path.name.startswith("broken"):
            raise TypeError("a time that is none")
        return left_behind(path)

    monkeypatch.setattr(recordings_module, "left_behind", odd)
    assert services.rooms is not None
    await services.rooms.recordings.take_over_left()
    kept = (await chair.get(f"/api/v1/rooms/{room}/minutes")).json()["recordings"]
    assert [one["member_id"] for one in kept] == ["one"]
