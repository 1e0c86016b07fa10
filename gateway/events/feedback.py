"""Hard negatives for the next training: the snapshots of rejected alerts, for ``models train --with-feedback``.

Written as pictures of a prepared set: no box in the label file, and in the name what nobody labelled
(``feedback_ID@person+stall.jpg``: fire and smoke are known not to be there). Gatherings are left out: how many people
there were, nobody wrote down.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.events import AlertRow, AlertSightingRow, EvidenceRow

log = structlog.get_logger(__name__)

UNKNOWN: Mapping[str, str] = {"fire": "person+stall", "stall": "person+fire+smoke"}
"""For each hazard that is known not to be there, the classes of which nobody said anything."""


async def export_feedback(session: AsyncSession, files: EvidenceFiles, to: Path) -> int:
    """Copy the snapshot of each rejected fire and stall into ``to``; answers how many there are. Done again, it adds
    what is new. A snapshot that is gone is left out."""
    images, labels = to / "images", to / "labels"
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    query = (
        select(AlertRow.id, AlertRow.hazard, EvidenceRow.path)
        .join(AlertSightingRow, AlertSightingRow.alert_id == AlertRow.id)
        .join(EvidenceRow, EvidenceRow.sighting_id == AlertSightingRow.id)
        .where(AlertRow.state == "false_positive", EvidenceRow.kind == "snapshot", AlertRow.hazard.in_(UNKNOWN))
    )
    written = 0
    for alert_id, hazard, path in (await session.execute(query)).all():
        name = f"feedback_{alert_id}@{UNKNOWN[hazard]}"
        try:
            shutil.copyfile(files.open(path), images / f"{name}.jpg")
        except (Refusal, OSError) as error:
            log.warning("feedback_left_out", alert=alert_id, error=str(error))
            continue
        (labels / f"{name}.txt").write_text("")
        written += 1
    return written
