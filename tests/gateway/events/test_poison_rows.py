"""One row that cannot be seen to, whatever its fault, keeps no other row of the same sweep waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events import mode_switches, promotion, timekeeping
from gateway.events.announcing import Changes
from gateway.events.books import CityBooks
from gateway.events.event_desk import Report
from gateway.events.mode import SwitchAsked
from gateway.events.mode_switches import ModeKeeping, ModeSwitches
from gateway.events.opening import Opening
from gateway.grid.platforms import add_sub_platform
from gateway.storage.ids import new_id
from gateway.storage.tables.events import AlertRow, EventRow
from gateway.storage.tables.modes import ModeSwitchRow

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]
END_OF_TIME = datetime(9999, 12, 31, 23, tzinfo=UTC)


async def alerts_of_which_the_first_cannot_be_promoted(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    poison = await room.raise_alert("crowd", zone="a")
    room.clock.advance(seconds=1)
    sound = await room.raise_alert("crowd", zone="b")
    room.clock.advance(seconds=61)
    promote = Opening.promote

    async def fails_for_one(self: Opening, session: AsyncSession, alert: AlertRow, changes: Changes) -> EventRow:
        if alert.id == poison:
            raise KeyError("a class that the table has not")
        return await promote(self, session, alert, changes)

    monkeypatch.setattr(Opening, "promote", fails_for_one)
    return poison, sound


async def test_an_alert_that_cannot_be_promoted_keeps_no_other_from_its_event(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, sound = await alerts_of_which_the_first_cannot_be_promoted(room, monkeypatch)
    assert (await room.promotion.sweep(room.clock())).promoted == 1
    assert (await room.shown(sound)).event_no is not None
    assert len(room.promotion.work.rows) == 1

    monkeypatch.undo()
    room.clock.advance(seconds=1)
    assert (await room.promotion.sweep(room.clock())).promoted == 1
    assert (await room.shown(poison)).event_no is not None
    assert len(room.promotion.work.rows) == 0


async def test_alerts_that_cannot_be_promoted_do_not_take_the_places_of_the_others_in_every_sweep(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sound = await alerts_of_which_the_first_cannot_be_promoted(room, monkeypatch)
    monkeypatch.setattr(promotion, "AT_ONCE", 1)
    swept = [(await room.promotion.sweep(room.clock())).promoted for _ in range(2)]
    assert swept == [0, 1]
    assert (await room.shown(sound)).event_no is not None


async def events_of_which_the_first_cannot_be_clocked(room: EventsRoom, person: Person) -> tuple[str, str]:
    """Its deadline is so far away that no calendar holds the time to supervise it."""
    officer = person("duty_officer")
    poison = await room.events.report(officer, Report(new_id(), "90-01", "路口冒烟", "phone"))
    room.clock.advance(seconds=1)
    sound = await room.events.report(officer, Report(new_id(), "90-01", "厂房冒烟", "phone"))
    async with room.db.transaction() as session:
        broken = {"due_at": END_OF_TIME, "stage": "warned"}
        await session.execute(update(EventRow).where(EventRow.no == poison.no).values(**broken))
    room.clock.advance(minutes=14)
    return poison.no, sound.no


async def test_an_event_whose_clock_cannot_be_told_stops_the_clock_of_no_other(
    room: EventsRoom, person: Person
) -> None:
    _, sound = await events_of_which_the_first_cannot_be_clocked(room, person)
    assert await room.timekeeping.sweep(room.clock()) == 1
    async with room.db.reading() as session:
        stage = (await session.scalars(select(EventRow.stage).where(EventRow.no == sound))).one()
    assert stage == "warned"
    assert len(room.timekeeping.work.rows) == 1


async def test_events_whose_clock_cannot_be_told_do_not_take_the_places_of_the_others_in_every_sweep(
    room: EventsRoom, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await events_of_which_the_first_cannot_be_clocked(room, person)
    monkeypatch.setattr(timekeeping, "AT_ONCE", 1)
    assert [await room.timekeeping.sweep(room.clock()) for _ in range(2)] == [0, 1]


async def test_a_switch_of_the_mode_that_cannot_be_ended_keeps_no_other_in_force(
    room: EventsRoom, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
    switches = ModeSwitches(room.announcer, CityBooks())
    until = room.clock() + timedelta(hours=1)
    asked = [
        await switches.ask(person("duty_officer"), SwitchAsked(True, False, platform, frozenset(), "防汛", until))
        for platform in ("hub", "town-a")
    ]
    room.clock.advance(hours=2)
    reaches = mode_switches.visible_platforms

    async def fails_for_the_hub(session: AsyncSession, platform: str) -> frozenset[str] | None:
        if platform == "hub":
            raise RecursionError("platforms in a ring")
        return await reaches(session, platform)

    monkeypatch.setattr(mode_switches, "visible_platforms", fails_for_the_hub)
    assert await ModeKeeping(room.db, room.announcer, room.clock).sweep(room.clock()) == 1
    async with room.db.reading() as session:
        states = {row.id: row.state for row in await session.scalars(select(ModeSwitchRow))}
    assert [states[one.id] for one in asked] == ["asked", "lapsed"]
