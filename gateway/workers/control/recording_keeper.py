"""Keeps recordings: tells each worker what to record now, and deletes what is past its time or takes too much room."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import select

from detectors.rules.schedule import is_on
from gateway.clock import Clock
from gateway.processes.messages import RecordCamera, Sample
from gateway.processes.periodic import PeriodicWork
from gateway.settings import RecordingSettings
from gateway.storage.database import Database
from gateway.storage.tables.recordings import RecordingHoldRow, RecordingPlanRow
from gateway.streams.recording_retention import Room, to_delete
from gateway.streams.recordings import RecordingFile, listed
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two times that workers are told; they are told again what they know already, for one may be new."""
SWEEP_EVERY = 30.0
GB = 1_000_000_000


class RecordingKeeper:
    """``folder``: that of all recordings."""

    def __init__(
        self,
        db: Database,
        links: WorkerLinks,
        placement: Placement,
        folder: Path,
        settings: RecordingSettings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._links = links
        self._placement = placement
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._woken = asyncio.Event()
        self.work = PeriodicWork("recordings", self.once, EVERY, woken=self._woken)
        self._recording: set[str] = set()
        self._swept_at = float("-inf")
        self._bytes = self._files = self._deleted = 0
        self.no_room = False

    def wake(self) -> None:
        """A plan has changed."""
        self._woken.set()

    def samples(self) -> Iterable[Sample]:
        yield Sample("gateway_recordings_wanted", {}, len(self._recording))
        yield Sample("gateway_recordings_bytes", {}, self._bytes)
        yield Sample("gateway_recordings_files", {}, self._files)
        yield Sample("gateway_recordings_no_room", {}, float(self.no_room))
        yield Sample("gateway_recordings_deleted_total", {}, self._deleted, "counter")

    async def once(self) -> None:
        """Sweep if it is time, and tell the workers. What is amiss with one camera's plan or folder keeps no other from
        being recorded, nor the disk from being kept free."""
        now = self._clock()
        async with self._db.reading() as session:
            plans = list(await session.scalars(select(RecordingPlanRow)))
            held = set(await session.scalars(select(RecordingHoldRow.recording_id)))
        if not 0 <= now.timestamp() - self._swept_at < SWEEP_EVERY:  # the clock may have been set back
            self._swept_at = now.timestamp()
            days = {plan.camera_code: plan.retention_days for plan in plans if plan.retention_days is not None}
            await asyncio.to_thread(self._sweep, now, days, held)
        wanted = set() if self.no_room else self._wanted(plans, now)
        for code in wanted | self._recording:
            owner = self._placement.owner(code)
            if owner is not None:
                self._links.tell(owner.worker, RecordCamera(code, code in wanted))
        self._recording = wanted

    def _wanted(self, plans: Sequence[RecordingPlanRow], now: datetime) -> set[str]:
        wanted: set[str] = set()
        named = {f"plan of {plan.camera_code}": plan for plan in plans}
        for name in self.work.rows.ready(named, now):
            with self.work.rows.by_itself(name, now):
                if _records(named[name], now):
                    wanted.add(named[name].camera_code)
        return wanted

    def _sweep(self, now: datetime, days: dict[str, float], held: set[str]) -> None:
        files: list[tuple[str, RecordingFile]] = []
        named = {f"folder of {folder.name}": folder for folder in self._cameras()}
        for name in self.work.rows.ready(named, now):
            with self.work.rows.by_itself(name, now):
                files += [(named[name].name, file) for file in listed(named[name])]
        usual = self._settings.retention_days
        gone = to_delete(
            files,
            now=now.timestamp(),
            keep_seconds=lambda code: days.get(code, usual) * 86_400,
            held=held,
            room=self._room(),
        )
        for file in gone:
            self._delete(file)
        names = {file.id for file in gone}
        left = [file for _, file in files if file.id not in names]
        self._bytes, self._files = sum(file.size for file in left), len(left)
        room = self._room()
        no_room = room.free < room.least_free or self._bytes > room.bound
        if no_room and not self.no_room:
            log.error("no_room_for_recordings", held=len(held), free=room.free)
        self.no_room = no_room

    def _cameras(self) -> list[Path]:
        return sorted(one for one in self._folder.iterdir() if one.is_dir()) if self._folder.is_dir() else []

    def _room(self) -> Room:
        near = next(one for one in (self._folder, *self._folder.parents) if one.exists())
        free = shutil.disk_usage(near).free
        return Room(round(self._settings.disk_gb * GB), round(self._settings.least_free_gb * GB), free)

    def _delete(self, file: RecordingFile) -> None:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("recording_not_deleted", recording=file.id, error=str(error))
            return
        self._deleted += 1
        log.info("recording_deleted", camera=file.path.parent.name, recording=file.id)


def _records(plan: RecordingPlanRow, now: datetime) -> bool:
    """Whether the plan wants its camera recorded now."""
    if plan.on_demand_until is not None and now < plan.on_demand_until:
        return True
    hours = tuple((str(start), str(end)) for start, end in plan.hours)
    return bool(hours) and is_on(hours, now.timestamp())
