"""Takes over what camera workers raise: each alert and each evidence file exactly once, however often it is sent.

The worker forgets an alert only when it is told that control has it, so the answer comes after the commit. Sent again,
an alert is known by its id (``alert_sightings``); a hazard raised anew while its alert is still open, by a worker that
lost its memory, extends that one. A file is adopted before the row that names it is written.

What is told again while it is still being stored waits for that, and what was stored lately is answered from memory: a
worker that heard nothing in time must not double the work of a control that is behind, nor stand in its queue anew.
Told without its snapshot and again with it, an alert is not the same told twice: the snapshot is still to be stored.

An alert is more than its picture: when the snapshot cannot be taken over for now (disk full), the alert is stored all
the same and the refusal goes back, so that the worker keeps the picture and sends again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events.announcing import Announcer, Changes
from gateway.events.cameras import CameraFacts
from gateway.events.classes import shipped_classes
from gateway.events.opening import Opening, open_key
from gateway.events.raised_alerts import RaisedAlerts, finite, held_alert, media_type, moment, set_facts, tell
from gateway.events.windows import windows_of
from gateway.processes.messages import (
    ALERT_OVER,
    AlertEnded,
    AlertRaised,
    AlertSeen,
    AlertStored,
    Done,
    EvidenceReady,
    EvidenceStored,
)
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.storage.evidence_files import EvidenceFiles, StoredFile
from gateway.storage.tables.events import AlertRow, AlertSightingRow, EvidenceRow

log = structlog.get_logger(__name__)

MOST_LATELY = 20_000
"""Alerts whose storing is remembered: more than a rush brings while an answer is on its way."""


def evidence_folder(settings: Settings) -> Path:
    """Where evidence lies; the doors serve it from there."""
    return settings.data_folder / "evidence"


@dataclass(frozen=True, slots=True)
class _Told:
    """An alert as it was told; ``snapshot``: the SHA-256 of the one that came with it, empty without."""

    alert_id: str
    snapshot: str


class AlertIntake:
    """``files`` adopts out of the workers' journals, ``cameras`` tells what an alert takes over from its camera."""

    def __init__(
        self,
        files: EvidenceFiles,
        cameras: CameraFacts,
        settings: Settings,
        announcer: Announcer,
        opening: Opening,
    ) -> None:
        self._files = files
        self._settings = settings
        self._announcer = announcer
        self._raised = RaisedAlerts(cameras, settings, announcer, opening)
        self._under_way: dict[_Told, asyncio.Task[AlertStored]] = {}
        self._lately: OrderedDict[_Told, AlertStored] = OrderedDict()

    async def handle(
        self, message: AlertRaised | AlertSeen | AlertEnded | EvidenceReady
    ) -> AlertStored | EvidenceStored | Done:
        """Carry out one message; the answer says that it is on disk. Raises ``Refusal``: send it again later."""
        match message:
            case AlertRaised():
                return await self.alert_raised(message)
            case EvidenceReady():
                return await self.evidence_ready(message)
            case AlertSeen():
                await self.alert_seen(message)
            case AlertEnded():
                await self.alert_ended(message)
        return Done()

    async def alert_raised(self, message: AlertRaised) -> AlertStored:
        told = _Told(message.alert_id, message.snapshot_sha256)
        known = self._lately.get(told)
        if known is not None:
            return known
        taking = self._under_way.get(told)
        if taking is None:
            taking = asyncio.create_task(self._take(message), name=f"take {message.alert_id}")
            self._under_way[told] = taking
            taking.add_done_callback(lambda done: self._taken(told, done))
        return await asyncio.shield(taking)

    def _taken(self, told: _Told, done: asyncio.Task[AlertStored]) -> None:
        del self._under_way[told]
        if done.cancelled() or done.exception() is not None:  # seen, also where nobody waits any more
            return
        self._lately[told] = done.result()
        while len(self._lately) > MOST_LATELY:
            self._lately.popitem(last=False)

    async def _take(self, message: AlertRaised) -> AlertStored:
        shipped_classes().of_hazard(message.hazard)  # before a file is taken over for it
        snapshot: StoredFile | None = None
        held_up: Refusal | None = None
        try:
            if message.snapshot_path:  # else the worker's disk took none: it follows
                snapshot = await self._files.adopt(message.snapshot_path, message.alert_id, message.snapshot_sha256)
        except Refusal as refusal:
            log.error("snapshot_not_adopted", alert=message.alert_id, camera=message.code, reason=refusal.reason)
            held_up = refusal if refusal.kind == "unavailable" else None
        alert_id = await self._raised.store(message, snapshot)
        if held_up is not None:
            raise held_up
        return AlertStored(message.alert_id, merged_into=alert_id if alert_id != message.alert_id else None)

    async def alert_seen(self, message: AlertSeen) -> None:
        """The hazard lasts. An alert that was ended for its worker's silence just now is open again; the word of one
        that ended long ago, or whose place another one has taken, is refused: its worker raises anew what it sees."""

        async def seen(session: AsyncSession, changes: Changes) -> None:
            sighting = await session.get(AlertSightingRow, message.alert_id)
            if sighting is None or sighting.ended_at is not None:
                return
            alert = await held_alert(session, sighting.alert_id)
            seen_at = moment(message.at, changes.at)
            values: dict[str, Any] = {
                "last_seen_at": max(alert.last_seen_at, seen_at),
                "score": max(alert.score, finite(message.score)),
                "sightings": alert.sightings + 1,
            }
            if alert.ended_at is not None:
                key = open_key(alert.camera_code, alert.zone, alert.hazard, alert.drill)
                taken = await session.scalar(select(AlertRow.id).where(AlertRow.open_key == key))
                within = windows_of(self._settings.windows, alert.hazard).reopened_within
                if alert.ended_by != "silence" or taken is not None or seen_at - alert.last_seen_at > within:
                    raise Refusal("conflict", ALERT_OVER, "该预警已结束。", "The alert is over.")
                values |= {"ended_at": None, "ended_by": None, "open_key": key}
            await set_facts(session, alert, values)
            changes.alert(alert, "alert.changed")

        await self._announcer.commit(seen)

    async def alert_ended(self, message: AlertEnded) -> None:
        """The rule was released. Only the newest sighting ends an alert: older ones are those of a worker that died."""

        async def end(session: AsyncSession, changes: Changes) -> None:
            sighting = await session.get(AlertSightingRow, message.alert_id)
            if sighting is None:
                log.warning("end_of_unknown_alert", alert=message.alert_id)
                return
            alert = await held_alert(session, sighting.alert_id)
            at = moment(message.at, changes.at)
            sighting.ended_at = sighting.ended_at or at
            await session.flush()
            newest = await session.scalar(
                select(AlertSightingRow.id)
                .where(AlertSightingRow.alert_id == alert.id)
                .order_by(AlertSightingRow.raised_at.desc(), AlertSightingRow.id.desc())
                .limit(1)
            )
            if newest != sighting.id or (alert.ended_at is not None and alert.ended_by != "silence"):
                return
            await set_facts(session, alert, {"ended_at": at, "ended_by": "worker", "open_key": None})
            changes.alert(alert, "alert.changed")

        await self._announcer.commit(end)

    async def evidence_ready(self, message: EvidenceReady) -> EvidenceStored:
        """Take over a clip. That of an alert which is not stored yet waits for it."""
        stored = await self._files.adopt(message.path, message.evidence_id, message.sha256, message.size)

        async def keep(session: AsyncSession, changes: Changes) -> None:
            if await session.get(EvidenceRow, message.evidence_id) is not None:
                return
            sighting = await session.get(AlertSightingRow, message.alert_id)
            alert = await held_alert(session, sighting.alert_id) if sighting is not None else None
            session.add(
                EvidenceRow(
                    id=message.evidence_id,
                    platform=alert.platform if alert is not None else self._settings.platform_code,
                    sighting_id=message.alert_id,
                    kind=message.kind,
                    media_type=media_type(stored),
                    path=stored.path,
                    sha256=message.sha256,
                    size=stored.size,
                    starts_at=moment(message.starts_at, changes.at),
                    ends_at=moment(message.ends_at, changes.at),
                    partial=message.partial,
                    stored_at=changes.at,
                )
            )
            await session.flush()
            if alert is not None:
                await tell(session, alert, changes)

        await self._announcer.commit(keep)
        return EvidenceStored(message.evidence_id)
