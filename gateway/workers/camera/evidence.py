"""Evidence of one camera's hazards: clips from before it, alerts with their snapshot, both brought to control.

A disk that takes nothing does not lose an alert: it is kept in memory and tried again until it lies in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.processes.active import InThread
from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.storage.ids import new_id
from gateway.streams.bus import FrameBus
from gateway.streams.clip import ClosedClip
from gateway.streams.ring import ClipRing
from gateway.workers.camera.delivery import AlertDelivery
from gateway.workers.camera.journal import AlertJournal
from gateway.workers.camera.recording import QUEUE, ClipRecording

log = structlog.get_logger(__name__)

LEAD = 5.0
"""Seconds of a clip before what the rule saw first."""
PAST_WITHIN = 1.0
"""Seconds for which an alert waits until the seconds before its hazard lie on disk: ended a moment after it was raised,
a worker has no second chance to see them. A slow disk does not hold the alert up for longer."""
DISK_PAUSE = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Store:
    """Where evidence goes. ``clip_after``: seconds a clip runs on after its alert."""

    journal: AlertJournal
    delivery: AlertDelivery
    clip_after: float
    clock: Callable[[], float]


class CameraEvidence:
    """Clips and alerts of one camera. Alerts are known by their id from the beginning of their clip on.

    ``in_thread`` is where pictures are decoded and clips muxed."""

    def __init__(
        self, code: str, bus: FrameBus, ring: ClipRing, store: Store, in_thread: InThread = asyncio.to_thread
    ) -> None:
        self._code = code
        self._bus = bus
        self._ring = ring
        self._store = store
        self._in_thread = in_thread
        self._recordings: dict[str, ClipRecording] = {}
        self._raised: set[str] = set()
        self._ends: dict[str, float | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting_for_disk = 0

    def begin_clip(self, alert_id: str, since: float) -> None:
        """Begin a clip ``LEAD`` seconds before ``since``, as far as the ring reaches back."""
        journal = self._store.journal
        # No await between the two: not a frame is lost or doubled at the seam.
        held = self._ring.since(since - LEAD)
        coming = self._bus.subscribe(f"clip-{alert_id}", QUEUE, "next_frame" if held else "next_keyframe")
        self._recordings[alert_id] = ClipRecording(
            lambda: journal.begin(alert_id), held, coming, self._store.clock, self._in_thread
        )

    def drop_clip(self, alert_id: str) -> None:
        """The rule did not fire after all."""
        recording = self._recordings.pop(alert_id, None)
        if recording is not None:
            self._begin(self._forget(alert_id, recording))

    def raise_alert(self, alert: AlertRaised, picture: Callable[[], bytes]) -> None:
        """Journal the alert with its snapshot (``picture`` makes the JPEG and blocks), then tell control. A clip that
        was over before shows nothing of what fires now: another takes its place."""
        self._raised.add(alert.alert_id)
        self._ends[alert.alert_id] = None
        recording = self._recordings.get(alert.alert_id)
        if recording is not None and recording.over:
            self.begin_clip(alert.alert_id, alert.hazard_from)
            recording = self._recordings[alert.alert_id]
        if recording is not None:
            recording.finish_at(alert.raised_at + self._store.clip_after)
        self._begin(self._journal_and_deliver(alert, picture, recording))

    def seen(self, alert_id: str, at: float, score: float) -> None:
        self._store.delivery.seen(alert_id, at, score)

    def ended(self, alert_id: str, at: float) -> None:
        """Told after the alert: one that waits for the disk ends when it lies there."""
        if alert_id in self._ends:
            self._ends[alert_id] = at
        else:
            self._store.delivery.ended(alert_id, at)

    async def close(self) -> None:
        """Cut what is being written. Clips of raised alerts are kept, as partial ones; the others are dropped."""
        for alert_id, recording in tuple(self._recordings.items()):
            if alert_id in self._raised:
                await recording.cut()
            else:
                self.drop_clip(alert_id)
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=5)
            for task in late:
                task.cancel()

    async def _journal_and_deliver(
        self, alert: AlertRaised, picture: Callable[[], bytes], recording: ClipRecording | None
    ) -> None:
        snapshot = await self._snapshot(alert.alert_id, picture)
        if recording is not None and not await recording.past_kept(PAST_WITHIN):
            log.warning("clip_not_yet_on_disk", camera=self._code, alert=alert.alert_id)
        placed = await self._until_disk_takes(lambda: self._store.journal.raise_alert(alert, snapshot))
        log.info("alert_raised", camera=self._code, alert=alert.alert_id, hazard=alert.hazard, zone=alert.zone)
        self._store.delivery.raised(placed)
        ended_at = self._ends.pop(alert.alert_id)
        if ended_at is not None:
            self._store.delivery.ended(alert.alert_id, ended_at)
        clip = await recording.closed() if recording is not None else None
        self._recordings.pop(alert.alert_id, None)
        self._raised.discard(alert.alert_id)
        if clip is None:
            self._store.delivery.no_clip(alert.alert_id)
            return
        evidence = evidence_of(alert.alert_id, clip)
        await self._until_disk_takes(lambda: self._store.journal.close_clip(evidence))
        self._store.delivery.clip_closed(evidence)

    async def _snapshot(self, alert_id: str, picture: Callable[[], bytes]) -> bytes | None:
        """None where it cannot be made: no alert is lost over its picture."""
        try:
            return await self._in_thread(picture)
        except Exception:
            log.exception("snapshot_not_made", camera=self._code, alert=alert_id)
            return None

    async def _forget(self, alert_id: str, recording: ClipRecording) -> None:
        await recording.cut()
        await asyncio.to_thread(self._store.journal.forget, alert_id)

    async def _until_disk_takes(self, write: Callable[[], T]) -> T:
        self.waiting_for_disk += 1
        try:
            while True:
                try:
                    return await asyncio.to_thread(write)
                except (OSError, RuntimeError) as error:  # the disk takes nothing, or no thread can be started for now
                    log.error("journal_not_written", camera=self._code, error=str(error))
                    await asyncio.sleep(DISK_PAUSE)
        finally:
            self.waiting_for_disk -= 1

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def evidence_of(alert_id: str, clip: ClosedClip) -> EvidenceReady:
    """What control is told of a closed clip."""
    return EvidenceReady(
        evidence_id=new_id(),
        alert_id=alert_id,
        kind="clip",
        path=str(Path(clip.path).absolute()),
        sha256=clip.sha256,
        size=clip.size,
        starts_at=clip.starts_at,
        ends_at=clip.ends_at,
        partial=clip.partial,
    )
