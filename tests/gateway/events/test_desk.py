"""What people do: each act by its role and on what they looked at, in flow and audit chain, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.desk import Assessment
from gateway.events.event_desk import StepAsked
from gateway.processes.messages import AlertSeen
from gateway.refusals import Refusal
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.events import AlertRow, EventRow

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]


async def _audited(room: EventsRoom) -> list[tuple[str, str]]:
    async with room.db.reading() as session:
        assert (await audit.verify(session)).holds
        return [(row.who, row.what) for row in await session.scalars(select(AuditRow).order_by(AuditRow.seq))]


async def test_acknowledging_begins_one_assessment_window(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("stall")
    officer = person("duty_officer")
    alert = await room.desk.acknowledge(officer, alert_id)
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "duty_officer")
    assert alert.assess_until == room.clock() + timedelta(minutes=15)
    with pytest.raises(Refusal, match="alert_state"):
        await room.desk.acknowledge(officer, alert_id)
    assert await _audited(room) == [("duty_officer", "alert.acknowledge")]
    assert room.topics() == ["alert.raised", "alert.changed"]


async def test_a_lapsed_window_is_not_acknowledged_any_more(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(seconds=60)
    with pytest.raises(Refusal, match="window_lapsed"):
        await room.desk.acknowledge(person("duty_officer"), alert_id)
    assert (await room.shown(alert_id)).state == "detected"


async def test_two_officers_at_once_and_one_of_them_acknowledges(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    acts = (room.desk.acknowledge(person("duty_officer"), alert_id, revision=1) for _ in range(2))
    results = await asyncio.gather(*acts, return_exceptions=True)
    assert sum(isinstance(result, Refusal) for result in results) == 1
    assert len(await _audited(room)) == 1


async def test_a_stale_revision_is_refused_but_sightings_make_none_stale(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
    await room.desk.acknowledge(person("duty_officer"), alert_id, revision=1)
    with pytest.raises(Refusal, match="revision_stale"):
        await room.desk.assess(person("duty_officer"), alert_id, Assessment("confirmed"), revision=1)


async def test_confirming_opens_the_event_at_once_in_the_officers_name(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    alert = await room.desk.assess(person("duty_officer"), alert_id, Assessment("confirmed", "人群聚集属实"))
    event = await room.event(alert.event_no)
    assert (alert.state, alert.assessed_by, event.state) == ("confirmed", "duty_officer", "reported")
    [step] = event.flow
    assert (step.action, step.operator, step.opinion) == ("report", "duty_officer", "人群聚集属实")
    room.clock.advance(hours=1)
    assert (await room.promotion.sweep(room.clock())).promoted == 0
    assert await _audited(room) == [("duty_officer", "event.open"), ("duty_officer", "alert.confirm")]


async def test_confirming_and_sweeping_at_once_make_one_event(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(seconds=60)
    await asyncio.gather(
        room.desk.assess(person("duty_officer"), alert_id, Assessment("confirmed")),
        room.promotion.sweep(room.clock()),
        room.another_promotion().sweep(room.clock()),
    )
    assert await room.how_many(EventRow) == 1
    assert (await room.shown(alert_id)).state == "confirmed"


async def test_a_false_positive_needs_a_reason_and_opens_nothing(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    with pytest.raises(Refusal, match="reason_missing"):
        await room.desk.assess(person("duty_officer"), alert_id, Assessment("false_positive", " "))
    alert = await room.desk.assess(person("duty_officer"), alert_id, Assessment("false_positive", "雕像"))
    assert (alert.state, alert.reason, alert.event_no) == ("false_positive", "雕像", None)
    room.clock.advance(hours=1)
    await room.promotion.sweep(room.clock())
    assert await room.how_many(EventRow) == 0


async def test_a_false_positive_after_the_promotion_proposes_not_to_accept(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("fire")
    alert = await room.desk.assess(person("duty_officer"), alert_id, Assessment("false_positive", "夕阳反光"))
    event = await room.event(alert.event_no)
    assert (alert.state, event.state) == ("false_positive", "reported")
    assert [step.action for step in event.flow] == ["report", "propose_not_accept"]
    assert "夕阳反光" in event.flow[1].opinion


async def test_a_judgement_on_a_lapsed_alert_comes_after_its_promotion(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(seconds=60)
    alert = await room.desk.assess(person("duty_officer"), alert_id, Assessment("false_positive", "雕像"))
    event = await room.event(alert.event_no)
    assert [step.action for step in event.flow] == ["report", "propose_not_accept"]


async def test_a_rejected_fire_that_is_raised_anew_is_an_alert_of_its_own(room: EventsRoom, person: Person) -> None:
    first = await room.raise_alert("fire")
    await room.desk.assess(person("duty_officer"), first, Assessment("false_positive", "夕阳反光"))
    event_no = (await room.shown(first)).event_no
    await room.events.act(person("duty_officer"), event_no or "", "not_accept", StepAsked("误报"))
    second = await room.raise_alert("fire")
    alert = await room.shown(second)
    assert alert.state == "auto_promoted"
    assert alert.event_no != event_no
    assert (await room.shown(first)).ended_at is not None


async def test_a_rejected_stall_holds_its_place_while_it_stays(room: EventsRoom, person: Person) -> None:
    first = await room.raise_alert("stall")
    await room.desk.assess(person("duty_officer"), first, Assessment("false_positive", "许可摊位"))
    again = room.alert("stall")
    assert (await room.intake.alert_raised(again)).merged_into == first


async def test_merging_into_an_event_links_and_into_an_alert_follows_it(room: EventsRoom, person: Person) -> None:
    officer = person("duty_officer")
    main = await room.raise_alert("crowd", zone="a")
    other = await room.raise_alert("crowd", zone="b")
    third = await room.raise_alert("crowd", zone="c")
    await room.desk.assess(officer, third, Assessment("merged", into_alert=other))
    await room.desk.assess(officer, other, Assessment("merged", into_alert=main))
    room.clock.advance(seconds=61)
    assert (await room.promotion.sweep(room.clock())).promoted == 1
    alerts = [await room.shown(alert_id) for alert_id in (main, other, third)]
    assert [alert.state for alert in alerts] == ["auto_promoted", "merged", "merged"]
    assert len({alert.event_no for alert in alerts}) == 1
    fourth = await room.raise_alert("crowd", zone="d")
    await room.desk.assess(officer, fourth, Assessment("merged", "同一人群", into_event=alerts[0].event_no))
    event = await room.event(alerts[0].event_no)
    assert set(event.alert_ids) == {main, other, third, fourth}
    assert len(event.evidence) == 4


async def test_an_alert_is_merged_into_nothing_that_would_let_it_die(room: EventsRoom, person: Person) -> None:
    officer = person("duty_officer")
    first, second = await room.raise_alert("crowd", zone="a"), await room.raise_alert("crowd", zone="b")
    await room.desk.assess(officer, second, Assessment("false_positive", "雕像"))
    for target in (first, second):
        with pytest.raises(Refusal, match="merge_target_unfit"):
            await room.desk.assess(officer, first, Assessment("merged", into_alert=target))
    with pytest.raises(Refusal, match="merge_target_missing"):
        await room.desk.assess(officer, first, Assessment("merged"))
    assert (await room.shown(first)).state == "detected"


async def test_an_alert_of_another_platform_is_not_there(room: EventsRoom, person: Person) -> None:
    alert_id = await room.raise_alert("crowd")
    stranger = person("duty_officer", platforms=frozenset({"town"}))
    with pytest.raises(Refusal, match="alert_unknown"):
        await room.desk.acknowledge(stranger, alert_id)
    with pytest.raises(Refusal, match="alert_unknown"):
        await room.desk.assess(stranger, alert_id, Assessment("confirmed"))
    assert await room.how_many(AlertRow) == 1
