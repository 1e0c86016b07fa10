"""Stores what camera workers raise: many alerts in one transaction when there is a rush, one when there is not.

Whatever waits while a transaction runs goes together into the next: a rush costs one commit for all. Alerts of places
of their own, which is what a rush brings, are stored by a few statements for all of them; those that extend, repeat or
join one that is there follow one by one. Where the transaction fails, each is tried by itself, so that one bad alert
costs only itself.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.events.alert_states import extends
from gateway.events.announcing import Announcer, Changes
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.event_records import held_event
from gateway.events.opening import Opening, open_event, open_key
from gateway.events.windows import windows_of
from gateway.processes.messages import AlertRaised
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.storage.evidence_files import StoredFile
from gateway.storage.tables.events import AlertRow, AlertSightingRow, EventRow, EvidenceRow

log = structlog.get_logger(__name__)

MEDIA_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}
AT_ONCE = 128
"""Alerts of one transaction: long enough to spare commits, short enough for whoever waits for the database."""


@dataclass(frozen=True, slots=True, eq=False)
class _Raised:
    """One that waits to be stored; ``answer`` gets the id of the alert that it became or extends."""

    message: AlertRaised
    snapshot: StoredFile | None
    answer: asyncio.Future[str]

    def key(self, drill: bool) -> str:
        return open_key(self.message.code, self.message.zone, self.message.hazard, drill)


@dataclass(slots=True)
class RaisedAlerts:
    """``store`` answers after the commit."""

    cameras: CameraFacts
    settings: Settings
    announcer: Announcer
    opening: Opening
    _waiting: list[_Raised] = field(default_factory=list)
    _storing: asyncio.Task[None] | None = None

    async def store(self, message: AlertRaised, snapshot: StoredFile | None) -> str:
        """The id of the alert that the message became, or the one it extends. Raises what the database raises."""
        raised = _Raised(message, snapshot, asyncio.get_running_loop().create_future())
        self._waiting.append(raised)
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_waiting(), name="store alerts")
        return await raised.answer

    async def _store_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                await self._store_batch(batch)
            except asyncio.CancelledError:
                for raised in (*batch, *self._waiting):
                    raised.answer.cancel()
                self._waiting.clear()
                raise

    async def _store_batch(self, batch: Sequence[_Raised]) -> None:
        """Together, or each by itself where that fails for whatever reason. Nobody is left waiting for an answer."""
        try:
            await self._commit(batch)
        except Exception as error:
            known = isinstance(error, (Refusal, SQLAlchemyError))
            log.warning("alerts_not_stored", alerts=len(batch), error=str(error), exc_info=not known)
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for raised in batch:
                await self._store_batch([raised])

    async def _commit(self, batch: Sequence[_Raised]) -> None:
        async def work(session: AsyncSession, changes: Changes) -> dict[_Raised, str]:
            return await self._store_all(session, batch, changes)

        for raised, alert_id in (await self.announcer.commit(work)).items():
            if not raised.answer.done():
                raised.answer.set_result(alert_id)

    async def _store_all(self, session: AsyncSession, batch: Sequence[_Raised], changes: Changes) -> dict[_Raised, str]:
        ids = [raised.message.alert_id for raised in batch]
        sighted = select(AlertSightingRow.id, AlertSightingRow.alert_id).where(AlertSightingRow.id.in_(ids))
        known = {sighting_id: alert_id for sighting_id, alert_id in await session.execute(sighted)}  # noqa: C416 - rows
        pictured = set(await session.scalars(select(EvidenceRow.id).where(EvidenceRow.id.in_(ids))))
        facts = await self.cameras.facts(session, {raised.message.code for raised in batch})
        drills = {raised: await self._in_drill(session, raised, facts, changes) for raised in batch}
        keys = Counter(raised.key(drills[raised]) for raised in batch)
        taken = set(await session.scalars(select(AlertRow.open_key).where(AlertRow.open_key.in_(keys))))
        taken |= set(await session.scalars(select(EventRow.open_key).where(EventRow.open_key.in_(keys))))
        alone = [
            raised
            for raised in batch
            if raised.message.alert_id not in known.keys() | pictured  # a snapshot may have come before its alert
            and (key := raised.key(drills[raised])) not in taken
            and keys[key] == 1
        ]
        await self._store_new(session, alone, facts, changes)
        done = {raised: raised.message.alert_id for raised in alone}
        # Sent again and there with its picture: workers do so when control is slow, and must not make it slower.
        done |= {raised: known[one] for raised in batch if (one := raised.message.alert_id) in known.keys() & pictured}
        for raised in batch:
            if raised not in done:
                done[raised] = await self._store_one(session, raised, facts, changes)
        return done

    async def _store_new(
        self, session: AsyncSession, batch: Sequence[_Raised], facts: dict[str, CameraFact], changes: Changes
    ) -> None:
        """Alerts of places that hold none and no event, by a few statements for all."""
        if not batch:
            return
        alerts = [await self._alert(session, raised, facts, changes) for raised in batch]
        for alert in alerts:
            changes.alert(alert, "alert.raised")
        due = [alert for alert in alerts if alert.due_at is not None and alert.due_at <= changes.at]
        if due:
            await self.opening.promote_new(session, due, changes)
        session.add_all(alerts)
        await session.flush()
        for raised, alert in zip(batch, alerts, strict=True):
            session.add(_sighting(raised.message, alert))
            if raised.snapshot is not None:
                session.add(_snapshot(raised.message, raised.snapshot, alert.platform, changes.at))
        await session.flush()
        early = select(EvidenceRow).where(EvidenceRow.sighting_id.in_([alert.id for alert in alerts]))
        platforms = {alert.id: alert.platform for alert in alerts}
        for evidence in await session.scalars(early):
            # A clip that came before its alert was kept under this platform.
            if evidence.platform != platforms[evidence.sighting_id or ""]:
                evidence.platform = platforms[evidence.sighting_id or ""]

    async def _store_one(
        self, session: AsyncSession, raised: _Raised, facts: dict[str, CameraFact], changes: Changes
    ) -> str:
        """One that is there already, extends an open alert, comes after a rejected one, or joins an event."""
        message = raised.message
        known = await session.get(AlertSightingRow, message.alert_id)
        if known is not None:
            alert = await held_alert(session, known.alert_id)
            if await _add_snapshot(session, raised, alert.platform, changes.at):
                await tell(session, alert, changes)
            return alert.id
        key = raised.key(await self._in_drill(session, raised, facts, changes))
        found = await session.scalar(select(AlertRow).where(AlertRow.open_key == key).with_for_update())
        kind = (await self.opening.books.current(session)).classes.of_hazard(message.hazard)
        raised_at = moment(message.raised_at, changes.at)
        if found is not None and (ended := self._ended(found, raised_at, never_held_back=kind.never_held_back)):
            await set_facts(session, found, {**ended, "open_key": None})
            changes.alert(found, "alert.changed")
            found = None
        if found is None:
            alert = await self._alert(session, raised, facts, changes)
            session.add(alert)
        else:
            alert = found
            values = {
                "last_seen_at": max(alert.last_seen_at, raised_at),
                "score": max(alert.score, finite(message.score)),
                "sightings": alert.sightings + 1,
            }
            await set_facts(session, alert, values)
        await session.flush()
        session.add(_sighting(message, alert))
        await session.flush()
        await _add_snapshot(session, raised, alert.platform, changes.at)
        # Evidence that came before its alert was kept under this platform.
        await session.execute(
            update(EvidenceRow).where(EvidenceRow.sighting_id == message.alert_id).values(platform=alert.platform)
        )
        if found is None:
            changes.alert(alert, "alert.raised")
            await self._attend(session, alert, changes)
        else:
            await tell(session, alert, changes)
        return alert.id

    def _ended(self, alert: AlertRow, raised_at: datetime, *, never_held_back: bool) -> dict[str, Any]:
        """When and by what the open alert of a place has ended by the time at which something is raised there anew;
        empty: it is extended. One that was not seen for so long may not have been swept yet, control having been away,
        and its worker's word that it is over may come after that of the new one."""
        if raised_at - alert.last_seen_at > windows_of(self.settings.windows, alert.hazard).silence:
            return {"ended_at": alert.last_seen_at, "ended_by": "silence"}
        if not extends(alert.state, never_held_back):
            return {"ended_at": raised_at, "ended_by": "raised_anew"}
        return {}

    async def _attend(self, session: AsyncSession, alert: AlertRow, changes: Changes) -> None:
        """Where an event of this place and hazard is open, the alert joins it; one that may not wait opens its own."""
        event = await open_event(session, alert)
        if event is not None:
            await self.opening.link(session, alert, event, changes, "link", operator=audit.SYSTEM)
        elif alert.due_at is not None and alert.due_at <= changes.at:
            await self.opening.promote(session, alert, changes)

    async def _alert(
        self, session: AsyncSession, raised: _Raised, facts: dict[str, CameraFact], changes: Changes
    ) -> AlertRow:
        """A new alert. That of a camera which has been taken out meanwhile is stored all the same, as the hub's."""
        message, now = raised.message, changes.at
        camera = self._camera(raised, facts)
        drill = await self._in_drill(session, raised, facts, changes)
        kind = (await self.opening.books.current(session)).classes.of_hazard(message.hazard)
        raised_at = moment(message.raised_at, now)
        conduct = await self.opening.conduct(session, camera.platform, kind.code, now)
        due_at = raised_at + windows_of(self.settings.windows, message.hazard, conduct).acknowledge
        return AlertRow(
            id=message.alert_id,
            platform=camera.platform,
            open_key=raised.key(drill),
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
            hazard_from=moment(message.hazard_from, now),
            raised_at=raised_at,
            stored_at=now,
            last_seen_at=raised_at,
            acknowledge_until=due_at,
            due_at=due_at,
            score=finite(message.score),
            why=storable(message.why),
            drill=drill,
        )

    def _camera(self, raised: _Raised, facts: dict[str, CameraFact]) -> CameraFact:
        code = raised.message.code
        camera = facts.get(code)
        if camera is None:
            log.warning("alert_of_unknown_camera", camera=code)
            camera = CameraFact(code, code, self.settings.platform_code)
        return camera

    async def _in_drill(
        self, session: AsyncSession, raised: _Raised, facts: dict[str, CameraFact], changes: Changes
    ) -> bool:
        """Whether a drill (演练) is held now where the camera stands, for what it saw."""
        kind = (await self.opening.books.current(session)).classes.of_hazard(raised.message.hazard)
        platform = self._camera(raised, facts).platform
        return (await self.opening.mode(session, platform, kind.code, changes.at)).drill


def _fail(raised: _Raised, error: Exception) -> None:
    if not raised.answer.done():
        raised.answer.set_exception(error)


def _sighting(message: AlertRaised, alert: AlertRow) -> AlertSightingRow:
    raised_at = moment(message.raised_at, alert.stored_at)
    return AlertSightingRow(
        id=message.alert_id, platform=alert.platform, alert_id=alert.id, raised_at=raised_at, ended_at=None
    )


async def _add_snapshot(session: AsyncSession, raised: _Raised, platform: str, now: datetime) -> bool:
    """Whether it was added just now."""
    if raised.snapshot is None or await session.get(EvidenceRow, raised.message.alert_id) is not None:
        return False
    session.add(_snapshot(raised.message, raised.snapshot, platform, now))
    await session.flush()
    return True


def _snapshot(message: AlertRaised, snapshot: StoredFile, platform: str, now: datetime) -> EvidenceRow:
    """The snapshot's id is its sighting's, so that it too is there once."""
    taken_at = moment(message.raised_at, now)
    return EvidenceRow(
        id=message.alert_id,
        platform=platform,
        sighting_id=message.alert_id,
        kind="snapshot",
        media_type=media_type(snapshot),
        path=snapshot.path,
        sha256=message.snapshot_sha256,
        size=snapshot.size,
        starts_at=taken_at,
        ends_at=taken_at,
        partial=False,
        stored_at=now,
    )


async def tell(session: AsyncSession, alert: AlertRow, changes: Changes) -> None:
    """The alert has changed, and with it the event it belongs to."""
    changes.alert(alert, "alert.changed")
    if alert.event_no is not None:
        event = await held_event(session, alert.event_no)
        if event is not None:
            changes.event(event, "event.changed")


async def held_alert(session: AsyncSession, alert_id: str) -> AlertRow:
    """The alert, held until the transaction ends."""
    return (await session.scalars(select(AlertRow).where(AlertRow.id == alert_id).with_for_update())).one()


async def set_facts(session: AsyncSession, alert: AlertRow, values: dict[str, Any]) -> None:
    """What workers report does not count as a revision: a decision must not fail because the fire still burns."""
    await session.flush()
    await session.execute(update(AlertRow).where(AlertRow.id == alert.id).values(**values))
    await session.refresh(alert)


def moment(seconds: float, now: datetime) -> datetime:
    """A worker's time; never later than now, so that a clock ahead of ours does not stretch a window."""
    try:
        return min(datetime.fromtimestamp(seconds, UTC), now)
    except (ValueError, OverflowError, OSError) as error:
        raise Refusal("invalid", "time_invalid", "时间无效。", "A time is not valid.", field="at") from error


def finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0


def storable(value: Any) -> Any:
    """JSON as both databases take it: no NaN, no infinity, no NUL in a text."""
    if isinstance(value, dict):
        return {str(key).replace("\x00", ""): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.replace("\x00", "")
    return value


def media_type(file: StoredFile) -> str:
    return MEDIA_TYPES.get(Path(file.path).suffix, "application/octet-stream")
