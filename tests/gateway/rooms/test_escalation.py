"""An escalated event's room opens by itself where its plan says so: once, after a crash too, and never in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.announcing import Announcer
from gateway.events.books import CityBooks
from gateway.events.event_desk import EventDesk, Report, StepAsked
from gateway.events.mode import SwitchAsked
from gateway.events.mode_switches import ModeSwitches
from gateway.events.opening import Opening
from gateway.events.shown import EventShown, shown_event
from gateway.grid.platforms import ensure_hub
from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.rooms import escalation
from gateway.rooms.consultation import Invitee
from gateway.rooms.desk import RoomDesk
from gateway.rooms.escalation import Escalations
from gateway.rooms.plans import KeptPlan, Plan, chosen
from gateway.rooms.standing_orders import CarriedOut, StandingOrders
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.access import AuditRow, User, ViewingGrant
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.rooms import RoomEntryRow, RoomOpeningRow, RoomRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

CHIEF, MAYOR = Invitee("消防大队", "brigade"), Invitee("指挥长", "chief")
STATION = Invitee("消防站终端", None, "sip:1001@192.0.2.7")
NAMED, NEAR, FAR = "33990000001320000001", "33990000001320000002", "33990000001320000003"


class Engine:
    """A media side that can be away, and dies where a test says so."""

    def __init__(self) -> None:
        self.away = False
        self.open_rooms: list[str] = []
        self.cameras: list[str] = []
        self.lost_cameras: set[str] = set()
        self.rung: list[str] = []

    async def open(self, room_id: str, title: str) -> None:
        if self.away:
            raise Refusal("unavailable", "rooms_away", "会议室服务未运行。", "The rooms are not running.")
        self.open_rooms.append(room_id)

    async def close(self, room_id: str) -> None:
        self.open_rooms.remove(room_id)

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        if code in self.lost_cameras:
            raise Refusal("unavailable", "worker_away", "处理进程未运行。", "The worker is away.")
        self.cameras.append(code)

    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        self.rung.append(address)

    async def remove(self, room_id: str, member_id: str) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class House:
    """Events and rooms on one database."""

    def __init__(self, db: Database, clock: ManualClock, folder: Path, camera_row: Callable[..., CameraRow]) -> None:
        self.db, self.clock, self.engine, self.camera_row = db, clock, Engine(), camera_row
        live = LiveHub()
        self.announcer = Announcer(db, live, clock)
        self.events = EventDesk(self.announcer, Opening())
        files = EvidenceFiles(folder / "evidence", ())
        self.rooms = RoomDesk.over(db, self.engine, live, clock, files, Vault.at(folder), folder)  # type: ignore[arg-type]
        self.escalations = self.restarted()

    def restarted(self) -> Escalations:
        return Escalations(self.rooms.register, self.rooms.standing_orders, self.announcer)

    def person(self, *roles: str, name: str = "") -> Caller:
        return Caller(
            new_id(), name or "+".join(roles), "测试", frozenset(roles), "hub", None, new_id(), "bearer",
            self.clock() + timedelta(hours=8),
        )  # fmt: skip

    async def employ(self, name: str, *roles: str, platform: str = "hub") -> Caller:
        """A person whom the register of users knows."""
        async with self.db.transaction() as session:
            user = User(
                platform=platform, username=name, display_name=name, password_hash="-", roles=list(roles),
                password_changed_at=self.clock(), created_at=self.clock(),
            )  # fmt: skip
            session.add(user)
        person = self.person(*roles, name=name)
        return replace(person, user_id=user.id, platform=platform)

    async def camera(self, code: str, lng: float = 0.0, platform: str = "hub") -> None:
        async with self.db.transaction() as session:
            session.add(
                self.camera_row(code, self.clock(), platform=platform, name=f"摄像机 {code[-1]}", lng=lng, lat=0.0)
            )

    async def entries(self, room_id: str) -> list[tuple[str, dict[str, Any]]]:
        async with self.db.reading() as session:
            rows = await session.scalars(
                select(RoomEntryRow).where(RoomEntryRow.room_id == room_id).order_by(RoomEntryRow.at, RoomEntryRow.id)
            )
            return [(row.kind, row.data) for row in rows]

    async def acts(self, what: str) -> list[AuditRow]:
        async with self.db.reading() as session:
            return list(await session.scalars(select(AuditRow).where(AuditRow.what == what).order_by(AuditRow.seq)))

    async def escalated(self, class_code: str = "90-01") -> str:
        leader = self.person("duty_leader")
        report = Report(new_id(), class_code, "厂房起火", "phone", lng=0.0, lat=0.0)
        event = await self.events.report(leader, report)
        await self.events.act(leader, event.no, "escalate")
        return event.no

    async def event(self, no: str) -> EventShown:
        async with self.db.reading() as session:
            return await shown_event(session, (await session.scalars(select(EventRow).where(EventRow.no == no))).one())

    async def rooms_on(self, no: str) -> list[RoomRow]:
        async with self.db.reading() as session:
            return list(await session.scalars(select(RoomRow).where(RoomRow.event_no == no)))


@pytest.fixture
async def house(database: Database, clock: ManualClock, tmp_path: Path, camera_row: Callable[..., CameraRow]) -> House:
    house = House(database, clock, tmp_path, camera_row)
    async with database.transaction() as session:
        await ensure_hub(session, "hub", "枢纽")
    planner = house.person("commander")
    await house.rooms.plans.put(planner, Plan("90-01", "*", (CHIEF,), (), 2))
    await house.rooms.plans.put(planner, Plan("90-01", "*", (CHIEF, MAYOR), (), 2, "wartime"))
    await house.rooms.plans.put(planner, Plan("90-02", "*", (CHIEF,), (), 2, "*", opens=False))
    return house


def test_of_two_plans_alike_the_one_for_the_mode_wins() -> None:
    anytime, war = Plan("90-01", "*", (), (), 0), Plan("90-01", "*", (), (), 0, "wartime")
    grid = Plan("90-01", "g1", (), (), 0)
    assert chosen([anytime, war], "90-01", None) is anytime
    assert chosen([anytime, war], "90-01", None, wartime=True) is war
    assert chosen([anytime, war, grid], "90-01", "g1", wartime=True) is grid


async def test_an_escalated_event_has_its_room_with_its_invitees_and_the_flow_says_so(house: House) -> None:
    no = await house.escalated()
    assert await house.escalations.sweep(house.clock()) == 1
    assert await house.escalations.sweep(house.clock()) == 0
    (room,) = await house.rooms_on(no)
    assert (room.state, room.origin, room.created_by, room.drill) == ("open", "event", "duty_leader", False)
    assert house.engine.open_rooms == [room.id]
    state = await house.rooms.register.get(house.person("commander"), room.id)
    assert state.consultation.invited == (CHIEF,)
    last = (await house.event(no)).flow[-1]
    assert (last.action, last.operator) == ("open_room", "system")
    assert room.number is not None
    assert room.number in last.opinion
    assert "消防大队" in last.opinion


async def test_where_no_plan_says_so_no_room_opens(house: House) -> None:
    for class_code in ("90-02", "04-06"):
        no = await house.escalated(class_code)
        assert await house.escalations.sweep(house.clock()) == 0
        assert await house.rooms_on(no) == []


async def test_in_wartime_the_plan_of_wartime_invites(house: House) -> None:
    switches = ModeSwitches(house.announcer, CityBooks())
    until = house.clock() + timedelta(hours=1)
    wanted = SwitchAsked(True, True, "hub", frozenset(), "战时演练", until)
    row = await switches.ask(house.person("duty_officer"), wanted)
    await switches.decide(house.person("duty_leader"), row.id, "approve", "")
    no = await house.escalated()
    await house.escalations.sweep(house.clock())
    (room,) = await house.rooms_on(no)
    assert room.drill
    state = await house.rooms.register.get(house.person("commander"), room.id)
    assert state.consultation.invited == (CHIEF, MAYOR)


async def test_a_crash_before_the_commit_loses_no_room_and_one_after_it_doubles_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = await house.escalated()

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gateway.rooms.escalation.add_flow", killed)
        with pytest.raises(KeyboardInterrupt):
            await house.escalations.sweep(house.clock())
    assert await house.rooms_on(no) == []
    assert [one.action for one in (await house.event(no)).flow] == ["report", "escalate"]
    assert await house.restarted().sweep(house.clock()) == 1
    assert await house.restarted().sweep(house.clock()) == 0
    assert len(await house.rooms_on(no)) == len(house.engine.open_rooms) == 1


async def test_a_media_side_that_is_away_is_tried_again_and_the_event_says_so_once(
    house: House, clock: ManualClock
) -> None:
    no = await house.escalated()
    house.engine.away = True
    for _ in range(3):
        assert await house.escalations.sweep(house.clock()) == 0
        clock.advance(seconds=30)
    assert [one.action for one in (await house.event(no)).flow] == ["report", "escalate", "room_waits"]
    house.engine.away = False
    assert await house.escalations.sweep(house.clock()) == 1
    assert (await house.event(no)).flow[-1].action == "open_room"


async def test_an_escalation_that_was_refused_meanwhile_opens_nothing_and_the_next_one_does(house: House) -> None:
    no = await house.escalated()
    await house.events.act(house.person("commander"), no, "refuse_escalation", StepAsked(opinion="未达应急标准"))
    assert await house.escalations.sweep(house.clock()) == 0
    assert await house.rooms_on(no) == []
    await house.events.act(house.person("duty_leader"), no, "escalate")
    assert await house.escalations.sweep(house.clock()) == 1
    async with house.db.reading() as session:
        wished = (await session.execute(select(func.count()).select_from(RoomOpeningRow))).scalar_one()
    assert wished == 2


async def planned(house: House, writer: Caller) -> str:
    """Three cameras, of which the plan names one and calls the nearest beside; a terminal is to be rung."""
    await house.camera(NAMED, 0.009)
    await house.camera(NEAR, 0.001)
    await house.camera(FAR, 0.005)
    return await house.rooms.plans.put(writer, Plan("90-01", "*", (CHIEF, STATION), (NAMED,), 1))


async def opened(house: House) -> RoomRow:
    no = await house.escalated()
    assert await house.escalations.sweep(house.clock()) == 1
    (room,) = await house.rooms_on(no)
    return room


async def test_a_commanders_plan_calls_its_terminals_and_cameras_in_the_commanders_name(house: House) -> None:
    commander = await house.employ("commander.li", "commander")
    plan_id = await planned(house, commander)
    room = await opened(house)
    assert (house.engine.cameras, house.engine.rung) == ([NAMED, NEAR], [STATION.address])
    state = await house.rooms.register.get(commander, room.id)
    assert {one.camera_code for one in state.members} == {NAMED, NEAR}
    kinds = dict(await house.entries(room.id))
    assert kinds["plan_called"] == {
        "name": "commander.li", "cameras": [NAMED, NEAR], "invited": ["消防大队", "消防站终端"],
    }  # fmt: skip
    assert "commander.li批准的预案" in (await house.event(str(room.event_no))).flow[-1].opinion
    (by_plan,) = await house.acts("room.plan")
    async with house.db.reading() as session:
        grant = await session.get(ViewingGrant, by_plan.grant_id)
    assert grant is not None
    assert (grant.user_id, grant.scope_kind, grant.scope_value) == (commander.user_id, "event", room.event_no)
    assert plan_id in by_plan.why
    assert "commander.li" in by_plan.why
    views = await house.acts("view.live")
    assert [(one.who, one.target, one.grant_id) for one in views] == [
        ("system", f"camera:{code}", grant.id) for code in (NAMED, NEAR)
    ]


async def test_an_administrators_plan_calls_nobody_until_a_leader_approves_it(house: House) -> None:
    plan_id = await planned(house, await house.employ("admin", "system_admin"))
    room = await opened(house)
    assert (house.engine.cameras, house.engine.rung) == ([], [])
    kinds = dict(await house.entries(room.id))
    assert kinds["plan_void"]["reason"] == "plan_not_approved"
    assert "未经值班长或指挥长批准" in (await house.event(str(room.event_no))).flow[-1].opinion
    await house.rooms.plans.approve(await house.employ("leader", "duty_leader"), plan_id)
    assert (await house.acts("plan.approve"))[0].who == "leader"
    await opened(house)
    assert (house.engine.cameras, house.engine.rung) == ([NAMED, NEAR], [STATION.address])


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("plan_approver_gone", {"disabled": True}),
        ("plan_approver_may_not", {"roles": ["checker"]}),
        ("plan_approver_elsewhere", {"platform": "town"}),
    ],
)
async def test_a_plan_whose_approver_has_no_right_to_it_any_more_calls_nobody(
    house: House, reason: str, change: dict[str, Any]
) -> None:
    await planned(house, await house.employ("commander.li", "commander"))
    async with house.db.transaction() as session:
        session.add(Platform(platform="hub", code="town", name="镇", kind="town", parent="hub"))
        user = (await session.scalars(select(User))).one()
        for name, value in change.items():
            setattr(user, name, value)
    room = await opened(house)
    assert (house.engine.cameras, house.engine.rung) == ([], [])
    assert dict(await house.entries(room.id))["plan_void"]["reason"] == reason
    assert await house.acts("view.live") == []


async def test_a_camera_whose_worker_is_away_comes_in_when_it_is_back_and_nobody_is_rung_twice(
    house: House, clock: ManualClock
) -> None:
    await planned(house, await house.employ("commander.li", "commander"))
    house.engine.lost_cameras = {NAMED}
    room = await opened(house)
    assert house.engine.cameras == [NEAR]
    clock.advance(seconds=60)
    house.engine.lost_cameras = set()
    assert await house.restarted().sweep(clock()) == 0
    assert (house.engine.cameras, house.engine.rung) == ([NEAR, NAMED], [STATION.address])
    clock.advance(seconds=600)
    await house.escalations.sweep(clock())
    assert house.engine.cameras == [NEAR, NAMED]
    assert "plan_missed" not in dict(await house.entries(room.id))


async def test_a_camera_that_never_comes_is_named_in_the_room(house: House, clock: ManualClock) -> None:
    await planned(house, await house.employ("commander.li", "commander"))
    house.engine.lost_cameras = {NAMED}
    room = await opened(house)
    for _ in range(8):
        clock.advance(seconds=180)
        await house.escalations.sweep(clock())
    missed = [data for kind, data in await house.entries(room.id) if kind == "plan_missed"]
    assert [(one["name"], one["reason"]) for one in missed] == [(NAMED, "worker_away")]


async def test_a_crash_between_room_and_calling_leaves_the_calling_to_be_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned(house, await house.employ("commander.li", "commander"))

    async def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    no = await house.escalated()
    with monkeypatch.context() as patch:
        patch.setattr(house.rooms.standing_orders, "carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            await house.escalations.sweep(house.clock())
    assert len(await house.rooms_on(no)) == 1
    await house.restarted().sweep(house.clock())
    assert (house.engine.cameras, house.engine.rung) == ([NAMED, NEAR], [STATION.address])


async def test_a_room_that_cannot_be_opened_keeps_no_other_shut_and_its_event_says_that_it_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, sound = await house.escalated(), await house.escalated()
    under_way = escalation.plan_of

    async def fails_for_one(session: AsyncSession, event: EventRow, now: datetime) -> KeptPlan | None:
        if event.no == poison:
            raise KeyError("a plan that cannot be read")
        return await under_way(session, event, now)

    monkeypatch.setattr(escalation, "plan_of", fails_for_one)
    assert await house.escalations.sweep(house.clock()) == 1
    assert len(await house.rooms_on(sound)) == 1
    assert [one.action for one in (await house.event(poison)).flow] == ["report", "escalate", "room_waits"]
    monkeypatch.undo()
    house.clock.advance(seconds=5)
    assert await house.escalations.sweep(house.clock()) == 1
    assert len(await house.rooms_on(poison)) == 1


async def test_a_plan_that_cannot_be_carried_out_keeps_no_other_from_being_and_rings_nobody_for_ever(
    house: House, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned(house, await house.employ("commander.li", "commander"))
    poison = await house.escalated()
    sound = await house.escalated()
    carry_out, tried = StandingOrders.carry_out, list[bool]()

    async def fails_for_one(
        self: StandingOrders, room_id: str, event_no: str, plan_id: str | None, *, rings: bool
    ) -> CarriedOut:
        if event_no == poison:
            tried.append(rings)
            raise KeyError("a bug")
        return await carry_out(self, room_id, event_no, plan_id, rings=rings)

    monkeypatch.setattr(StandingOrders, "carry_out", fails_for_one)
    assert await house.escalations.sweep(clock()) == 2
    (opened,) = await house.rooms_on(sound)
    assert "plan_called" in dict(await house.entries(opened.id))
    for _ in range(8):
        clock.advance(seconds=180)
        await house.escalations.sweep(clock())
    assert tried == [True, False, False, False, False]
    (void,) = await house.rooms_on(poison)
    assert dict(await house.entries(void.id))["plan_void"]["reason"] == "internal_error"


async def test_a_plan_is_carried_out_once_the_database_is_free_again(
    house: House, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned(house, await house.employ("commander.li", "commander"))
    no = await house.escalated()

    async def busy(*_: object) -> None:
        raise Refusal("unavailable", "database_busy", "数据库繁忙，请稍后重试。", "The database is busy.")

    with monkeypatch.context() as locked:
        locked.setattr("gateway.rooms.standing_orders.kept_plan", busy)
        await house.escalations.sweep(clock())
    (room,) = await house.rooms_on(no)
    assert house.engine.rung == []
    clock.advance(seconds=1)
    await house.escalations.sweep(clock())
    assert (house.engine.cameras, house.engine.rung) == ([NAMED, NEAR], [STATION.address])
    assert "plan_void" not in dict(await house.entries(room.id))
