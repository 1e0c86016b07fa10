"""An escalated event's room opens by itself where its plan says so: once, after a crash too, and never in vain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

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
from gateway.rooms.consultation import Invitee
from gateway.rooms.desk import RoomDesk
from gateway.rooms.escalation import Escalations
from gateway.rooms.plans import Plan, chosen
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomOpeningRow, RoomRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

CHIEF, MAYOR = Invitee("消防大队", "brigade"), Invitee("指挥长", "chief")


class Engine:
    """A media side that can be away, and dies where a test says so."""

    def __init__(self) -> None:
        self.away = False
        self.open_rooms: list[str] = []

    async def open(self, room_id: str, title: str) -> None:
        if self.away:
            raise Refusal("unavailable", "rooms_away", "会议室服务未运行。", "The rooms are not running.")
        self.open_rooms.append(room_id)

    async def close(self, room_id: str) -> None:
        self.open_rooms.remove(room_id)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class House:
    """Events and rooms on one database."""

    def __init__(self, db: Database, clock: ManualClock, folder: Path) -> None:
        self.db, self.clock, self.engine = db, clock, Engine()
        live = LiveHub()
        self.announcer = Announcer(db, live, clock)
        self.events = EventDesk(self.announcer, Opening())
        files = EvidenceFiles(folder / "evidence", ())
        self.rooms = RoomDesk.over(db, self.engine, live, clock, files, Vault.at(folder), folder)  # type: ignore[arg-type]
        self.escalations = self.restarted()

    def restarted(self) -> Escalations:
        return Escalations(self.rooms.register, self.announcer)

    def person(self, *roles: str, name: str = "") -> Caller:
        return Caller(
            new_id(), name or "+".join(roles), "测试", frozenset(roles), "hub", None, new_id(), "bearer",
            self.clock() + timedelta(hours=8),
        )  # fmt: skip

    async def escalated(self, class_code: str = "90-01") -> str:
        leader = self.person("duty_leader")
        event = await self.events.report(leader, Report(new_id(), class_code, "厂房起火", "phone"))
        await self.events.act(leader, event.no, "escalate")
        return event.no

    async def event(self, no: str) -> EventShown:
        async with self.db.reading() as session:
            return await shown_event(session, (await session.scalars(select(EventRow).where(EventRow.no == no))).one())

    async def rooms_on(self, no: str) -> list[RoomRow]:
        async with self.db.reading() as session:
            return list(await session.scalars(select(RoomRow).where(RoomRow.event_no == no)))


@pytest.fixture
async def house(database: Database, clock: ManualClock, tmp_path: Path) -> House:
    house = House(database, clock, tmp_path)
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
