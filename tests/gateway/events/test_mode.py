"""Peace, wartime and drills: who may switch, what is covered, what changes, and how it ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events.books import CityBooks
from gateway.events.event_desk import Report, StepAsked
from gateway.events.mode import Decision, InForce, Mode, Modes, SwitchAsked, checked, decided, warns_at
from gateway.events.mode_switches import ModeKeeping, ModeSwitches
from gateway.grid.platforms import add_sub_platform
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.modes import ModeLogRow
from tests.gateway.events.conftest import EventsRoom

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Person = Callable[..., Caller]


def asked(**changes: object) -> SwitchAsked:
    values = {
        "wartime": True, "drill": False, "platform": "hub", "classes": frozenset(), "reason": "汛期",
        "until": NOON + timedelta(hours=8),
    } | changes  # fmt: skip
    return SwitchAsked(**values)  # type: ignore[arg-type]  # a test's convenience


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wartime": False}, "mode_unchanged"),
        ({"reason": "  "}, "reason_missing"),
        ({"until": NOON}, "mode_until_unfit"),
        ({"until": NOON + timedelta(days=31)}, "mode_until_unfit"),
    ],
)
def test_a_switch_without_sense_reason_or_a_fair_end_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked(asked(**changes), NOON)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("state", "action", "operator", "roles", "opinion", "outcome"),
    [
        ("asked", "approve", "leader", {"duty_leader"}, "", "approved"),
        ("asked", "approve", "asker", {"duty_leader"}, "", "approver_is_asker"),
        ("asked", "approve", "other", {"duty_officer"}, "", "role_not_allowed"),
        ("asked", "refuse", "leader", {"commander"}, "", "reason_missing"),
        ("asked", "refuse", "leader", {"commander"}, "无需", "refused"),
        ("asked", "withdraw", "leader", {"duty_leader"}, "", "not_the_asker"),
        ("asked", "withdraw", "asker", {"duty_officer"}, "", "withdrawn"),
        ("approved", "end", "leader", {"duty_leader"}, "险情解除", "ended"),
        ("approved", "approve", "leader", {"duty_leader"}, "", "mode_state"),
        ("ended", "end", "leader", {"duty_leader"}, "再次", "mode_state"),
        ("asked", "wish", "leader", {"duty_leader"}, "", "action_unknown"),
    ],
)
def test_a_switch_is_decided_on_by_another_than_its_asker(
    state: str, action: str, operator: str, roles: set[str], opinion: str, outcome: str
) -> None:
    decision = Decision(action, operator, frozenset(roles), NOON, opinion)
    try:
        assert decided(state, "asker", NOON + timedelta(hours=1), decision) == outcome
    except Refusal as refusal:
        assert refusal.reason == outcome  # noqa: PT017 - either is an outcome


def test_what_is_not_approved_before_its_end_never_begins() -> None:
    with pytest.raises(Refusal, match="mode_state"):
        decided("asked", "asker", NOON, Decision("approve", "leader", frozenset({"duty_leader"}), NOON))


def test_a_switch_covers_its_platforms_and_classes_until_it_ends_and_two_hold_together() -> None:
    war = InForce(True, False, NOON, NOON + timedelta(hours=1), frozenset({"town"}), frozenset({"90-01"}))
    drill = InForce(False, True, NOON, NOON + timedelta(hours=2))
    modes = Modes(NOON, (war, drill))
    assert modes.at("town", "90-01") == Mode(wartime=True, drill=True)
    assert modes.at("town", "90-02") == modes.at("hub", "90-01") == modes.at("town") == Mode(drill=True)
    assert Modes(NOON + timedelta(hours=1), (war, drill)).at("town", "90-01") == Mode(drill=True)
    assert Modes(NOON - timedelta(seconds=1), (war, drill)).at("town", "90-01") == Mode()


def test_its_end_is_announced_a_quarter_of_an_hour_before_or_when_a_quarter_of_it_is_left() -> None:
    assert warns_at(NOON, NOON + timedelta(hours=8)) == NOON + timedelta(hours=7, minutes=45)
    assert warns_at(NOON, NOON + timedelta(minutes=4)) == NOON + timedelta(minutes=3)


async def switched(room: EventsRoom, person: Person, **changes: object) -> str:
    switches = ModeSwitches(room.announcer, CityBooks())
    until = room.clock() + timedelta(hours=8)
    row = await switches.ask(person("duty_officer"), asked(**({"until": until} | changes)))
    await switches.decide(person("duty_leader"), row.id, "approve", "")
    return row.id


def report(class_code: str = "90-01") -> Report:
    return Report(new_id(), class_code, "路口冒烟", "phone")


async def test_in_wartime_windows_and_limits_are_halved_and_a_duty_officer_may_escalate(
    room: EventsRoom, person: Person
) -> None:
    officer, dispatcher = person("duty_officer"), person("dispatcher")
    calm = await room.events.report(officer, report())
    assert calm.due_at == room.clock() + timedelta(minutes=15)
    with pytest.raises(Refusal, match="role_not_allowed"):
        await room.events.act(officer, calm.no, "escalate")
    await switched(room, person)
    now = room.clock()
    crowd = await room.shown(await room.raise_alert("crowd"))
    assert crowd.acknowledge_until == now + timedelta(seconds=30)
    crowd = await room.desk.acknowledge(officer, crowd.id)
    assert crowd.assess_until == now + timedelta(seconds=90)
    event = await room.events.report(officer, report())
    assert event.due_at == now + timedelta(minutes=7.5)
    await room.events.act(officer, event.no, "accept")
    await room.events.act(dispatcher, event.no, "dispatch", StepAsked(department="hub"))
    signed = await room.events.act(person("department"), event.no, "sign")
    assert signed.handle_due_at == now + timedelta(minutes=30), "half of the class's hour"
    # A clock that ran before keeps its end; what anybody may do is asked of the mode that holds now.
    assert (await room.event(calm.no)).due_at == calm.due_at
    assert (await room.events.act(officer, calm.no, "escalate")).state == "escalated"


async def test_a_switch_warns_before_its_end_lapses_by_itself_and_peace_is_back(
    room: EventsRoom, person: Person, clock: ManualClock
) -> None:
    switch_id = await switched(room, person)
    keeping = ModeKeeping(room.db, room.announcer, room.clock)
    room.heard()
    assert await keeping.sweep(room.clock()) == 0
    clock.advance(hours=7, minutes=46)
    assert await keeping.sweep(room.clock()) == 1
    assert await keeping.sweep(room.clock()) == 0
    assert [(one.topic, one.data["action"]) for one in room.heard()] == [("mode.changed", "warn")]
    clock.advance(minutes=14)
    event = await room.events.report(person("duty_officer"), report())
    assert event.due_at == room.clock() + timedelta(minutes=15), "over at once, though no sweep has come by"
    assert await keeping.sweep(room.clock()) == 1
    async with room.db.reading() as session:
        query = select(ModeLogRow.action).where(ModeLogRow.switch_id == switch_id)
        logged = list(await session.scalars(query.order_by(ModeLogRow.at, ModeLogRow.id)))
    assert logged == ["ask", "approve", "warn", "lapse"]


async def test_what_arises_in_a_drill_is_marked_and_what_is_real_never_disappears_into_it(
    room: EventsRoom, person: Person, clock: ManualClock
) -> None:
    switch_id = await switched(room, person, wartime=False, drill=True)
    drilled = await room.shown(await room.raise_alert("fire"))
    by_hand = await room.events.report(person("duty_officer"), report())
    event = await room.event(drilled.event_no)
    assert (drilled.drill, event.drill, by_hand.drill) == (True, True, True)
    await ModeSwitches(room.announcer, CityBooks()).decide(person("duty_leader"), switch_id, "end", "演练结束")
    clock.advance(seconds=5)
    real = await room.shown(await room.raise_alert("fire"))
    assert real.drill is False
    assert real.event_no not in (None, event.no), "a real fire at the place of the drill's opens its own event"
    assert (await room.event(real.event_no)).drill is False


async def test_a_town_switches_itself_and_never_the_hub(room: EventsRoom, person: Person) -> None:
    async with room.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
    switches = ModeSwitches(room.announcer, CityBooks())
    townsman = person("duty_officer", platforms=frozenset({"town-a"}))
    until = room.clock() + timedelta(hours=1)
    with pytest.raises(Refusal, match="platform_unknown"):
        await switches.ask(townsman, asked(until=until))
    assert (await switches.ask(townsman, asked(until=until, platform="town-a"))).state == "asked"
    with pytest.raises(Refusal, match="class_unknown"):
        await switches.ask(townsman, asked(until=until, platform="town-a", classes=frozenset({"77-77"})))
