"""Evidence of one camera's hazards: clips from before it, alerts with their snapshot, both brought to control.

A disk that takes nothing does not hold an alert up: it is told without its evidence, which is kept in memory and tried
again until it lies in the journal (decision 0142). What waits in memory is bounded: no clip is begun on a disk that
hangs, and evidence of more alerts than may wait is given up before the disk is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
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
WRITTEN_WITHIN = 5.0
"""Seconds for which an alert waits for the journal: a disk that hangs refuses nothing."""
LAST_WITHIN = 1.0
"""The same once its camera is let go: its worker has few seconds left."""
OPENED_WITHIN = 5.0
"""Seconds for which a clip may wait for the disk until no other is begun: what the ring held for it, and all that comes
meanwhile, is in memory."""
DISK_PAUSE = 2.0
MOST_WAITING = 20
"""Alerts of one camera whose evidence may wait in memory for the disk; that of more is given up, and said."""

T = TypeVar("T")
Wanting = Literal["not_written", "not_answered", "given_up"]
"""Why an alert is told without its snapshot: the disk refused it, gave no answer in time, or as many wait for it as may
(none will follow then)."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where evidence goes. ``clip_after``: seconds a clip runs on after its alert."""

    journal: AlertJournal
    delivery: AlertDelivery
    clip_after: float
    clock: Callable[[], float]


class CameraEvidence:
    """Clips and alerts of one camera. Alerts are known by their id from the beginning of their clip on.

    ``in_thread`` is where pictures are decoded, ``on_disk`` where clips are muxed and whatever else waits for the disk:
    one that hangs leaves the threads of the first to those who look. ``disk_changed`` hears when the disk begins to
    refuse evidence, and when none waits for it any more."""

    def __init__(
        self,
        code: str,
        bus: FrameBus,
        ring: ClipRing,
        store: Store,
        in_thread: InThread = asyncio.to_thread,
        on_disk: InThread = asyncio.to_thread,
        disk_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._code = code
        self._bus = bus
        self._ring = ring
        self._store = store
        self._in_thread = in_thread
        self._on_disk = on_disk
        self._recordings: dict[str, ClipRecording] = {}
        self._holding: list[ClipRecording] = []
        self._none_begun = False
        self._raised: set[str] = set()
        self._ends: dict[str, float | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._disk_changed = disk_changed
        self._closing = asyncio.Event()
        self._in_memory = 0
        """Files of alerts that the disk has not taken, those among them of which it has not been heard yet."""
        self.waiting_for_disk = 0
        """Files of alerts that the disk has refused and that are tried again."""
        self.given_up = 0
        self.without_clip = 0

    @property
    def unwritten(self) -> bool:
        """Whether the disk takes no evidence, or has not answered since the worker started."""
        return self.waiting_for_disk > 0 or self._store.delivery.disk_silent

    def begin_clip(self, alert_id: str, since: float) -> None:
        """Begin a clip ``LEAD`` seconds before ``since``, as far as the ring reaches back. While the disk hangs
        there is none."""
        self._holding = [one for one in self._holding if one.holding]
        if any(one.hangs(OPENED_WITHIN) for one in self._holding):
            if not self._none_begun:
                log.error("clip_not_begun", camera=self._code, alert=alert_id)
            self._none_begun = True
            return
        self._none_begun = False
        journal = self._store.journal
        # No await between the two: not a frame is lost or doubled at the seam.
        held = self._ring.since(since - LEAD)
        coming = self._bus.subscribe(f"clip-{alert_id}", QUEUE, "next_frame" if held else "next_keyframe")
        recording = ClipRecording(lambda: journal.begin(alert_id), held, coming, self._store.clock, self._on_disk)
        self._recordings[alert_id] = recording
        self._holding.append(recording)

    def drop_clip(self, alert_id: str) -> None:
        """The rule did not fire after all."""
        recording = self._recordings.pop(alert_id, None)
        if recording is not None:
            self._begin(self._forget(alert_id, recording), alert_id)

    def raise_alert(self, alert: AlertRaised, picture: Callable[[], bytes]) -> None:
        """Journal the alert with its snapshot (``picture`` makes the JPEG and blocks), then tell control; at once where
        the disk refuses. A clip that was over before shows nothing of what fires now: another takes its place."""
        self._raised.add(alert.alert_id)
        self._ends[alert.alert_id] = None
        self._store.delivery.coming(_without_snapshot(alert, "not_answered"))
        recording = self._recordings.get(alert.alert_id)
        if recording is not None and recording.over:
            self.begin_clip(alert.alert_id, alert.hazard_from)
            recording = self._recordings.get(alert.alert_id)
        if recording is not None:
            recording.finish_at(alert.raised_at + self._store.clip_after)
        self._begin(self._journal_and_deliver(alert, picture, recording), alert.alert_id)

    def seen(self, alert_id: str, at: float, score: float, over: Callable[[], None]) -> None:
        self._store.delivery.seen(alert_id, at, score, over)

    def ended(self, alert_id: str, at: float) -> None:
        """Told after the alert: one that is being written ends when it has been."""
        if alert_id in self._ends:
            self._ends[alert_id] = at
        else:
            self._store.delivery.ended(alert_id, at)

    async def close(self) -> None:
        """Cut what is being written. Clips of raised alerts are kept, as partial ones; the others are dropped. What the
        disk still refuses is given up, and said. How long a disk that hangs is waited for is the caller's: what is cut
        short as it cancels this is said, too."""
        self._closing.set()
        for alert_id, recording in tuple(self._recordings.items()):
            if alert_id in self._raised:
                recording.finish_now()
            else:
                self.drop_clip(alert_id)
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                if task.get_name() in self._raised:
                    log.error("evidence_cut_short", camera=self._code, alert=task.get_name())
                task.cancel()

    async def _journal_and_deliver(
        self, alert: AlertRaised, picture: Callable[[], bytes], recording: ClipRecording | None
    ) -> None:
        with self._room() as room:
            journalled = room and await self._journal(alert, picture, recording)
        if not room:
            self._give_up(alert.alert_id)
            self._tell(_without_snapshot(alert, "given_up"), journalled=False, on_disk=recording is not None)
            self._store.delivery.written(alert.alert_id, None)
        clip = await recording.closed() if recording is not None else None
        self._recordings.pop(alert.alert_id, None)
        self._raised.discard(alert.alert_id)
        if clip is None:
            self.without_clip += 1
            log.error("alert_without_clip", camera=self._code, alert=alert.alert_id)
            self._store.delivery.no_clip(alert.alert_id)
            return
        await self._note_clip(evidence_of(alert.alert_id, clip), journalled=journalled)

    async def _journal(self, alert: AlertRaised, picture: Callable[[], bytes], recording: ClipRecording | None) -> bool:
        """Tell it when it lies in the journal, or the disk refuses or hangs; answers whether it came to lie there."""
        snapshot = await self._snapshot(alert.alert_id, picture)
        if recording is not None and not await recording.past_kept(PAST_WITHIN):
            log.warning("clip_not_yet_on_disk", camera=self._code, alert=alert.alert_id)

        def write() -> AlertRaised:
            return self._store.journal.raise_alert(alert, snapshot)

        writing = asyncio.create_task(self._taken(write))
        await self._answered(writing)
        placed = writing.result() if writing.done() else None
        wanting: Wanting = "not_written" if writing.done() else "not_answered"
        self._tell(placed or _without_snapshot(alert, wanting), journalled=placed is not None)
        if placed is None:
            placed = await self._until_disk_takes(write, alert.alert_id, writing)
            self._store.delivery.written(alert.alert_id, placed)
        return placed is not None

    async def _answered(self, writing: asyncio.Task[Any]) -> None:
        """Wait for what the disk says, for as long as the alert may."""
        closing: asyncio.Task[Any] = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({writing, closing}, timeout=WRITTEN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                await asyncio.wait({writing}, timeout=LAST_WITHIN)
        finally:
            closing.cancel()

    def _tell(self, alert: AlertRaised, *, journalled: bool, on_disk: bool = True) -> None:
        log.info("alert_raised", camera=self._code, alert=alert.alert_id, hazard=alert.hazard, zone=alert.zone)
        delivery = self._store.delivery
        if on_disk:
            delivery.raised(alert, journalled=journalled)
        else:
            delivery.raised_in_memory(alert)
        ended_at = self._ends.pop(alert.alert_id)
        if ended_at is not None:
            delivery.ended(alert.alert_id, ended_at)

    async def _note_clip(self, evidence: EvidenceReady, *, journalled: bool) -> None:
        def note() -> EvidenceReady:
            self._store.journal.close_clip(evidence)
            return evidence

        noted = None
        with self._room() as room:
            if room:
                writing = asyncio.create_task(self._taken(note))
                noted = await writing or await self._until_disk_takes(note, evidence.alert_id, writing)
            else:
                self._give_up(evidence.alert_id)
        # Where the alert lies in the journal the next start brings its clip; told now as well, it would be there twice.
        if noted is not None or not journalled:
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
        await self._on_disk(self._store.journal.forget, alert_id)

    async def _taken(self, write: Callable[[], T]) -> T | None:
        """What was written, or None where the disk refuses."""
        try:
            return await self._on_disk(write)
        except (OSError, RuntimeError) as error:  # the disk takes nothing, or no thread can be started for now
            log.error("journal_not_written", camera=self._code, error=str(error))
            return None

    async def _until_disk_takes(
        self, write: Callable[[], T], alert_id: str, writing: asyncio.Task[T | None]
    ) -> T | None:
        """Try again what was refused or is still being written, once more when the camera is let go; None: it is given
        up."""
        taken = None
        self._wait_for_disk(1)
        try:
            taken = await writing
            while taken is None and not self._closing.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(DISK_PAUSE):
                        await self._closing.wait()
                taken = await self._taken(write)
        finally:
            self._wait_for_disk(-1)
            if taken is None:
                self._give_up(alert_id)
        return taken

    @contextmanager
    def _room(self) -> Iterator[bool]:
        """Whether one more may wait in memory for the disk; while this lasts it does."""
        room = self._in_memory < MOST_WAITING
        self._in_memory += room
        try:
            yield room
        finally:
            self._in_memory -= room

    def _give_up(self, alert_id: str) -> None:
        self.given_up += 1
        log.error("evidence_given_up", camera=self._code, alert=alert_id)

    def _wait_for_disk(self, more: int) -> None:
        waited, self.waiting_for_disk = self.waiting_for_disk, self.waiting_for_disk + more
        if not waited or not self.waiting_for_disk:
            self._disk_changed()

    def _begin(self, work: Coroutine[None, None, None], alert_id: str) -> None:
        task = asyncio.create_task(work, name=alert_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _without_snapshot(alert: AlertRaised, wanting: Wanting) -> AlertRaised:
    """As it is told while the disk takes no snapshot of it: whoever looks at it learns why there is none."""
    return msgspec.structs.replace(alert, why={**alert.why, "snapshot": wanting})


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
