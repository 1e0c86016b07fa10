"""The unattended becomes an event, once, however many sweeps there are; a silent alert ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.promotion import Swept
from gateway.processes.messages import ALERT_OVER, AlertEnded, AlertSeen, Done
from gateway.refusals import Refusal
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.events import AlertRow, EventFlowRow, EventRow, OutboxRow

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]


async def test_an_unattended_alert_becomes_an_event_with_flow_evidence_outbox_and_audit(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    clip = room.clip(alert_id)
    await room.intake.handle(clip)
    room.clock.advance(seconds=59)
    assert await room.promotion.sweep(room.clock()) == Swept(0, 0)
    room.clock.advance(seconds=1)
    room.heard()
    assert await room.promotion.sweep(room.clock()) == Swept(1, 0)

    alert = await room.shown(alert_id)
    event = await room.event(alert.event_no)
    assert alert.state == "auto_promoted"
    assert event.no == "hub-20300107-00001"
    assert (event.state, event.class_code, event.level, event.category) == ("reported", "90-02", 4, "safety")
    assert (event.grid, event.lng, event.lat, event.address) == ("990000000001001", 120.5, 30.25, "测试路1号")
    assert event.due_at == room.clock() + timedelta(minutes=15)
    assert [item.kind for item in event.evidence] == ["clip", "snapshot"]
    [step] = event.flow
    assert (step.from_state, step.to_state, step.action, step.operator) == (None, "reported", "report", "system")
    notices = room.heard()
    assert [notice.topic for notice in notices] == ["alert.changed", "event.opened"]
    async with room.db.reading() as session:
        message = (await session.scalars(select(OutboxRow))).one()
        audited = (await session.scalars(select(AuditRow).where(AuditRow.what == "event.open"))).one()
    assert (message.type, message.subject) == ("gateway.event.opened", f"events/{event.no}")
    assert message.data == notices[1].data
    assert (audited.who, audited.target) == ("system", f"event:{event.no}")
    assert len(room.wakes) == 1


async def test_sweeping_again_changes_nothing(room: EventsRoom) -> None:
    await room.raise_alert("crowd")
    room.clock.advance(seconds=61)
    assert (await room.promotion.sweep(room.clock())).promoted == 1
    assert (await room.promotion.sweep(room.clock())).promoted == 0
    assert await room.how_many(EventRow) == 1


async def test_sweeps_at_once_open_one_event_for_each_alert(room: EventsRoom) -> None:
    for zone in ("a", "b", "c", "d"):
        await room.raise_alert("crowd", zone=zone)
    room.clock.advance(seconds=61)
    sweepers = [room.promotion, *(room.another_promotion() for _ in range(3))]
    swept = await asyncio.gather(*(sweeper.sweep(room.clock()) for sweeper in sweepers))
    assert sum(each.promoted for each in swept) == 4
    assert await room.how_many(EventRow) == await room.how_many(OutboxRow) == await room.how_many(EventFlowRow) == 4


async def test_two_alerts_of_one_place_that_lapse_together_are_one_event(room: EventsRoom) -> None:
    first = await room.raise_alert("crowd")
    await room.intake.handle(AlertEnded(first, room.clock().timestamp()))
    second = await room.raise_alert("crowd")
    room.clock.advance(seconds=61)
    await asyncio.gather(*(room.another_promotion().sweep(room.clock()) for _ in range(2)))
    await room.promotion.sweep(room.clock())
    alerts = [await room.shown(first), await room.shown(second)]
    assert sorted(alert.state for alert in alerts) == ["auto_promoted", "merged"]
    assert len({alert.event_no for alert in alerts}) == 1
    assert await room.how_many(EventRow) == 1


async def test_an_acknowledged_alert_waits_for_its_assessment_window_and_is_then_promoted(
    room: EventsRoom, person: Person
) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(seconds=30)
    await room.desk.acknowledge(person("duty_officer"), alert_id)
    room.clock.advance(seconds=179)
    assert (await room.promotion.sweep(room.clock())).promoted == 0
    room.clock.advance(seconds=1)
    assert (await room.promotion.sweep(room.clock())).promoted == 1
    assert (await room.shown(alert_id)).state == "auto_promoted"


async def test_an_alert_that_has_ended_is_promoted_all_the_same(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    await room.intake.handle(AlertEnded(alert_id, room.clock().timestamp()))
    room.clock.advance(seconds=61)
    assert (await room.promotion.sweep(room.clock())).promoted == 1


async def test_evidence_that_comes_after_the_promotion_is_shown_with_the_event_and_told(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("fire")
    no = (await room.shown(alert_id)).event_no
    room.heard()
    clip = room.clip(alert_id)
    await room.intake.handle(clip)
    assert clip.evidence_id in [item.id for item in (await room.event(no)).evidence]
    assert room.topics() == ["alert.changed", "event.changed"]
    assert await room.how_many(OutboxRow) == 2


async def test_an_alert_whose_worker_is_silent_ends_when_it_was_last_seen(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    last_seen = room.clock()
    room.clock.advance(seconds=90)
    assert (await room.promotion.sweep(room.clock())).ended == 0
    room.clock.advance(seconds=1)
    assert (await room.promotion.sweep(room.clock())).ended == 1
    assert (await room.shown(alert_id)).ended_at == last_seen


async def test_an_alert_that_is_seen_goes_on(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    for _ in range(4):
        room.clock.advance(seconds=60)
        await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
        assert (await room.promotion.sweep(room.clock())).ended == 0
    assert (await room.shown(alert_id)).ended_at is None


async def test_control_that_was_away_hears_its_workers_before_it_ends_alerts(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(minutes=10)
    restarted = room.another_promotion()
    assert (await restarted.sweep(room.clock())).ended == 0
    room.clock.advance(seconds=5)
    await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
    room.clock.advance(seconds=89)
    assert (await restarted.sweep(room.clock())).ended == 0
    room.clock.advance(seconds=1)
    assert (await restarted.sweep(room.clock())).ended == 1


async def test_a_database_that_was_away_ends_no_alert_before_its_worker_can_be_heard(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told meanwhile was lost, and the alert was over before the next word came."""
    alert_id = await room.raise_alert("crowd")

    async def away(_now: object) -> Swept:
        raise Refusal("unavailable", "database_away", "数据库不可用", "the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(room.promotion, "sweep", away)
        for _ in range(10):
            room.clock.advance(minutes=1)
            with pytest.raises(Refusal):
                await room.promotion._turn()
    room.clock.advance(seconds=1)
    assert (await room.promotion.sweep(room.clock())).ended == 0
    await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
    room.clock.advance(seconds=91)
    assert (await room.promotion.sweep(room.clock())).ended == 1


class TakesNothing:
    """A database that is read and takes nothing, its disk being full, for the next ``times`` transactions."""

    def __init__(self, room: EventsRoom, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, transaction = times, room.db.transaction

        @asynccontextmanager
        async def refused() -> AsyncIterator[AsyncSession]:
            if self.left:
                self.left -= 1
                raise Refusal("unavailable", "database_full", "数据库磁盘已满", "the database's disk is full")
            async with transaction() as session:
                yield session

        monkeypatch.setattr(room.db, "transaction", refused)


async def test_a_database_that_was_read_and_took_nothing_ends_no_alert_before_its_worker_can_be_heard(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room on its disk again all open alerts were ended, and each hazard that lasted was raised once more."""
    alert_id = await room.raise_alert("fire")
    disk = TakesNothing(room, monkeypatch, times=10_000)
    for _ in range(100):
        room.clock.advance(seconds=2)
        await room.promotion._turn()
        with pytest.raises(Refusal, match="database_full"):
            await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
    disk.left = 0
    for _ in range(5):  # until its worker says that it lasts
        room.clock.advance(seconds=1)
        await room.promotion._turn()
    assert await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9)) == Done()
    assert (await room.shown(alert_id)).ended_at is None
    room.clock.advance(seconds=91)
    await room.promotion._turn()
    assert (await room.shown(alert_id)).ended_at is not None, "silence counts from then"


async def test_a_sweep_whose_writes_are_refused_ends_nothing_when_the_database_is_back_within_it(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = [await room.raise_alert("fire", zone=zone) for zone in ("square", "gate")]
    room.clock.advance(seconds=91)
    TakesNothing(room, monkeypatch, times=1)
    assert (await room.promotion.sweep(room.clock())).ended == 0
    assert [(await room.shown(alert_id)).ended_at for alert_id in alerts] == [None, None]


async def test_an_alert_ended_for_silence_is_open_again_when_its_hazard_is_seen(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("crowd")
    room.clock.advance(seconds=91)
    await room.promotion.sweep(room.clock())
    await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.9))
    assert (await room.shown(alert_id)).ended_at is None
    again = room.alert("crowd")
    assert (await room.intake.alert_raised(again)).merged_into == alert_id


async def test_an_alert_that_ended_long_ago_is_not_open_again_and_what_is_seen_is_another(room: EventsRoom) -> None:
    """Ten hours later it was open again, and lasted ten hours: nobody was told of what was there then."""
    old = await room.raise_alert("fire")
    room.clock.advance(seconds=91)
    await room.promotion.sweep(room.clock())
    ended = await room.shown(old)
    room.clock.advance(hours=10)
    room.heard()
    with pytest.raises(Refusal, match=ALERT_OVER):
        await room.intake.handle(AlertSeen(old, room.clock().timestamp(), 0.9))
    assert await room.shown(old) == ended
    assert room.topics() == []
    new = await room.raise_alert("fire")
    assert room.topics()[0] == "alert.raised"
    assert (await room.shown(new)).event_no == ended.event_no, "the event of the place is still open"


async def test_seeing_an_old_alert_does_not_open_a_second_one(room: EventsRoom) -> None:
    old = await room.raise_alert("crowd")
    room.clock.advance(seconds=91)
    await room.promotion.sweep(room.clock())
    new = await room.raise_alert("crowd")
    with pytest.raises(Refusal, match=ALERT_OVER):
        await room.intake.handle(AlertSeen(old, room.clock().timestamp(), 0.9))
    again = room.alert("crowd")
    assert (await room.intake.alert_raised(again)).merged_into == new, "raised anew by its worker, it is that one"
    assert (await room.shown(old)).ended_at is not None
    assert (await room.shown(new)).ended_at is None
    async with room.db.reading() as session:
        keys = list(await session.scalars(select(AlertRow.id).where(AlertRow.open_key.is_not(None))))
    assert keys == [new]
