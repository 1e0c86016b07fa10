"""Brings journalled alerts and their evidence to control, again and again until control says that it has them.

An alert and its clip travel apart: the alert at once, the clip when it is closed, though never before its alert nor
without it. Only when both are stored may the journal forget. What a crash left in the journal is taken up at the next
start, or when the disk gives it after that. An alert that the journal could not take is told all the same, its snapshot
when it has been written and control has the alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from gateway.processes.active import InThread
from gateway.processes.channel import ChannelClosed
from gateway.processes.messages import (
    ALERT_OVER,
    AlertEnded,
    AlertRaised,
    AlertSeen,
    AlertsLost,
    AlertStored,
    EvidenceReady,
    EvidenceStored,
    Message,
)
from gateway.refusals import Refusal
from gateway.workers.camera.journal import AlertJournal, JournalEntry

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
START_WITHIN = 2.0
"""Seconds for which a start waits for the disk: one that hangs keeps no camera unwatched."""
DISK_PAUSE = 5.0
LAST_SECONDS = 1.0
"""For the last answer to an alert that lies nowhere, and once more for how many were lost."""


class Control(Protocol):
    """The channel to control."""

    async def request(self, message: Message, *, timeout: float) -> Message: ...

    def send(self, message: Message) -> None: ...


class AlertDelivery:
    """One for each worker. ``recover_clip`` makes an evidence file of a clip that a crash cut short, or None;
    ``in_thread`` is where it does, for a camera, and where else the disk is waited for."""

    def __init__(
        self,
        control: Control,
        journal: AlertJournal,
        recover_clip: Callable[[str, Path], EvidenceReady | None],
        in_thread: Callable[[str], InThread] = lambda _code: asyncio.to_thread,
    ) -> None:
        self._control = control
        self._journal = journal
        self._recover_clip = recover_clip
        self._in_thread = in_thread
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, int] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._saying: dict[str, asyncio.Task[None]] = {}
        self._nowhere: dict[str, AlertRaised] = {}
        """Alerts that lie neither in the journal nor, as far as is known, in control."""
        self._never_stored: set[str] = set()
        """Alerts that control will not take."""
        self._starting: asyncio.Task[None] | None = None
        self.disk_silent = False
        """Whether the disk has not answered yet what was asked of it at the start."""
        self.refused = 0

    async def start(self, answers: Callable[[], None] = lambda: None) -> None:
        """Take up what an earlier run left behind. A disk that hangs or refuses is waited for aside, after
        ``START_WITHIN``; ``answers`` is called when it does."""
        self._starting = asyncio.create_task(self._take_up_left(answers), name="journal")
        await asyncio.wait([self._starting], timeout=START_WITHIN)
        if self._starting.done():
            self._starting.result()
        elif not self.disk_silent:
            self.disk_silent = True
            log.error("disk_not_answering", seconds=START_WITHIN)

    async def _take_up_left(self, answers: Callable[[], None]) -> None:
        for entry in await self._until_disk_answers("journal_not_read", lambda: list(self._journal.entries())):
            self._begin(self._take_up(entry))
        # What was read may have come from memory.
        await self._until_disk_answers("journal_not_written", self._journal.try_out)
        if self.disk_silent:
            self.disk_silent = False
            log.info("disk_answers")
            answers()

    async def _until_disk_answers(self, refused: str, ask: Callable[[], T]) -> T:
        while True:
            try:
                return await self._in_thread("")(ask)
            except (OSError, RuntimeError) as error:  # it refuses, or no thread can be started for now
                self.disk_silent = True
                log.error(refused, error=str(error))
            await asyncio.sleep(DISK_PAUSE)

    async def stop(self) -> None:
        """Stop trying; what is not stored lies in the journal. What the disk refused is told once more, whatever came
        of it before; what control does not take then is lost, and said. Waits for no disk."""
        starting = () if self._starting is None else (self._starting,)
        tasks = (*starting, *self._tasks, *self._saying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._tell_once_more(alert) for alert in tuple(self._nowhere.values())))
        for alert_id in self._nowhere:
            log.error("alert_lost", alert=alert_id)
        if self._nowhere:
            with suppress(ChannelClosed, TimeoutError, Refusal):
                await self._control.request(AlertsLost(len(self._nowhere)), timeout=LAST_SECONDS)

    async def _tell_once_more(self, alert: AlertRaised) -> None:
        with suppress(ChannelClosed, TimeoutError, Refusal):
            if isinstance(await self._control.request(alert, timeout=LAST_SECONDS), AlertStored):
                del self._nowhere[alert.alert_id]

    @property
    def waiting(self) -> int:
        """Messages that control has not taken yet."""
        return len(self._tasks)

    @property
    def in_memory_alone(self) -> int:
        """Alerts that would be lost if the worker were killed now."""
        return len(self._nowhere)

    def coming(self, alert: AlertRaised) -> None:
        """An alert that is about to be journalled, as it is told where nothing comes of that."""
        self._nowhere[alert.alert_id] = alert

    def raised(self, alert: AlertRaised, *, journalled: bool = True) -> None:
        """An alert; its clip follows by ``clip_closed`` or ``no_clip``, and where it could not be journalled
        ``written`` comes before that."""
        self._waiting[alert.alert_id] = 2 if journalled else 3
        if journalled:
            self._nowhere.pop(alert.alert_id, None)
        else:
            self._nowhere[alert.alert_id] = alert
        self._telling[alert.alert_id] = self._begin(self._deliver_alert(alert))

    def raised_in_memory(self, alert: AlertRaised) -> None:
        """An alert of which nothing lies on the disk, and nothing will: the journal has nothing to forget."""
        self._nowhere[alert.alert_id] = alert
        self._telling[alert.alert_id] = self._begin(self._deliver_alert(alert))

    def written(self, alert_id: str, placed: AlertRaised | None) -> None:
        """An alert told before lies in the journal now, with its snapshot; None: that was given up."""
        if placed is None:
            self._begin(self._one_done(alert_id))
            return
        self._nowhere.pop(alert_id, None)
        self._begin(self._deliver_snapshot(placed))

    def clip_closed(self, evidence: EvidenceReady) -> None:
        self._begin(self._deliver_evidence(evidence))

    def no_clip(self, alert_id: str) -> None:
        """There is no clip, or it could not be written."""
        self._begin(self._one_done(alert_id))

    def seen(self, alert_id: str, at: float, score: float, over: Callable[[], None]) -> None:
        """Said once: the next one follows in seconds. ``over`` is called where control has ended the alert for good."""
        if alert_id not in self._saying:
            saying = asyncio.create_task(self._say_seen(AlertSeen(alert_id, at, score), over))
            self._saying[alert_id] = saying
            saying.add_done_callback(lambda _: self._saying.pop(alert_id))

    async def _say_seen(self, seen: AlertSeen, over: Callable[[], None]) -> None:
        try:
            await self._control.request(seen, timeout=ANSWER_SECONDS)
        except (ChannelClosed, TimeoutError):
            log.info("alert_seen_not_told", alert=seen.alert_id)
        except Refusal as refusal:
            log.info("alert_seen_refused", alert=seen.alert_id, reason=refusal.reason)
            if refusal.reason == ALERT_OVER:
                over()

    def ended(self, alert_id: str, at: float) -> None:
        """Told after the alert itself: control takes the end of an alert that it does not know for done with."""
        self._begin(self._deliver_end(AlertEnded(alert_id, at)))

    async def _deliver_alert(self, alert: AlertRaised) -> None:
        answer = await self._until_answered(alert)
        del self._telling[alert.alert_id]
        if isinstance(answer, AlertStored):
            self._nowhere.pop(alert.alert_id, None)
            await self._one_done(alert.alert_id)
        else:
            self._never_stored.add(alert.alert_id)

    async def _deliver_snapshot(self, placed: AlertRaised) -> None:
        # It has its alert's id, by which control would know it for stored.
        if not await self._alert_taken(placed.alert_id):
            return
        if placed.snapshot_path:
            await self._deliver_evidence(await self._in_thread(placed.code)(snapshot_of, placed))
        else:
            await self._one_done(placed.alert_id)

    async def _deliver_evidence(self, evidence: EvidenceReady) -> None:
        if not await self._alert_taken(evidence.alert_id):
            return
        if isinstance(await self._until_answered(evidence), EvidenceStored):
            await self._one_done(evidence.alert_id)

    async def _deliver_end(self, end: AlertEnded) -> None:
        if await self._alert_taken(end.alert_id):
            await self._until_answered(end)

    async def _alert_taken(self, alert_id: str) -> bool:
        """Wait until control has answered to an alert. False: it will never take it, and what belongs to it stays in
        the journal beside it."""
        telling = self._telling.get(alert_id)
        if telling is not None:
            await asyncio.wait([telling])
        return alert_id not in self._never_stored

    async def _one_done(self, alert_id: str) -> None:
        if alert_id not in self._waiting:
            return
        self._waiting[alert_id] -= 1
        if self._waiting[alert_id] <= 0:
            del self._waiting[alert_id]
            await self._in_thread("")(self._journal.forget, alert_id)

    async def _until_answered(self, message: Message) -> Message | None:
        """The answer, or None when control will never take it (it stays in the journal for a person to look at)."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._control.request(message, timeout=ANSWER_SECONDS)
            except (ChannelClosed, TimeoutError):
                log.warning("control_does_not_answer", message=type(message).__name__)
            except Refusal as refusal:
                self.refused += 1
                log.error("control_refused", message=type(message).__name__, reason=refusal.reason, detail=refusal.en)
                if refusal.kind != "unavailable":
                    return None
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _take_up(self, entry: JournalEntry) -> None:
        # The rule that raised it died with the worker: the sweep in control ends what is not seen again.
        log.info("journal_taken_up", alert=entry.alert.alert_id)
        self.raised(entry.alert)
        evidence = entry.evidence
        if evidence is None:
            in_thread = self._in_thread(entry.alert.code)
            try:
                evidence = await in_thread(self._recover, entry.alert.alert_id, entry.clip_path)
            except OSError as error:  # the disk takes nothing: its entry stays, and the next start tries again
                log.error("clip_not_recovered", alert=entry.alert.alert_id, error=str(error))
                return
        if evidence is not None:
            self.clip_closed(evidence)
        else:
            self.no_clip(entry.alert.alert_id)

    def _recover(self, alert_id: str, path: Path) -> EvidenceReady | None:
        evidence = self._recover_clip(alert_id, path)
        if evidence is not None:
            self._journal.close_clip(evidence)
        return evidence

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def snapshot_of(placed: AlertRaised) -> EvidenceReady:
    """What control is told of the snapshot of an alert that was told without it. Blocks."""
    return EvidenceReady(
        evidence_id=placed.alert_id,
        alert_id=placed.alert_id,
        kind="snapshot",
        path=placed.snapshot_path,
        sha256=placed.snapshot_sha256,
        size=Path(placed.snapshot_path).stat().st_size,
        starts_at=placed.raised_at,
        ends_at=placed.raised_at,
        partial=False,
    )
