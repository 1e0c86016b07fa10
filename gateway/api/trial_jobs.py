"""Trials that were asked for over the doors: one at a time, a few kept, each in a process that may be ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import structlog

from detectors.engine import EngineName
from gateway.events.suppressions import view_of
from gateway.refusals import Refusal
from gateway.storage.ids import new_id

log = structlog.get_logger(__name__)

MOST_KEPT = 16
KEPT = timedelta(days=1)
"""After which a trial is forgotten: it tells of the rules, the rejections and the weights of then."""
LONGEST = 1800.0
"""Seconds of this machine's time that a trial may take."""
STOPPED_WITHIN = 10.0
"""Seconds after which a process that was killed is waited for no longer."""
MOST_ANSWER = 16_000_000

State = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class TriedCamera:
    """For which camera, in the view of which ``preset`` (as ``CameraRow``), rules are tried, and what was rejected at
    it."""

    code: str
    platform: str
    preset: str | None
    rejections: Sequence[Mapping[str, Any]]

    @property
    def view(self) -> str | None:
        """As its worker is told it."""
        return view_of(self.preset)


@dataclass(slots=True)
class TrialJob:
    """``progress``: seconds of the film gone through. ``result`` once it is done; ``reason``, ``zh`` and ``en`` once
    it has failed. ``platform``: whose footage it is, ``asked_by`` who wanted to know."""

    film: str
    platform: str
    asked_by: str
    began_at: datetime
    camera: TriedCamera | None = None
    id: str = field(default_factory=new_id)
    state: State = "running"
    progress: float = 0.0
    result: dict[str, Any] | None = None
    reason: str = ""
    zh: str = ""
    en: str = ""

    @property
    def camera_code(self) -> str | None:
        return None if self.camera is None else self.camera.code

    @property
    def preset(self) -> str | None:
        return None if self.camera is None else self.camera.preset

    @property
    def platforms(self) -> frozenset[str]:
        """Whose footage and whose camera it is: who sees them sees the trial."""
        return frozenset({self.platform} if self.camera is None else {self.platform, self.camera.platform})


class TrialJobs:
    """``card``: that of the weights by which rules are tried, on that ``engine``."""

    def __init__(self, card: Path, engine: EngineName) -> None:
        self._card = card
        self._engine = engine
        self._jobs: dict[str, TrialJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._bringing = False

    def use(self, card: Path) -> None:
        """Try rules by these weights from now on."""
        self._card = card

    def begin(
        self,
        film: Path,
        rules: Sequence[dict[str, Any]],
        camera: TriedCamera | None = None,
        *,
        starts_at: float | None,
        hours: float | None = None,
        platform: str,
        asked_by: str,
        now: datetime,
    ) -> TrialJob:
        """``starts_at``: when the film begins, or since when a log is tried for so many ``hours``, seconds since the
        epoch; None: the newest of a log. Raises ``Refusal`` ``trial_running`` while another one is."""
        self.check_free()
        job = TrialJob(film.name, platform, asked_by, now, camera)
        self._jobs[job.id] = job
        while len(self._jobs) > MOST_KEPT:
            del self._jobs[next(iter(self._jobs))]
        asked = {
            "rules": list(rules),
            "starts_at": starts_at,
            "hours": hours,
            "card": str(self._card),
            "engine": self._engine,
            "camera": None
            if camera is None
            else {"code": camera.code, "view": camera.view, "rejections": list(camera.rejections)},
        }
        task = asyncio.create_task(self._run(job, film, asked), name="trial")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        return job

    def check_free(self) -> None:
        """Raises ``Refusal`` ``trial_running`` while one is."""
        running = next((job for job in self._jobs.values() if job.state == "running"), None)
        if running is not None:
            raise Refusal(
                "conflict",
                "trial_running",
                "已有一次规则试运行在进行：请等它结束，或由有权人员停止。",
                "A trial is running already: wait until it has ended, or have it stopped.",
                about=running.id,
            )

    @contextlib.contextmanager
    def bringing(self) -> Iterator[None]:
        """While a film is being brought: one at a time, for each may be as large as a film may be, and take long.
        Raises ``Refusal`` ``footage_coming``."""
        if self._bringing:
            raise Refusal(
                "conflict",
                "footage_coming",
                "另一段录像正在上传，请稍后再试。",
                "Another film is being brought just now; try again when it is here.",
            )
        self._bringing = True
        try:
            yield
        finally:
            self._bringing = False

    def kept(self, now: datetime) -> tuple[TrialJob, ...]:
        """The newest first; what is older than ``KEPT`` is forgotten."""
        for job in tuple(self._jobs.values()):
            if job.state != "running" and now - job.began_at > KEPT:
                del self._jobs[job.id]
        return tuple(reversed(self._jobs.values()))

    def get(self, job_id: str) -> TrialJob | None:
        return self._jobs.get(job_id)

    async def stop(self, job: TrialJob, username: str) -> None:
        """End a trial that runs, at somebody's wish: another one can begin then. One that has ended stays as it is."""
        if job.state != "running":
            return
        _failed(job, "trial_stopped", f"试运行已由 {username} 停止", f"the trial was stopped by {username}")
        task = self._tasks[job.id]
        task.cancel()
        await asyncio.wait((task,), timeout=STOPPED_WITHIN)

    async def close(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: TrialJob, film: Path, asked: dict[str, Any]) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.workers.trial", str(film)), stdin=PIPE, stdout=PIPE, limit=MOST_ANSWER
            )
        except (OSError, RuntimeError) as error:  # no memory, file descriptor or thread left for now
            log.error("trial_not_started", film=job.film, error=str(error))
            zh, en = "试运行进程无法启动，请稍后再试", "the trial's process could not be started; try again later"
            _failed(job, "trial_not_started", zh, en)
            return
        try:
            async with asyncio.timeout(LONGEST):
                await self._listen(job, process, asked)
        except TimeoutError:
            _failed(job, "trial_too_long", "试运行超时，请选较短的录像", "the trial took too long: use shorter footage")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if job.state == "running":
                _failed(job, "trial_crashed", "试运行进程异常退出", "the trial's process ended without an answer")
            log.info("trial_ended", film=job.film, state=job.state, reason=job.reason)

    async def _listen(self, job: TrialJob, process: asyncio.subprocess.Process, asked: dict[str, Any]) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        while line := await process.stdout.readline():
            try:
                said = json.loads(line)
            except ValueError:
                continue  # a log line
            if "progress" in said:
                job.progress = float(said["progress"])
            elif "trial" in said:
                job.state, job.result, job.progress = "done", said["trial"], said["trial"]["seconds"]
            elif "refused" in said:
                _failed(job, **said["refused"])


def _failed(job: TrialJob, reason: str, zh: str, en: str) -> None:
    job.state, job.reason, job.zh, job.en = "failed", reason, zh, en
