"""Hard negatives for the next training: the snapshots of rejected alerts, for ``models train --with-feedback``.

Written as pictures of a prepared set: no box in the label file, and in the name what nobody labelled
(``feedback_ID@person+stall.jpg``: fire and smoke are known not to be there). Gatherings are left out: how many people
there were, nobody wrote down.

A picture of a fire that says there is none makes weights blind. So what may not be false is left out: a rejection that
was taken back, an event that was taken up for all that or is one with another, a drill, whose fire burnt, and a picture
in which the camera told the same hazard at another place and nobody rejected that. What the rule did not watch is
painted over (``watched_part``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from gateway.access import audit
from gateway.clock import Clock
from gateway.events.watched_part import WatchedPart, watched_part
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.events import AlertRow, EventRow, EvidenceRow
from gateway.storage.tables.suppressions import SuppressionRow

log = structlog.get_logger(__name__)

UNKNOWN: Mapping[str, str] = {"fire": "person+stall", "stall": "person+fire+smoke"}
"""For each hazard that is known not to be there, the classes of which nobody said anything."""
NOT_TAKEN_UP = ("reported", "verifying", "not_accepted", "cancelled")
"""States of an event that nobody took for real."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected alert and the snapshot it was raised with; ``false``: nobody found otherwise. ``watched`` None: of
    which part of the picture it speaks is not known."""

    alert_id: str
    hazard: str
    platform: str
    path: str
    false: bool
    watched: WatchedPart | None

    @property
    def name(self) -> str:
        smoke = "" if self.watched is None or self.watched.sees_smoke else "+smoke"
        return f"feedback_{self.alert_id}@{UNKNOWN[self.hazard]}{smoke}"

    @property
    def teaches(self) -> bool:
        return self.false and self.watched is not None


async def rejected_pictures(session: AsyncSession) -> list[Rejected]:
    """Of each rejected fire and stall. Later sightings show what nobody judged."""
    why = AlertRow.why["rule"], AlertRow.why["box"]
    query = select(AlertRow.id, AlertRow.hazard, AlertRow.platform, EvidenceRow.path, _found_otherwise(), *why)
    query = query.join(EvidenceRow, EvidenceRow.id == AlertRow.id).where(
        AlertRow.state == "false_positive", AlertRow.hazard.in_(UNKNOWN), EvidenceRow.kind == "snapshot"
    )
    return [
        Rejected(alert_id, hazard, platform, path, not otherwise, watched_part(rule, box))
        for alert_id, hazard, platform, path, otherwise, rule, box in await session.execute(query.order_by(AlertRow.id))
    ]


def _found_otherwise() -> ColumnElement[bool]:
    other = aliased(AlertRow)
    taken_back = exists().where(SuppressionRow.alert_id == AlertRow.id, SuppressionRow.undone_at.is_not(None))
    taken_up = exists().where(
        EventRow.no == AlertRow.event_no,
        or_(EventRow.state.not_in(NOT_TAKEN_UP), EventRow.duplicate_of.is_not(None)),
    )
    told_beside = exists().where(
        other.camera_code == AlertRow.camera_code,
        other.hazard == AlertRow.hazard,
        other.state != "false_positive",
        other.hazard_from <= AlertRow.raised_at,
        or_(other.ended_at.is_(None), other.ended_at >= AlertRow.raised_at),
    )
    return or_(AlertRow.drill, taken_back, taken_up, told_beside)


async def tell_export(db: Database, pictures: Sequence[Rejected], who: str, clock: Clock) -> None:
    """Pictures that leave the gateway are in the audit chain before they do, those of each platform in its own."""
    async with db.transaction() as session:
        for platform, number in sorted(Counter(one.platform for one in pictures if one.teaches).items()):
            act = audit.Act(who, "feedback.export", f"platform:{platform}", platform, why=f"{number} snapshots")
            await audit.append(session, act, clock())


def write_feedback(pictures: Sequence[Rejected], files: EvidenceFiles, to: Path) -> int:
    """Copy the snapshots into ``to``, a folder of its owner's alone; answers how many there are. Done again, it adds
    what is new and removes what was found otherwise since. A snapshot that is gone is left out. Blocks."""
    images, labels = to / "images", to / "labels"
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (images, labels):
        folder.mkdir(mode=0o700, exist_ok=True)
    written = 0
    for one in pictures:
        picture, label = images / f"{one.name}.jpg", labels / f"{one.name}.txt"
        if one.watched is None or not one.teaches:
            label.unlink(missing_ok=True)
            picture.unlink(missing_ok=True)
            continue
        try:
            picture.write_bytes(one.watched.of(files.open(one.path).read_bytes()))
        except (Refusal, OSError, ValueError) as error:
            log.warning("feedback_left_out", alert=one.alert_id, error=str(error))
            continue
        label.write_text("")
        written += 1
    return written
