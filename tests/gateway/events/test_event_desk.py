"""Events in the database: each act whole or not at all, by its role, on what was looked at, with a row in the flow."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.event_desk import Report, StepAsked
from gateway.events.event_states import TRANSITIONS
from gateway.events.opening import Opening
from gateway.events.shown import EventShown
from gateway.events.timers import TimerRules
from gateway.grid.platforms import add_sub_platform
from gateway.processes.messages import AlertEnded
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.events import EventFlowRow, EventRow, OutboxRow

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]


async def _event(room: EventsRoom, hazard: str = "fire", zone: str = "square") -> EventShown:
    return await room.event((await room.shown(await room.raise_alert(hazard, zone=zone))).event_no)


async def _audited(room: EventsRoom) -> list[str]:
    async with room.db.reading() as session:
        assert (await audit.verify(session)).holds
        return list(await session.scalars(select(AuditRow.what).order_by(AuditRow.seq)))


async def test_an_event_goes_the_whole_way_with_a_row_for_each_step(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("fire")
    await room.intake.handle(AlertEnded(alert_id, room.clock().timestamp()))
    no = (await room.shown(alert_id)).event_no or ""
    way = [
        ("duty_officer", "verify", ""), ("grid_member", "verified", "属实"), ("duty_officer", "accept", ""),
        ("dispatcher", "dispatch", ""), ("department", "return", "不属本部门"), ("dispatcher", "dispatch", "改派"),
        ("department", "sign", ""), ("department", "handle", ""), ("department", "ask_suspension", "等待配件"),
        ("duty_leader", "suspend", "同意"), ("duty_leader", "resume", ""), ("department", "feedback", "已扑灭"),
        ("checker", "check", ""), ("checker", "rework", "仍有烟"), ("department", "handle", ""),
        ("grid_member", "feedback", "已清理"), ("checker", "check", ""), ("checker", "close", "现场已恢复"),
    ]  # fmt: skip
    for role, action, opinion in way:
        if action == "feedback":
            await room.add_photo(person(role), no)
        revision = (await room.event(no)).revision
        await room.events.act(person(role), no, action, StepAsked(opinion, revision))
        room.clock.advance(minutes=1)
    event = await room.event(no)
    assert (event.state, event.due_at, event.stage, event.reworks) == ("closed", None, "", 1)
    assert event.closed_at is not None
    assert [step.action for step in event.flow] == ["report", *(action for _, action, _ in way)]
    assert all(before.to_state == after.from_state for before, after in zip(event.flow, event.flow[1:], strict=False))
    photos = [one for one in event.evidence if one.kind == "after_photo"]
    assert [one.added_by for one in photos] == ["department", "grid_member"]
    assert len(await _audited(room)) == len(way) + len(photos) + 1
    with pytest.raises(Refusal, match="event_ended"):
        await room.add_photo(person("department"), no)
    # A closed event makes room for the next one of the same place.
    assert (await _event(room)).no != no


async def test_the_photograph_of_an_earlier_round_proves_no_later_one(room: EventsRoom, person: Person) -> None:
    no = (await _event(room)).no
    for role, action in (("duty_officer", "accept"), ("dispatcher", "dispatch"), ("department", "sign")):
        await room.events.act(person(role), no, action)
    await room.add_photo(person("department"), no)
    room.clock.advance(seconds=1)
    await room.events.act(person("department"), no, "handle")
    with pytest.raises(Refusal, match="photo_missing"):
        await room.events.act(person("department"), no, "feedback")
    await room.add_photo(person("department"), no, "before_photo")
    with pytest.raises(Refusal, match="photo_missing"):
        await room.events.act(person("department"), no, "feedback")
    await room.add_photo(person("department"), no)
    assert (await room.events.act(person("department"), no, "feedback")).state == "feedback"


async def test_a_refused_step_leaves_no_trace(room: EventsRoom, person: Person) -> None:
    before = await _event(room)
    for caller, action, asked, reason in (
        (person("dispatcher"), "accept", StepAsked(), "role_not_allowed"),
        (person("duty_officer"), "accept", StepAsked(revision=before.revision + 1), "revision_stale"),
        (person("duty_officer"), "not_accept", StepAsked(" "), "reason_missing"),
        (person("dispatcher"), "dispatch", StepAsked(), "event_state"),
        (person("duty_officer"), "merge_duplicate", StepAsked(duplicate_of=before.no), "duplicate_target_unfit"),
        (person("duty_officer", platforms=frozenset({"town"})), "accept", StepAsked(), "event_unknown"),
    ):
        with pytest.raises(Refusal, match=reason):
            await room.events.act(caller, before.no, action, asked)
    assert await room.event(before.no) == before
    assert await room.how_many(OutboxRow) == await room.how_many(EventFlowRow) == 1


async def test_a_deadline_that_passed_counts_before_the_sweep_and_is_told_once(
    room: EventsRoom, person: Person
) -> None:
    event = await _event(room)
    revision = event.revision
    room.clock.advance(minutes=12)
    assert await room.timekeeping.sweep(room.clock()) == 1
    assert await room.timekeeping.sweep(room.clock()) == 0
    assert (await room.event(event.no)).stage == "warned"
    room.clock.advance(minutes=4)
    # The officer looked at it before it was warned of: what clocks do makes nobody's decision stale.
    accepted = await room.events.act(person("duty_officer"), event.no, "accept", StepAsked(revision=revision))
    assert [step.action for step in accepted.flow] == ["report", "urge", "accept"]
    assert (accepted.overdue_at, accepted.urges) == (event.due_at, 1)
    assert accepted.stage == "running"
    room.clock.advance(hours=2)
    assert await room.timekeeping.sweep(room.clock()) == 1
    swept = await room.event(event.no)
    assert [step.action for step in swept.flow][3:] == ["urge", "supervise"]
    assert swept.supervised
    assert {step.operator for step in swept.flow if step.action in ("urge", "supervise")} == {"system"}


async def test_an_event_whose_clock_cannot_be_swept_now_keeps_no_other_waiting(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await _event(room), await _event(room, zone="east")
    rules, asked = Opening.rules, 0

    async def away_once(*args: Any) -> TimerRules:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise OperationalError("SELECT", {}, Exception("the database is starting"))
        return await rules(*args)

    monkeypatch.setattr(Opening, "rules", away_once)
    room.clock.advance(minutes=12)
    assert await room.timekeeping.sweep(room.clock()) == 1
    assert await room.timekeeping.sweep(room.clock()) == 1
    assert {(await room.event(one.no)).stage for one in (first, second)} == {"warned"}


async def test_a_department_sees_what_was_dispatched_to_it_and_acts_on_nothing_else(
    room: EventsRoom, person: Person
) -> None:
    async with room.db.transaction() as session:
        for code in ("city-fire", "city-urban"):
            await add_sub_platform(session, code, f"部门 {code}", "city_department", "hub")
    fire = person("department", platforms=frozenset({"city-fire"}))
    urban = person("department", platforms=frozenset({"city-urban"}))
    no = (await _event(room)).no
    await room.events.act(person("duty_officer"), no, "accept")
    with pytest.raises(Refusal, match="event_unknown"):
        await room.events.act(fire, no, "sign")
    with pytest.raises(Refusal, match="department_unknown"):
        await room.events.act(person("dispatcher"), no, "dispatch", StepAsked(department="city-water"))
    asked = StepAsked(department="city-fire", assignee="lijie")
    event = await room.events.act(person("dispatcher"), no, "dispatch", asked)
    assert (event.department, event.assignee) == ("city-fire", "lijie")
    assert "city-fire" in event.flow[-1].opinion
    with pytest.raises(Refusal, match="event_unknown"):
        await room.events.act(urban, no, "sign")
    assert (await room.events.act(fire, no, "sign")).state == "signed"
    assert room.heard()[-1].department == "city-fire"


async def test_an_event_is_reported_by_phone_once_however_often_it_is_sent(room: EventsRoom, person: Person) -> None:
    report = Report(new_id(), "04-96", "消防通道被三轮车堵住", "phone", "测试路2号", 120.5, 30.25, urgent=True)
    event = await room.events.report(person("duty_officer"), report)
    assert await room.events.report(person("duty_officer"), report) == event
    assert (event.class_name, event.source, event.reported_by) == ("占用消防通道", "phone", "duty_officer")
    assert (event.state, event.camera_code, event.urgent) == ("reported", "", True)
    assert await room.how_many(EventRow) == 1
    with pytest.raises(Refusal, match="report_id_taken"):
        await room.events.report(person("grid_member"), report)
    with pytest.raises(Refusal, match="class_unknown"):
        await room.events.report(person("duty_officer"), Report(new_id(), "77-77", "不明", "phone"))


async def test_a_duplicate_is_linked_to_its_original_and_ends(room: EventsRoom, person: Person) -> None:
    original = await _event(room)
    report = Report(new_id(), "90-01", "有人来电称同一处起火", "phone")
    duplicate = await room.events.report(person("duty_officer"), report)
    asked = StepAsked(duplicate_of=original.no)
    merged = await room.events.act(person("duty_officer"), duplicate.no, "merge_duplicate", asked)
    assert (merged.state, merged.duplicate_of) == ("cancelled", original.no)
    assert (await room.event(original.no)).duplicates == [duplicate.no]


async def test_walks_at_random_lose_no_row_and_refusals_change_nothing(room: EventsRoom, person: Person) -> None:
    chance = random.Random(20260213)
    roles = sorted({role for way in TRANSITIONS.values() for role in way.roles})
    for walk in range(3):
        event = await _event(room, zone=f"zone-{walk}")
        taken = []
        for _ in range(60):
            room.clock.advance(minutes=chance.choice((0, 1, 5)))
            possible = [way for way in TRANSITIONS.values() if event.state in way.from_states]
            if chance.random() < 0.3 or not possible:
                possible = list(TRANSITIONS.values())
            way = chance.choice(possible)
            role = chance.choice(sorted(way.roles) if chance.random() < 0.9 else roles)
            until = event.due_at + timedelta(hours=1) if event.due_at else None
            if way.action == "feedback" and event.closed_at is None:
                event = await room.add_photo(person(role), event.no)
            asked = StepAsked(chance.choice(("", "理由")), None, None, None, until)
            try:
                now = await room.events.act(person(role), event.no, way.action, asked)
            except Refusal:
                assert await room.event(event.no) == event
                continue
            taken.append(way.action)
            event = now
        actions = [step.action for step in event.flow if step.operator != "system"]
        assert actions == taken
        chain = [step.to_state for step in event.flow]
        assert [step.from_state for step in event.flow] == [None, *chain[:-1]]
        if event.state == "closed":
            assert [chain[-2], event.flow[-1].action] == ["checking", "close"]
    assert await _audited(room)
