"""Takes over what camera workers raise: each alert and each evidence file exactly once, however often it is sent.

The worker forgets an alert only when it is told that control has it, so the answer comes after the commit. Sent again,
an alert is known by its id (``alert_sightings``); a hazard raised anew while its alert is still open, by a worker that
lost its memory, extends that one. A file is adopted before the row that names it is written.

An alert is more than its picture: when the snapshot cannot be taken over for now (disk full), the alert is stored all
the same and the refusal goes back, so that the worker keeps the picture and sends again.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.events.alert_states import extends
from gateway.events.announcing import Announcer, Changes
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.classes import shipped_classes
from gateway.events.event_records import held_event
from gateway.events.opening import Opening, open_event, open_key
from gateway.events.windows import windows_of
from gateway.processes.messages import (
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

MEDIA_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}


def evidence_folder(settings: Settings) -> Path:
    """Where evidence lies; the doors serve it from there."""
    return settings.data_folder / "evidence"


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
        self._cameras = cameras
        self._settings = settings
        self._announcer = announcer
        self._opening = opening

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
        shipped_classes().of_hazard(message.hazard)  # before a file is taken over for it
        snapshot: StoredFile | None = None
        held_up: Refusal | None = None
        try:
            snapshot = await self._files.adopt(message.snapshot_path, message.alert_id, message.snapshot_sha256)
        except Refusal as refusal:
            log.error("snapshot_not_adopted", alert=message.alert_id, camera=message.code, reason=refusal.reason)
            held_up = refusal if refusal.kind == "unavailable" else None

        async def store(session: AsyncSession, changes: Changes) -> str:
            known = await session.get(AlertSightingRow, message.alert_id)
            if known is not None:
                alert = await _held_alert(session, known.alert_id)
                if await self._add_snapshot(session, message, alert.platform, snapshot, changes.at):
                    await self._tell(session, alert, changes)
                return alert.id
            return await self._store(session, message, snapshot, changes)

        alert_id = await self._announcer.commit(store)
        if held_up is not None:
            raise held_up
        return AlertStored(message.alert_id, merged_into=alert_id if alert_id != message.alert_id else None)

    async def alert_seen(self, message: AlertSeen) -> None:
        """The hazard lasts. An alert that had been ended for its worker's silence is open again."""

        async def seen(session: AsyncSession, changes: Changes) -> None:
            sighting = await session.get(AlertSightingRow, message.alert_id)
            if sighting is None or sighting.ended_at is not None:
                return
            alert = await _held_alert(session, sighting.alert_id)
            values: dict[str, Any] = {
                "last_seen_at": max(alert.last_seen_at, _moment(message.at, changes.at)),
                "score": max(alert.score, _finite(message.score)),
                "sightings": alert.sightings + 1,
            }
            if alert.ended_at is not None:
                key = open_key(alert.camera_code, alert.zone, alert.hazard)
                taken = await session.scalar(select(AlertRow.id).where(AlertRow.open_key == key))
                if alert.ended_by != "silence" or taken is not None:
                    return
                values |= {"ended_at": None, "ended_by": None, "open_key": key}
            await _set(session, alert, values)
            await changes.alert(session, alert, "alert.changed")

        await self._announcer.commit(seen)

    async def alert_ended(self, message: AlertEnded) -> None:
        """The rule was released. Only the newest sighting ends an alert: older ones are those of a worker that died."""

        async def end(session: AsyncSession, changes: Changes) -> None:
            sighting = await session.get(AlertSightingRow, message.alert_id)
            if sighting is None:
                log.warning("end_of_unknown_alert", alert=message.alert_id)
                return
            alert = await _held_alert(session, sighting.alert_id)
            at = _moment(message.at, changes.at)
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
            await _set(session, alert, {"ended_at": at, "ended_by": "worker", "open_key": None})
            await changes.alert(session, alert, "alert.changed")

        await self._announcer.commit(end)

    async def evidence_ready(self, message: EvidenceReady) -> EvidenceStored:
        """Take over a clip. That of an alert which is not stored yet waits for it."""
        stored = await self._files.adopt(message.path, message.evidence_id, message.sha256, message.size)

        async def keep(session: AsyncSession, changes: Changes) -> None:
            if await session.get(EvidenceRow, message.evidence_id) is not None:
                return
            sighting = await session.get(AlertSightingRow, message.alert_id)
            alert = await _held_alert(session, sighting.alert_id) if sighting is not None else None
            session.add(
                EvidenceRow(
                    id=message.evidence_id,
                    platform=alert.platform if alert is not None else self._settings.platform_code,
                    sighting_id=message.alert_id,
                    kind=message.kind,
                    media_type=_media_type(stored),
                    path=stored.path,
                    sha256=message.sha256,
                    size=stored.size,
                    starts_at=_moment(message.starts_at, changes.at),
                    ends_at=_moment(message.ends_at, changes.at),
                    partial=message.partial,
                    stored_at=changes.at,
                )
            )
            await session.flush()
            if alert is not None:
                await self._tell(session, alert, changes)

        await self._announcer.commit(keep)
        return EvidenceStored(message.evidence_id)

    async def _store(
        self, session: AsyncSession, message: AlertRaised, snapshot: StoredFile | None, changes: Changes
    ) -> str:
        """A sighting that is new: its alert, or the open one that it extends."""
        now = changes.at
        camera = await self._camera(session, message.code)
        kind = (await self._opening.books.current(session)).classes.of_hazard(message.hazard)
        raised_at = _moment(message.raised_at, now)
        key = open_key(message.code, message.zone, message.hazard)
        alert = await session.scalar(select(AlertRow).where(AlertRow.open_key == key).with_for_update())
        if alert is not None and not extends(alert.state, kind.never_held_back):
            await _set(session, alert, {"ended_at": raised_at, "ended_by": "raised_anew", "open_key": None})
            await changes.alert(session, alert, "alert.changed")
            alert = None
        is_new = alert is None
        if alert is None:
            windows = windows_of(self._settings.windows, message.hazard)
            alert = AlertRow(
                id=message.alert_id,
                platform=camera.platform,
                open_key=key,
                state="detected",
                hazard=message.hazard,
                class_code=kind.code,
                class_name=kind.name,
                camera_code=message.code,
                camera_name=camera.name,
                zone=message.zone,
                grid=camera.grid,
                lng=camera.lng,
                lat=camera.lat,
                address=camera.address,
                hazard_from=_moment(message.hazard_from, now),
                raised_at=raised_at,
                stored_at=now,
                last_seen_at=raised_at,
                acknowledge_until=raised_at + windows.acknowledge,
                due_at=raised_at + windows.acknowledge,
                score=_finite(message.score),
                why=_storable(message.why),
            )
            session.add(alert)
        else:
            values = {
                "last_seen_at": max(alert.last_seen_at, raised_at),
                "score": max(alert.score, _finite(message.score)),
                "sightings": alert.sightings + 1,
            }
            await _set(session, alert, values)
        await session.flush()
        session.add(
            AlertSightingRow(
                id=message.alert_id, platform=alert.platform, alert_id=alert.id, raised_at=raised_at, ended_at=None
            )
        )
        await session.flush()
        await self._add_snapshot(session, message, alert.platform, snapshot, changes.at)
        # Evidence that came before its alert was kept under this platform.
        await session.execute(
            update(EvidenceRow).where(EvidenceRow.sighting_id == message.alert_id).values(platform=alert.platform)
        )
        if is_new:
            await changes.alert(session, alert, "alert.raised")
            await self._attend(session, alert, changes)
        else:
            await self._tell(session, alert, changes)
        return alert.id

    async def _attend(self, session: AsyncSession, alert: AlertRow, changes: Changes) -> None:
        """Where an event of this place and hazard is open, the alert joins it; one that may not wait opens its own."""
        event = await open_event(session, alert)
        if event is not None:
            await self._opening.link(session, alert, event, changes, "link", operator=audit.SYSTEM)
        elif alert.due_at is not None and alert.due_at <= changes.at:
            await self._opening.promote(session, alert, changes)

    async def _tell(self, session: AsyncSession, alert: AlertRow, changes: Changes) -> None:
        await changes.alert(session, alert, "alert.changed")
        if alert.event_no is not None:
            event = await held_event(session, alert.event_no)
            if event is not None:
                await changes.event(session, event, "event.changed")

    async def _add_snapshot(
        self, session: AsyncSession, message: AlertRaised, platform: str, snapshot: StoredFile | None, now: datetime
    ) -> bool:
        """The snapshot's id is its sighting's, so that it too is there once. Whether it was added just now."""
        if snapshot is None or await session.get(EvidenceRow, message.alert_id) is not None:
            return False
        taken_at = _moment(message.raised_at, now)
        session.add(
            EvidenceRow(
                id=message.alert_id,
                platform=platform,
                sighting_id=message.alert_id,
                kind="snapshot",
                media_type=_media_type(snapshot),
                path=snapshot.path,
                sha256=message.snapshot_sha256,
                size=snapshot.size,
                starts_at=taken_at,
                ends_at=taken_at,
                partial=False,
                stored_at=now,
            )
        )
        await session.flush()
        return True

    async def _camera(self, session: AsyncSession, code: str) -> CameraFact:
        """An alert of a camera that has been taken out meanwhile is stored all the same, as the hub's."""
        found = await self._cameras.fact(session, code)
        if found is None:
            log.warning("alert_of_unknown_camera", camera=code)
            return CameraFact(code, code, self._settings.platform_code)
        return found


async def _held_alert(session: AsyncSession, alert_id: str) -> AlertRow:
    """The alert, held until the transaction ends."""
    return (await session.scalars(select(AlertRow).where(AlertRow.id == alert_id).with_for_update())).one()


async def _set(session: AsyncSession, alert: AlertRow, values: dict[str, Any]) -> None:
    """What workers report does not count as a revision: a decision must not fail because the fire still burns."""
    await session.flush()
    await session.execute(update(AlertRow).where(AlertRow.id == alert.id).values(**values))
    await session.refresh(alert)


def _moment(seconds: float, now: datetime) -> datetime:
    """A worker's time; never later than now, so that a clock ahead of ours does not stretch a window."""
    try:
        return min(datetime.fromtimestamp(seconds, UTC), now)
    except (ValueError, OverflowError, OSError) as error:
        raise Refusal("invalid", "time_invalid", "时间无效。", "A time is not valid.", field="at") from error


def _finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0


def _storable(value: Any) -> Any:
    """JSON as both databases take it: no NaN, no infinity, no NUL in a text."""
    if isinstance(value, dict):
        return {str(key).replace("\x00", ""): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.replace("\x00", "")
    return value


def _media_type(file: StoredFile) -> str:
    return MEDIA_TYPES.get(Path(file.path).suffix, "application/octet-stream")
