"""What is written as a hard negative: pictures of which nobody found that the hazard was there after all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events.desk import Assessment
from gateway.events.event_desk import StepAsked
from gateway.events.feedback import UNKNOWN, rejected_pictures, tell_export, write_feedback
from gateway.events.intake import evidence_folder
from gateway.events.suppressions import undo
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.events import AlertRow
from gateway.storage.tables.suppressions import SuppressionRow

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]
WHY = {"box": [0.1, 0.2, 0.3, 0.4], "appearance": [128, 128, *[0] * 26]}


class Feedback:
    """Alerts that are raised and rejected, and what is written of them."""

    def __init__(self, room: EventsRoom, officer: Caller, to: Path) -> None:
        self.room, self.officer, self.to = room, officer, to
        self._zone = 0

    async def reject(self, hazard: str = "fire", **facts: object) -> str:
        self._zone += 1
        alert_id = await self.room.raise_alert(hazard, zone=str(self._zone))
        async with self.room.db.transaction() as session:
            row = await session.get(AlertRow, alert_id)
            assert row is not None
            row.why = WHY | {"rule": {"kind": hazard, "zone": str(self._zone)}}
            for name, value in facts.items():
                setattr(row, name, value)
        await self.room.desk.assess(self.officer, alert_id, Assessment("false_positive", "红灯笼"))
        self.room.clock.advance(seconds=1)
        return alert_id

    async def written(self) -> set[str]:
        async with self.room.db.reading() as session:
            pictures = await rejected_pictures(session)
        files = EvidenceFiles(evidence_folder(self.room.settings), ())
        count = write_feedback(pictures, files, self.to)
        images, labels = (self._lying(kind) for kind in ("images", "labels"))
        assert images == labels
        assert count == len(images)
        return images

    def picture(self, alert_id: str, hazard: str) -> bytes:
        return (self.to / "images" / f"feedback_{alert_id}@{UNKNOWN[hazard]}.jpg").read_bytes()

    def _lying(self, kind: str) -> set[str]:
        """Of which alerts files lie there."""
        return {path.name.partition("@")[0].removeprefix("feedback_") for path in (self.to / kind).iterdir()}


@pytest.fixture
def feedback(room: EventsRoom, person: Person, tmp_path: Path) -> Feedback:
    return Feedback(room, person("duty_officer"), tmp_path / "feedback")


async def test_rejected_fires_and_stalls_are_written_and_gatherings_and_what_nobody_rejected_are_not(
    feedback: Feedback,
) -> None:
    fire, stall = await feedback.reject("fire"), await feedback.reject("stall")
    await feedback.reject("crowd")
    assert await feedback.written() == {fire, stall}
    assert feedback.picture(fire, "fire")


async def test_a_rejection_that_was_taken_back_teaches_nothing_and_what_was_written_of_it_goes(
    feedback: Feedback,
) -> None:
    """A fire that was rejected by mistake taught the next weights not to see it."""
    mistaken, right = await feedback.reject(), await feedback.reject()
    assert await feedback.written() == {mistaken, right}
    room = feedback.room
    async with room.db.transaction() as session:
        row = await session.scalar(select(SuppressionRow).where(SuppressionRow.alert_id == mistaken))
        assert row is not None
        await undo(session, feedback.officer, row.id, room.clock())
    assert await feedback.written() == {right}


async def test_what_was_taken_up_as_an_event_all_the_same_is_no_negative(feedback: Feedback) -> None:
    alert_id = await feedback.reject()
    no = (await feedback.room.shown(alert_id)).event_no or ""
    assert await feedback.written() == {alert_id}
    await feedback.room.events.act(feedback.officer, no, "accept", StepAsked())
    assert await feedback.written() == set()


async def test_neither_is_a_drill_nor_a_picture_in_which_another_fire_was_told_that_nobody_rejected(
    feedback: Feedback,
) -> None:
    """The lantern's picture said of the flames beside it that there were none."""
    await feedback.reject(drill=True)
    lantern = await feedback.reject()
    assert await feedback.written() == {lantern}
    await feedback.room.raise_alert("fire", zone="burns")
    assert await feedback.written() == set()


async def test_the_picture_is_the_one_that_was_judged_not_what_its_place_showed_later(
    feedback: Feedback,
) -> None:
    """Those of later sightings were written over it, under its name."""
    room = feedback.room
    alert_id = await feedback.reject("stall")
    path, sha256 = room.picture("later.jpg", b"\xff\xd8 another stall \xff\xd9")
    later = replace(room.alert("stall", zone="1"), snapshot_path=path, snapshot_sha256=sha256)
    assert (await room.intake.alert_raised(later)).merged_into == alert_id
    assert await feedback.written() == {alert_id}
    assert b"another" not in feedback.picture(alert_id, "stall")


async def test_what_permits_stalls_somewhere_or_tells_no_rule_teaches_nothing(feedback: Feedback) -> None:
    """A picture with a permitted stall in it said that there was none."""
    permits = {"kind": "stall", "permitted": [{"x": 0.7, "y": 0.7}]}
    room, ids = feedback.room, [await feedback.reject("stall") for _ in range(3)]
    async with room.db.transaction() as session:
        for alert_id, why in zip(ids, (WHY, WHY | {"rule": permits}), strict=False):
            row = await session.get(AlertRow, alert_id)
            assert row is not None
            row.why = why
    assert await feedback.written() == {ids[2]}


async def test_that_pictures_left_is_in_the_audit_chain_with_who_and_how_many(feedback: Feedback) -> None:
    await feedback.reject()
    await feedback.reject(drill=True)
    room = feedback.room
    async with room.db.reading() as session:
        pictures = await rejected_pictures(session)
    await tell_export(room.db, pictures, "operator", room.clock)
    async with room.db.reading() as session:
        rows = await session.scalars(select(AuditRow).where(AuditRow.what == "feedback.export"))
        assert [(row.who, row.target, row.why) for row in rows] == [("operator", "platform:hub", "1 snapshots")]
