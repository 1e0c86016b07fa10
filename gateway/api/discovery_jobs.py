"""Searches that take longer than a request: started, watched while they run, ended at any time.

One runs at a time, since each knocks at thousands of doors. The last few stay with what they found until newer ones
push them out; they are not kept over a restart, for what a network looked like then says nothing of now.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from camera_registry.discovery import Discovery, Progress, Wanted
from camera_registry.errors import CameraRefused, Reason
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.ids import new_id

log = structlog.get_logger(__name__)

KEPT = 8
TOLD_EVERY = 0.5
"""Seconds between two words about a job's progress; its end is told at once."""
LONGEST_JOB = 3_600.0

JobState = Literal["running", "done", "cancelled", "failed"]


@dataclass(slots=True, eq=False)
class DiscoveryJob:
    """A search and how far it is. ``platform``: whose it is; ``reason``: why it failed."""

    id: str
    platform: str
    started_by: str
    started_at: datetime
    progress: Progress
    state: JobState = "running"
    ended_at: datetime | None = None
    reason: Reason | None = None
    task: asyncio.Task[None] | None = None


class DiscoveryJobs:
    """``on_change`` hears of a job's progress, at most twice a second, and of its end."""

    def __init__(self, discovery: Discovery, clock: Clock) -> None:
        self._discovery = discovery
        self._clock = clock
        self._jobs: OrderedDict[str, DiscoveryJob] = OrderedDict()

    @property
    def running(self) -> bool:
        return any(job.state == "running" for job in self._jobs.values())

    def start(
        self, wanted: Wanted, platform: str, username: str, on_change: Callable[[DiscoveryJob], None]
    ) -> DiscoveryJob:
        """Begin a search; it goes on when whoever asked has gone. Refuses a second one beside it."""
        if self.running:
            raise discovery_running()
        told = asyncio.Event()
        progress = Progress(self._discovery.policy, told.set)
        job = DiscoveryJob(new_id(), platform, username, self._clock(), progress)
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        job.task = asyncio.create_task(self._run(job, wanted, told, on_change), name="discovery")
        return job

    def get(self, job_id: str) -> DiscoveryJob | None:
        return self._jobs.get(job_id)

    def listed(self) -> list[DiscoveryJob]:
        """The newest first."""
        return list(reversed(self._jobs.values()))

    async def cancel(self, job: DiscoveryJob) -> None:
        """End it; what it found stays. Does nothing to one that has ended."""
        if job.task is not None and job.state == "running":
            job.task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(job.task, return_exceptions=True))

    async def close(self) -> None:
        for job in self._jobs.values():
            await self.cancel(job)

    async def _run(
        self,
        job: DiscoveryJob,
        wanted: Wanted,
        told: asyncio.Event,
        on_change: Callable[[DiscoveryJob], None],
    ) -> None:
        async def tell() -> None:
            while True:
                await told.wait()
                told.clear()
                on_change(job)
                await asyncio.sleep(TOLD_EVERY)

        telling = asyncio.create_task(tell())
        try:
            async with asyncio.timeout(LONGEST_JOB):
                await self._discovery.run(wanted, job.progress)
            job.state = "done"
        except CameraRefused as refused:
            job.state, job.reason = "failed", refused.cause
        except asyncio.CancelledError:
            job.state = "cancelled"
        except Exception as error:  # whatever a network does to us, the job must end and say so
            log.exception("discovery_failed", job=job.id)
            job.state = "failed"
            job.reason = Reason(
                "discovery_failed", "搜索意外中止，请重试。", f"The search broke off: {type(error).__name__}."
            )
        finally:
            job.ended_at = self._clock()
            telling.cancel()
            on_change(job)


def discovery_running() -> Refusal:
    return Refusal(
        "too_many",
        "discovery_running",
        "正在搜索摄像机，请稍后再试。",
        "A search is running already; try again shortly.",
    )
