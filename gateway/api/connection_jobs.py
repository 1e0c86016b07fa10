"""Many cameras connected one after another: started, watched while it runs, ended at any time, and told row by row.

Cameras of one device are asked in turn, never at once, so that what its account was refused counts before the next one
is tried; devices are asked a few at a time. One job runs at a time. The last few stay, with what became of each camera.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from camera_registry.errors import Reason
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.ids import new_id

log = structlog.get_logger(__name__)

KEPT = 4
TOLD_EVERY = 0.5
"""Seconds between two words about a job's progress; its end is told at once."""
AT_ONCE = 16
"""Half of what ``camera_network.MOST_AT_ONCE`` allows: whoever registers a camera by hand meanwhile is not kept out."""
BUSY_SECONDS = 1.0
LONGEST_JOB = 12 * 3_600.0

JobState = Literal["running", "done", "cancelled", "failed"]
Outcome = Literal["connected", "left_alone", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("connected", "left_alone", "failed")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A camera that is to be connected. ``device``: whom a wrong login at it counts against."""

    code: str
    name: str
    device: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a camera. ``left_alone``: it was connected already. ``reason``: why it failed."""

    code: str
    name: str
    outcome: Outcome
    at: datetime
    reason: Reason | None = None


Connect = Callable[[str], Awaitable[bool]]
"""Connect the camera of a code; False where that had been done before. Raises ``Refusal`` with the reason."""


@dataclass(slots=True, eq=False)
class ConnectionJob:
    """``platform``: whose it is; ``reason``: why it broke off as a whole."""

    id: str
    platform: str
    started_by: str
    started_at: datetime
    total: int
    results: list[Result] = field(default_factory=list)
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    state: JobState = "running"
    ended_at: datetime | None = None
    reason: Reason | None = None
    task: asyncio.Task[None] | None = None

    def add(self, result: Result) -> None:
        self.results.append(result)
        self.counts[result.outcome] += 1


class ConnectionJobs:
    """One for the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: OrderedDict[str, ConnectionJob] = OrderedDict()

    @property
    def running(self) -> bool:
        return any(job.state == "running" for job in self._jobs.values())

    def start(
        self,
        cameras: Sequence[Waiting],
        connect: Connect,
        platform: str,
        username: str,
        on_change: Callable[[ConnectionJob], None],
    ) -> ConnectionJob:
        """Begin; it goes on when whoever asked has gone. Refuses a second one beside it.

        ``on_change`` hears of its progress, at most twice a second, and of its end.
        """
        if self.running:
            raise Refusal(
                "too_many",
                "connecting_running",
                "正在批量接入摄像机，请等待其完成或先取消。",
                "Cameras are being connected already; wait until that is done, or end it.",
            )
        job = ConnectionJob(new_id(), platform, username, self._clock(), len(cameras))
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        job.task = asyncio.create_task(self._run(job, cameras, connect, on_change), name="connecting")
        return job

    def get(self, job_id: str) -> ConnectionJob | None:
        return self._jobs.get(job_id)

    def listed(self) -> list[ConnectionJob]:
        """The newest first."""
        return list(reversed(self._jobs.values()))

    async def cancel(self, job: ConnectionJob) -> None:
        """End it; what it has connected stays. Does nothing to one that has ended."""
        if job.task is not None and job.state == "running":
            job.task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(job.task, return_exceptions=True))

    async def close(self) -> None:
        for job in self._jobs.values():
            await self.cancel(job)

    async def _run(
        self,
        job: ConnectionJob,
        cameras: Sequence[Waiting],
        connect: Connect,
        on_change: Callable[[ConnectionJob], None],
    ) -> None:
        changed = asyncio.Event()

        async def tell() -> None:
            while True:
                await changed.wait()
                changed.clear()
                on_change(job)
                await asyncio.sleep(TOLD_EVERY)

        telling = asyncio.create_task(tell())
        try:
            async with asyncio.timeout(LONGEST_JOB):
                await self._connect_all(job, cameras, connect, changed)
            job.state = "done"
        except TimeoutError:
            job.state = "failed"
            job.reason = Reason(
                "connecting_too_long", "批量接入超时，请再次启动。", "It took too long; start it again."
            )
        except asyncio.CancelledError:
            job.state = "cancelled"
        finally:
            job.ended_at = self._clock()
            telling.cancel()
            on_change(job)

    async def _connect_all(
        self, job: ConnectionJob, cameras: Sequence[Waiting], connect: Connect, changed: asyncio.Event
    ) -> None:
        by_device: dict[str, list[Waiting]] = {}
        for camera in cameras:
            by_device.setdefault(camera.device, []).append(camera)
        left = iter(by_device.values())

        async def work() -> None:
            for of_one_device in left:
                for camera in of_one_device:
                    job.add(await self._connected(camera, connect))
                    changed.set()

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(AT_ONCE, len(by_device))):
                workers.create_task(work())

    async def _connected(self, camera: Waiting, connect: Connect) -> Result:
        while True:
            try:
                outcome: Outcome = "connected" if await connect(camera.code) else "left_alone"
                return Result(camera.code, camera.name, outcome, self._clock())
            except Refusal as refusal:
                if refusal.reason == "too_many_registrations":  # others register by hand: it waits for them
                    await asyncio.sleep(BUSY_SECONDS)
                    continue
                reason = Reason(refusal.reason, refusal.zh, refusal.en)
            except Exception as error:  # one camera's oddity must not end the others' chance
                log.exception("camera_not_connected", camera=camera.code)
                reason = Reason("connect_failed", "接入意外中止，请重试。", f"It broke off: {type(error).__name__}.")
            return Result(camera.code, camera.name, "failed", self._clock(), reason)
