"""The supervisor: keeps the workers alive and ends them all when control ends.

A worker is a process of its own (FFmpeg is C and can crash). It dies with its parent (PR_SET_PDEATHSIG), is started
again after an exit, and is killed when it has said nothing for ``silence`` seconds. Until its first word it has
``starting`` seconds: on a loaded machine an engine takes more than half a minute to load, and to kill it for that would
only make it begin again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gateway.processes.lifeline import die_with_parent
from gateway.processes.restarts import RestartHistory, after_exit

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker to keep alive: its name and the module that is run with ``--name`` and ``--socket``."""

    name: str
    module: str


@dataclass(slots=True)
class WorkerState:
    """What the supervisor knows of a worker now."""

    spec: WorkerSpec
    pid: int | None = None
    starts: int = 0
    last_word: float = 0.0
    has_spoken: bool = False
    """Since its last start."""
    planned: bool = False
    """Its end was asked for."""
    history: RestartHistory = field(default_factory=RestartHistory)


class Supervisor:
    """Starts the workers and restarts those that end; ``on_exit`` hears each unplanned end."""

    def __init__(
        self,
        specs: tuple[WorkerSpec, ...],
        socket_path: Path,
        *,
        silence: float = 30.0,
        starting: float = 120.0,
        on_exit: Callable[[str, int], None] | None = None,
    ) -> None:
        self.workers = {spec.name: WorkerState(spec) for spec in specs}
        self._socket = socket_path
        self._silence = silence
        self._starting = starting
        self._on_exit = on_exit
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start all workers; they connect back over the socket."""
        self._tasks = [
            asyncio.create_task(self._keep(state), name=f"keep-{name}") for name, state in self.workers.items()
        ]

    def add(self, spec: WorkerSpec) -> None:
        """Keep one more worker alive; one that is known already stays as it is."""
        if spec.name in self.workers:
            return
        self.workers[spec.name] = WorkerState(spec)
        if self._tasks and not self._stopping.is_set():
            self._tasks.append(asyncio.create_task(self._keep(self.workers[spec.name]), name=f"keep-{spec.name}"))

    def restart(self, name: str) -> None:
        """End a worker as planned: it is started again at once, and its end is no crash. One that is not running is
        about to be started anyway."""
        state = self.workers[name]
        if state.pid is not None:
            state.planned = True
            _signal(state.pid, signal.SIGTERM)

    def heard(self, name: str) -> None:
        """A worker that serves gave a sign of life."""
        state = self.workers[name]
        state.last_word, state.has_spoken = time.monotonic(), True

    def expects(self, name: str, pid: int) -> bool:
        """Whether the process that says it is ``name`` is the one that was started."""
        state = self.workers.get(name)
        return state is not None and state.pid == pid

    async def stop(self, grace: float = 8.0) -> None:
        """End all workers: SIGTERM, and SIGKILL after ``grace`` seconds."""
        self._stopping.set()
        for state in self.workers.values():
            _signal(state.pid, signal.SIGTERM)
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=grace)
            for state in self.workers.values():
                _signal(state.pid, signal.SIGKILL)
            if late:
                _done, late = await asyncio.wait(late, timeout=5)
            for task in late:
                task.cancel()

    async def _keep(self, state: WorkerState) -> None:
        while not self._stopping.is_set():
            try:
                process = await self._started(state.spec)
            except (OSError, RuntimeError) as error:  # no memory, file descriptor or thread left for now
                log.error("worker_not_started", worker=state.spec.name, error=str(error))
                await self._pause(state)
                continue
            state.pid, state.starts, state.last_word = process.pid, state.starts + 1, time.monotonic()
            state.has_spoken = False
            if self._stopping.is_set():
                _signal(state.pid, signal.SIGTERM)
            watching = asyncio.create_task(self._kill_when_silent(state))
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                raise
            finally:
                watching.cancel()
                state.pid = None
            if self._stopping.is_set():
                return
            if state.planned:
                state.planned = False
                log.info("worker_restarted", worker=state.spec.name, starts=state.starts)
                continue
            log.error("worker_ended", worker=state.spec.name, code=code, starts=state.starts)
            self._tell_exit(state.spec.name, code)
            await self._pause(state)

    def _tell_exit(self, name: str, code: int) -> None:
        try:
            if self._on_exit is not None:
                self._on_exit(name, code)
        except Exception:  # whatever comes of the word, the worker is started again
            log.exception("worker_end_not_told", worker=name)

    async def _started(self, spec: WorkerSpec) -> asyncio.subprocess.Process:
        # preexec_fn: nothing but prctl runs between fork and exec
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            spec.module,
            "--name",
            spec.name,
            "--socket",
            str(self._socket),
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    async def _pause(self, state: WorkerState) -> None:
        """Before the next start; the end of the service ends it."""
        state.history, delay = after_exit(state.history, time.monotonic())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    async def _kill_when_silent(self, state: WorkerState) -> None:
        while True:
            await asyncio.sleep(1)
            limit = self._silence if state.has_spoken else self._starting
            if time.monotonic() - state.last_word > limit:
                log.error("worker_silent", worker=state.spec.name, seconds=limit)
                _signal(state.pid, signal.SIGKILL)
                return


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
