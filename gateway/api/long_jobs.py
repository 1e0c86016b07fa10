"""Work that takes longer than a request: started, watched while it runs, ended at any time.

One of a kind runs at a time. The last few stay with what they came to until newer ones push them out; they are not kept
over a restart. What each kind does is its own module's: ``discovery_jobs``, ``connection_jobs``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

import structlog

from camera_registry.errors import CameraRefused, Reason
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.ids import new_id

log = structlog.get_logger(__name__)

TOLD_EVERY = 0.5
"""Seconds between two words about a job's progress; its end is told at once."""

JobState = Literal["running", "done", "cancelled", "failed"]


@dataclass(slots=True, eq=False, kw_only=True)
class LongJob:
    """``platform``: whose it is; ``reason``: why it failed as a whole; ``changed``: set when there is news of it."""

    platform: str
    started_by: str
    started_at: datetime
    id: str = field(default_factory=new_id)
    state: JobState = "running"
    ended_at: datetime | None = None
    reason: Reason | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


Job = TypeVar("Job", bound=LongJob)


@dataclass(frozen=True, slots=True)
class Kind:
    """``kept``: how many stay; ``longest``: seconds that one may take; ``running``: what is answered to a second one
    beside it; ``too_long`` and ``broke_off``: why it failed, the latter whatever the world did to it."""

    name: str
    kept: int
    longest: float
    running: Callable[[], Refusal]
    too_long: Reason
    broke_off: Reason


class LongJobs(Generic[Job]):
    """The jobs of one kind."""

    def __init__(self, kind: Kind, clock: Clock) -> None:
        self._kind = kind
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    @property
    def running(self) -> bool:
        return any(job.state == "running" for job in self._jobs.values())

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def listed(self) -> list[Job]:
        """The newest first."""
        return list(reversed(self._jobs.values()))

    async def cancel(self, job: Job) -> None:
        """End it; what it has done stays. Does nothing to one that has ended."""
        if job.task is not None and job.state == "running":
            job.task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(job.task, return_exceptions=True))
            if job.state == "running":  # it had not taken its first step, in which it learns of its end
                job.state, job.ended_at = "cancelled", self._clock()

    async def close(self) -> None:
        for job in self._jobs.values():
            await self.cancel(job)

    def begin(self, job: Job, work: Callable[[Job], Awaitable[None]], on_change: Callable[[Job], None]) -> Job:
        """It goes on when whoever asked has gone. ``on_change`` hears of its progress, at most once in ``TOLD_EVERY``,
        and of its end. Refuses a second one beside it."""
        self.check_free()
        self._jobs[job.id] = job
        while len(self._jobs) > self._kind.kept:
            self._jobs.popitem(last=False)
        job.task = asyncio.create_task(self._run(job, work, on_change), name=self._kind.name)
        return job

    def check_free(self) -> None:
        """Raises the refusal of a second one where one runs."""
        if self.running:
            raise self._kind.running()

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[None]], on_change: Callable[[Job], None]) -> None:
        telling = asyncio.create_task(_tell(job, on_change))
        try:
            async with asyncio.timeout(self._kind.longest):
                await work(job)
            job.state = "done"
        except TimeoutError:
            job.state, job.reason = "failed", self._kind.too_long
        except CameraRefused as refused:
            job.state, job.reason = "failed", refused.cause
        except asyncio.CancelledError:
            job.state = "cancelled"
        except Exception as error:  # whatever a network does to us, the job must end and say so
            log.exception("job_failed", kind=self._kind.name, job=job.id)
            words = self._kind.broke_off
            job.state, job.reason = "failed", Reason(words.code, words.zh, f"{words.en} ({type(error).__name__})")
        finally:
            job.ended_at = self._clock()
            telling.cancel()
            on_change(job)


async def _tell(job: Job, on_change: Callable[[Job], None]) -> None:
    while True:
        await job.changed.wait()
        job.changed.clear()
        on_change(job)
        await asyncio.sleep(TOLD_EVERY)
