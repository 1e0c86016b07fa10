"""What workers raise is stored exactly once, however often and in whatever order it is sent, with its evidence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from gateway.access import audit
from gateway.events.announcing import Changes
from gateway.events.cameras import CameraFact
from gateway.events.raised_alerts import RaisedAlerts
from gateway.processes.messages import AlertEnded, AlertRaised, AlertSeen, AlertStored, Done, EvidenceStored
from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.events import AlertRow, AlertSightingRow, CounterRow, EventRow, EvidenceRow, OutboxRow
from gateway.workers.camera.delivery import snapshot_of

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom


async def test_an_alert_is_stored_with_its_camera_snapshot_and_windows_and_told_live(room: EventsRoom) -> None:
    message = room.alert("crowd")
    assert await room.intake.handle(message) == AlertStored(message.alert_id)
    alert = await room.shown(message.alert_id)
    assert (alert.state, alert.class_code, alert.class_name) == ("detected", "90-02", "人员聚集")
    assert (alert.camera_name, alert.grid, alert.platform) == ("测试路口东", "990000000001001", "hub")
    assert alert.acknowledge_until == room.clock() + timedelta(seconds=60)
    assert alert.hazard_from < alert.raised_at
    [snapshot] = alert.evidence
    assert (snapshot.kind, snapshot.media_type, snapshot.sha256) == ("snapshot", "image/jpeg", message.snapshot_sha256)
    [notice] = room.heard()
    assert (notice.topic, notice.data["id"], notice.platform) == ("alert.raised", message.alert_id, "hub")
    assert notice.data["raised_at"].endswith("Z")


async def test_an_alert_sent_again_is_the_same_alert(room: EventsRoom) -> None:
    message = room.alert()
    answers = [await room.intake.handle(message) for _ in range(3)]
    assert answers == [AlertStored(message.alert_id)] * 3
    assert await room.how_many(AlertRow) == await room.how_many(AlertSightingRow) == 1
    assert await room.how_many(EvidenceRow) == 1
    assert room.topics() == ["alert.raised"]


async def test_an_alert_sent_twice_at_once_is_stored_once(room: EventsRoom) -> None:
    message = room.alert()
    answers = await asyncio.gather(*(room.intake.handle(message) for _ in range(5)))
    assert set(answers) == {AlertStored(message.alert_id)}
    assert await room.how_many(AlertRow) == 1
    assert room.topics() == ["alert.raised"]


async def test_an_alert_sent_again_after_its_journal_entry_is_gone_is_still_answered(room: EventsRoom) -> None:
    message = room.alert()
    await room.intake.handle(message)
    room.forget(message)
    assert await room.intake.handle(message) == AlertStored(message.alert_id)
    assert len((await room.shown(message.alert_id)).evidence) == 1


async def test_a_hazard_raised_anew_by_a_worker_that_died_extends_the_open_alert(room: EventsRoom) -> None:
    first = await room.raise_alert("crowd")
    room.clock.advance(seconds=20)
    again = room.alert("crowd")
    assert await room.intake.handle(again) == AlertStored(again.alert_id, merged_into=first)
    assert await room.intake.handle(again) == AlertStored(again.alert_id, merged_into=first)
    alert = await room.shown(first)
    assert alert.sightings == 2
    assert alert.last_seen_at == room.clock()
    assert len(alert.evidence) == 2
    assert await room.how_many(AlertRow) == 1


async def test_what_is_raised_after_hours_in_which_nobody_was_heard_is_no_part_of_the_alert_before(
    room: EventsRoom,
) -> None:
    """Control was away meanwhile: the alert was still open, and its worker's word of its end may come last."""
    first = await room.raise_alert("crowd")
    last_seen = room.clock()
    room.clock.advance(hours=10)
    again = room.alert("crowd")
    assert await room.intake.handle(again) == AlertStored(again.alert_id)
    alert = await room.shown(first)
    assert (alert.ended_at, alert.sightings) == (last_seen, 1)
    await room.intake.handle(AlertEnded(first, last_seen.timestamp() + 60))
    assert (await room.shown(first)).ended_at == last_seen + timedelta(seconds=60)
    assert (await room.shown(again.alert_id)).ended_at is None


async def test_five_workers_raising_one_hazard_at_once_make_one_open_alert(room: EventsRoom) -> None:
    messages = [room.alert("crowd") for _ in range(5)]
    answers = await asyncio.gather(*(room.intake.alert_raised(message) for message in messages))
    assert await room.how_many(AlertRow) == 1
    assert await room.how_many(AlertSightingRow) == 5
    assert sum(answer.merged_into is None for answer in answers) == 1


async def test_other_zones_and_hazards_are_alerts_of_their_own(room: EventsRoom) -> None:
    await room.raise_alert("crowd", zone="square")
    await room.raise_alert("crowd", zone="gate")
    await room.raise_alert("stall", zone="square")
    assert await room.how_many(AlertRow) == 3


async def test_seeing_the_hazard_again_counts_but_is_no_revision(room: EventsRoom) -> None:
    alert_id = await room.raise_alert()
    before = await room.shown(alert_id)
    room.clock.advance(seconds=5)
    assert await room.intake.handle(AlertSeen(alert_id, room.clock().timestamp(), 0.95)) == Done()
    after = await room.shown(alert_id)
    assert (after.sightings, after.score, after.last_seen_at) == (2, 0.95, room.clock())
    assert after.revision == before.revision
    assert room.topics() == ["alert.raised", "alert.changed"]


async def test_an_ended_alert_makes_room_for_a_new_one(room: EventsRoom) -> None:
    alert_id = await room.raise_alert()
    room.clock.advance(seconds=10)
    end = AlertEnded(alert_id, room.clock().timestamp())
    assert await room.intake.handle(end) == await room.intake.handle(end) == Done()
    assert (await room.shown(alert_id)).ended_at == room.clock()
    room.clock.advance(seconds=10)
    second = await room.raise_alert()
    assert await room.how_many(AlertRow) == 2
    assert (await room.shown(second)).ended_at is None


async def test_the_end_of_an_older_sighting_does_not_end_the_alert(room: EventsRoom) -> None:
    first = await room.raise_alert()
    room.clock.advance(seconds=5)
    second = await room.raise_alert()
    await room.intake.handle(AlertEnded(first, room.clock().timestamp()))
    assert (await room.shown(first)).ended_at is None
    await room.intake.handle(AlertEnded(second, room.clock().timestamp()))
    assert (await room.shown(first)).ended_at is not None


async def test_a_clip_is_kept_once_with_its_true_bounds(room: EventsRoom) -> None:
    alert_id = await room.raise_alert()
    clip = room.clip(alert_id, partial=True)
    for _ in range(2):
        assert await room.intake.handle(clip) == EvidenceStored(clip.evidence_id)
    kept = next(item for item in (await room.shown(alert_id)).evidence if item.kind == "clip")
    assert (kept.id, kept.media_type, kept.partial, kept.size) == (clip.evidence_id, "video/mp4", True, clip.size)
    assert kept.starts_at < (await room.shown(alert_id)).hazard_from
    assert room.topics() == ["alert.raised", "alert.changed"]


async def test_a_clip_that_comes_before_its_alert_waits_for_it(room: EventsRoom) -> None:
    message = room.alert()
    clip = room.clip(message.alert_id)
    assert await room.intake.handle(clip) == EvidenceStored(clip.evidence_id)
    assert room.topics() == []
    await room.intake.handle(message)
    assert {item.kind for item in (await room.shown(message.alert_id)).evidence} == {"snapshot", "clip"}


async def test_alert_and_clip_sent_at_once_end_up_together(room: EventsRoom) -> None:
    message = room.alert()
    clip = room.clip(message.alert_id)
    await asyncio.gather(room.intake.handle(clip), room.intake.handle(message), room.intake.handle(clip))
    assert {item.kind for item in (await room.shown(message.alert_id)).evidence} == {"snapshot", "clip"}


@pytest.mark.parametrize("restarted", [False, True], ids=["same worker", "restarted worker and control"])
async def test_a_snapshot_that_follows_its_alert_is_that_alert_s_and_there_once(
    room: EventsRoom, restarted: bool
) -> None:
    """The worker's disk had refused it; journalled since, the alert itself is sent again by a worker that restarts."""
    placed = room.alert("fire")
    with capture_logs() as logged:
        assert await room.intake.handle(without_snapshot(placed)) == AlertStored(placed.alert_id)
    assert "snapshot_not_adopted" not in {line["event"] for line in logged}  # none was sent
    assert (await room.shown(placed.alert_id)).evidence == []
    snapshot = snapshot_of(placed)
    for _ in range(2):
        assert await room.intake.handle(snapshot) == EvidenceStored(placed.alert_id)
    if restarted:
        room.intake._lately.clear()
        assert await room.intake.handle(placed) == AlertStored(placed.alert_id)
    [kept] = (await room.shown(placed.alert_id)).evidence
    assert (kept.id, kept.kind, kept.sha256) == (placed.alert_id, "snapshot", placed.snapshot_sha256)
    assert await room.how_many(AlertRow) == 1


def without_snapshot(placed: AlertRaised) -> AlertRaised:
    """As it is told where the worker's disk did not take it at once."""
    return msgspec.structs.replace(placed, snapshot_path="", snapshot_sha256="", why={"snapshot": "not_written"})


@pytest.mark.parametrize("at_once", [False, True], ids=["one after the other", "at once"])
async def test_a_snapshot_that_was_not_taken_over_before_its_worker_died_comes_with_the_alert_of_the_next(
    room: EventsRoom, at_once: bool
) -> None:
    """Control lived on and knew the alert for stored; the journal forgot it, and the snapshot was lost."""
    placed = room.alert("fire")
    told = [without_snapshot(placed), placed, placed]
    handled = [room.intake.handle(message) for message in told]
    answers = await asyncio.gather(*handled) if at_once else [await one for one in handled]
    assert answers == [AlertStored(placed.alert_id)] * 3
    [kept] = (await room.shown(placed.alert_id)).evidence
    assert (kept.id, kept.kind, kept.sha256) == (placed.alert_id, "snapshot", placed.snapshot_sha256)
    assert await room.how_many(AlertRow) == 1


@pytest.mark.parametrize("again_with_it", [True, False], ids=["sent with its snapshot", "sent without"])
async def test_an_alert_whose_snapshot_was_there_before_it_is_stored(room: EventsRoom, again_with_it: bool) -> None:
    """Refused at first, it ran into its own snapshot whenever it was sent again: it was never stored."""
    placed, other = room.alert("fire"), room.alert("fire", zone="gate")
    assert await room.intake.handle(snapshot_of(placed)) == EvidenceStored(placed.alert_id)
    sent = placed if again_with_it else without_snapshot(placed)
    answers = await asyncio.gather(*(room.intake.handle(message) for message in (sent, other, sent)))
    assert answers == [AlertStored(message.alert_id) for message in (sent, other, sent)]
    alert = await room.shown(placed.alert_id)
    assert (alert.state, [one.id for one in alert.evidence]) == ("auto_promoted", [placed.alert_id])
    assert room.topics().count("alert.raised") == await room.how_many(AlertRow) == 2


async def test_that_a_snapshot_is_wanting_is_said_of_alert_and_event_until_it_is_there(room: EventsRoom) -> None:
    """An alert said for good that its snapshot was on its way; of its event only that there was no evidence yet."""
    placed = room.alert("fire")
    await room.intake.handle(without_snapshot(placed))
    alert = await room.shown(placed.alert_id)
    assert alert.why == {"snapshot": "not_written"}
    assert (await room.event(alert.event_no)).snapshot_wanting == "not_written"

    await room.intake.handle(snapshot_of(placed))
    assert (await room.shown(placed.alert_id)).why == {}
    assert (await room.event(alert.event_no)).snapshot_wanting is None


async def test_an_event_whose_alert_has_its_snapshot_wants_none(room: EventsRoom) -> None:
    alert = await room.shown(await room.raise_alert("fire"))
    assert (await room.event(alert.event_no)).snapshot_wanting is None


async def test_an_alert_without_a_sound_snapshot_is_stored_all_the_same(room: EventsRoom) -> None:
    message = msgspec.structs.replace(room.alert(), snapshot_sha256="0" * 64)
    assert await room.intake.handle(message) == AlertStored(message.alert_id)
    assert (await room.shown(message.alert_id)).evidence == []


async def test_a_full_disk_costs_no_alert_and_the_picture_is_taken_when_there_is_room(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = room.alert()
    adopt = EvidenceFiles.adopt

    async def full(*_args: object, **_options: object) -> None:
        raise Refusal("unavailable", "disk_full", "磁盘已满。", "The disk is full.")

    monkeypatch.setattr(EvidenceFiles, "adopt", full)
    with pytest.raises(Refusal, match="disk_full"):
        await room.intake.handle(message)
    assert (await room.shown(message.alert_id)).evidence == []
    monkeypatch.setattr(EvidenceFiles, "adopt", adopt)
    assert await room.intake.handle(message) == AlertStored(message.alert_id)
    assert len((await room.shown(message.alert_id)).evidence) == 1
    assert room.topics() == ["alert.raised", "alert.changed"]


async def test_an_unknown_hazard_is_refused_and_nothing_is_stored(room: EventsRoom) -> None:
    with pytest.raises(Refusal, match="hazard_unknown"):
        await room.intake.handle(room.alert("earthquake"))
    assert await room.how_many(AlertRow) == await room.how_many(EvidenceRow) == 0


async def test_an_alert_of_a_camera_that_is_gone_is_the_hubs(room: EventsRoom) -> None:
    message = room.alert(code="99000000001320009999")
    await room.intake.handle(message)
    alert = await room.shown(message.alert_id)
    assert (alert.platform, alert.camera_name, alert.grid) == ("hub", "99000000001320009999", None)


async def test_what_a_database_cannot_store_is_left_out_of_why(room: EventsRoom) -> None:
    why = {"scores": [math.nan, math.inf, 0.5], "note": "a\x00b"}
    message = msgspec.structs.replace(room.alert(), why=why, score=math.nan)
    await room.intake.handle(message)
    alert = await room.shown(message.alert_id)
    assert alert.why == {"scores": [None, None, 0.5], "note": "ab"}
    assert alert.score == 0


async def test_a_time_that_is_none_is_refused_and_one_ahead_of_ours_stretches_no_window(room: EventsRoom) -> None:
    message = room.alert()
    with pytest.raises(Refusal, match="time_invalid"):
        await room.intake.handle(msgspec.structs.replace(message, raised_at=math.nan))
    ahead = room.clock().timestamp() + 3600
    await room.intake.handle(msgspec.structs.replace(message, raised_at=ahead))
    assert (await room.shown(message.alert_id)).raised_at == room.clock()


async def test_news_of_an_alert_that_nobody_knows_do_no_harm(room: EventsRoom) -> None:
    assert await room.intake.handle(AlertSeen(new_id(), room.clock().timestamp(), 0.5)) == Done()
    assert await room.intake.handle(AlertEnded(new_id(), room.clock().timestamp())) == Done()
    assert room.topics() == []


async def test_a_fire_opens_its_event_at_once(room: EventsRoom) -> None:
    alert_id = await room.raise_alert("fire")
    alert = await room.shown(alert_id)
    assert alert.state == "auto_promoted"
    event = await room.event(alert.event_no)
    assert (event.state, event.class_code, event.alert_ids) == ("reported", "90-01", [alert_id])
    assert "119" in event.description
    assert room.topics() == ["alert.raised", "alert.changed", "event.opened"]
    assert len(room.wakes) == 1


async def test_a_fire_sent_five_times_at_once_opens_one_event(room: EventsRoom) -> None:
    message = room.alert("fire")
    await asyncio.gather(*(room.intake.handle(message) for _ in range(5)))
    assert await room.how_many(EventRow) == await room.how_many(OutboxRow) == 1


async def test_a_later_sighting_joins_the_event_that_is_still_open(room: EventsRoom) -> None:
    first = await room.raise_alert("fire")
    await room.intake.handle(AlertEnded(first, room.clock().timestamp()))
    room.clock.advance(minutes=5)
    second = await room.raise_alert("fire")
    alert = await room.shown(second)
    event = await room.event((await room.shown(first)).event_no)
    assert (alert.state, alert.event_no) == ("merged", event.no)
    assert event.alert_ids == [first, second]
    assert [step.action for step in event.flow] == ["report", "alert_link"]
    assert await room.how_many(EventRow) == 1


async def test_an_intake_that_fails_before_its_commit_tells_nobody_and_stores_it_when_it_comes_again(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = room.alert("fire")

    async def fail(*_args: object, **_options: object) -> None:
        raise Refusal("unavailable", "database_busy", "数据库繁忙。", "The database is busy.")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "append_all", fail)
        with pytest.raises(Refusal, match="database_busy"):
            await room.intake.handle(message)
    for table in (AlertRow, AlertSightingRow, EventRow, EvidenceRow, OutboxRow, CounterRow):
        assert await room.how_many(table) == 0
    assert room.topics() == []
    assert room.wakes == []
    assert await room.intake.handle(message) == AlertStored(message.alert_id)
    assert (await room.shown(message.alert_id)).event_no == "hub-20300107-00001"


async def test_a_rush_is_stored_in_few_transactions_each_alert_once(room: EventsRoom) -> None:
    messages = [room.alert(hazard, zone=f"zone-{n}") for n in range(20) for hazard in ("fire", "crowd", "stall")]
    again = [messages[0], messages[1], room.alert("fire", zone="zone-0")]
    commits: list[None] = []
    event.listen(room.db.engine.sync_engine, "commit", lambda _: commits.append(None))
    answers = await asyncio.gather(*(room.intake.handle(message) for message in (*messages, *again)))
    assert answers[: len(messages)] == [AlertStored(message.alert_id) for message in messages]
    assert answers[-1] == AlertStored(again[-1].alert_id, merged_into=messages[0].alert_id)
    assert len(commits) <= 6
    assert await room.how_many(AlertRow) == len(messages)
    assert await room.how_many(EvidenceRow) == len(messages) + 1
    assert await room.how_many(EventRow) == 20
    assert (await room.event(f"hub-{room.clock():%Y%m%d}-00020")).state == "reported"
    topics = room.topics()
    assert (topics.count("alert.raised"), topics.count("event.opened")) == (60, 20)
    async with room.db.reading() as session:
        assert (await audit.verify(session)).holds


async def test_an_alert_told_again_and_again_while_it_is_stored_costs_one_transaction(room: EventsRoom) -> None:
    message = room.alert("fire")
    commits: list[None] = []
    event.listen(room.db.engine.sync_engine, "commit", lambda _: commits.append(None))
    answers = await asyncio.gather(*(room.intake.handle(message) for _ in range(20)))
    assert answers == [AlertStored(message.alert_id)] * 20
    assert len(commits) == 1
    assert await room.how_many(EventRow) == 1


async def test_an_alert_told_again_after_it_was_stored_is_answered_without_the_database(room: EventsRoom) -> None:
    message = room.alert("fire")
    answer = await room.intake.handle(message)
    begun: list[None] = []
    event.listen(room.db.engine.sync_engine, "begin", lambda _: begun.append(None))
    assert await room.intake.handle(message) == answer
    assert begun == []


@pytest.mark.parametrize("fault", [KeyError("a class of another version"), RuntimeError("a bug")])
async def test_of_a_rush_an_alert_that_cannot_be_stored_for_whatever_reason_costs_only_itself(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """All that came with it were refused, again and again; or nobody was answered at all, and none of them stored."""
    messages = [room.alert("crowd", zone=f"zone-{n}") for n in range(6)]
    poison = messages[2]
    alert_of = RaisedAlerts._alert

    async def fails_for_one(
        self: RaisedAlerts, session: AsyncSession, raised: Any, facts: dict[str, CameraFact], changes: Changes
    ) -> AlertRow:
        if raised.message.alert_id == poison.alert_id:
            raise fault
        return await alert_of(self, session, raised, facts, changes)

    monkeypatch.setattr(RaisedAlerts, "_alert", fails_for_one)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(room.intake.handle(message) for message in messages), return_exceptions=True)
    assert [one for one in answers if isinstance(one, Exception)] == [fault]
    assert await room.how_many(AlertRow) == 5
    monkeypatch.undo()
    assert await room.intake.handle(poison) == AlertStored(poison.alert_id)


async def test_of_a_rush_that_a_full_database_refused_first_every_alert_is_answered_though_one_fails_otherwise(
    room: EventsRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [room.alert("crowd", zone=f"zone-{n}") for n in range(4)]
    poison, tried = messages[1], list[int]()
    commit = RaisedAlerts._commit

    async def fails(self: RaisedAlerts, batch: Sequence[Any]) -> None:
        tried.append(len(batch))
        if len(batch) > 1:
            raise Refusal("unavailable", "database_busy", "数据库繁忙。", "The database is busy.")
        if batch[0].message.alert_id == poison.alert_id:
            raise KeyError("a class of another version")
        await commit(self, batch)

    monkeypatch.setattr(RaisedAlerts, "_commit", fails)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(room.intake.handle(message) for message in messages), return_exceptions=True)
    assert [type(one).__name__ for one in answers].count("AlertStored") == 3
    assert max(tried) > 1
