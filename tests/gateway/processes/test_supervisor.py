"""The supervisor: a killed worker is back in seconds, a silent one is killed, and none outlives its parent."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.processes.supervisor import Supervisor, WorkerSpec


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that runs until it is ended."""
    (tmp_path / "sleeper_worker.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "sleeper_worker"


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_worker_is_started_again_and_the_exit_is_told(tmp_path: Path, sleeper: str) -> None:
    exits: list[tuple[str, int]] = []
    supervisor = Supervisor(
        (WorkerSpec("camera-1", sleeper),), tmp_path / "s", on_exit=lambda name, code: exits.append((name, code))
    )
    supervisor.start()
    state = supervisor.workers["camera-1"]
    await until(lambda: state.pid is not None)
    first = state.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: state.pid not in (None, first))
    assert state.starts == 2
    assert exits == [("camera-1", -signal.SIGKILL)]
    await supervisor.stop(grace=2)
    assert state.pid is None


async def test_a_worker_that_says_nothing_is_killed_and_started_again(tmp_path: Path, sleeper: str) -> None:
    supervisor = Supervisor((WorkerSpec("camera-1", sleeper),), tmp_path / "s", silence=0.5, starting=60)
    supervisor.start()
    state = supervisor.workers["camera-1"]
    await until(lambda: state.pid is not None)
    supervisor.heard("camera-1")
    await until(lambda: state.starts >= 2, seconds=10)
    await supervisor.stop(grace=2)


async def test_a_worker_may_take_longer_to_begin_than_to_answer(tmp_path: Path, sleeper: str) -> None:
    supervisor = Supervisor((WorkerSpec("inference", sleeper),), tmp_path / "s", silence=0.1, starting=4)
    supervisor.start()
    state = supervisor.workers["inference"]
    await until(lambda: state.pid is not None)
    begun = time.monotonic()
    await until(lambda: state.starts >= 2, seconds=20)
    assert time.monotonic() - begun > 3
    await supervisor.stop(grace=2)


@pytest.mark.parametrize(
    "lacking", [OSError(errno.ENOMEM, "Cannot allocate memory"), RuntimeError("can't start new thread")]
)
async def test_a_worker_that_cannot_be_started_now_is_started_later(
    tmp_path: Path, sleeper: str, monkeypatch: pytest.MonkeyPatch, lacking: Exception
) -> None:
    start = asyncio.create_subprocess_exec
    tried: list[object] = []

    async def nothing_left_once(*program: str, **options: Any) -> asyncio.subprocess.Process:
        tried.append(program)
        if len(tried) == 1:
            raise lacking
        return await start(*program, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", nothing_left_once)
    supervisor = Supervisor((WorkerSpec("camera-1", sleeper),), tmp_path / "s")
    supervisor.start()
    await until(lambda: supervisor.workers["camera-1"].pid is not None)
    await supervisor.stop(grace=2)
    assert len(tried) == 2


async def test_a_worker_is_started_again_though_nobody_could_be_told_of_its_end(tmp_path: Path, sleeper: str) -> None:
    def on_exit(_name: str, _code: int) -> None:
        raise KeyError("a camera that nobody knows")

    supervisor = Supervisor((WorkerSpec("camera-1", sleeper),), tmp_path / "s", on_exit=on_exit)
    supervisor.start()
    state = supervisor.workers["camera-1"]
    await until(lambda: state.pid is not None)
    assert state.pid is not None
    os.kill(state.pid, signal.SIGKILL)
    await until(lambda: state.pid is None)
    await until(lambda: state.pid is not None, seconds=10)
    await supervisor.stop(grace=2)


async def test_ending_waits_for_no_worker_that_is_between_two_starts(tmp_path: Path) -> None:
    supervisor = Supervisor((WorkerSpec("camera-1", "no_such_module"),), tmp_path / "s")
    supervisor.start()
    await until(lambda: len(supervisor.workers["camera-1"].history.exits) >= 3, seconds=20)
    begun = time.monotonic()
    await supervisor.stop(grace=8)
    assert time.monotonic() - begun < 6


async def test_only_the_process_that_was_started_may_use_a_name(tmp_path: Path, sleeper: str) -> None:
    supervisor = Supervisor((WorkerSpec("camera-1", sleeper),), tmp_path / "s")
    supervisor.start()
    state = supervisor.workers["camera-1"]
    await until(lambda: state.pid is not None)
    assert state.pid is not None
    assert supervisor.expects("camera-1", state.pid)
    assert not supervisor.expects("camera-1", os.getpid())
    assert not supervisor.expects("camera-2", state.pid)
    await supervisor.stop(grace=2)


def test_a_worker_does_not_outlive_a_killed_parent(tmp_path: Path, sleeper: str) -> None:
    program = textwrap.dedent(
        f"""
        import asyncio, pathlib
        from gateway.processes.supervisor import Supervisor, WorkerSpec
        async def main():
            supervisor = Supervisor((WorkerSpec("w", "{sleeper}"),), pathlib.Path("s"))
            supervisor.start()
            while supervisor.workers["w"].pid is None:
                await asyncio.sleep(0.02)
            print(supervisor.workers["w"].pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{Path.cwd()}"}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


async def test_a_planned_restart_is_no_crash(tmp_path: Path, sleeper: str) -> None:
    exits: list[tuple[str, int]] = []
    supervisor = Supervisor(
        (WorkerSpec("inference", sleeper),), tmp_path / "s", on_exit=lambda name, code: exits.append((name, code))
    )
    supervisor.start()
    state = supervisor.workers["inference"]
    await until(lambda: state.pid is not None)
    first = state.pid
    supervisor.restart("inference")
    await until(lambda: state.pid not in (None, first))
    assert (exits, state.history.exits, state.planned) == ([], (), False)
    await supervisor.stop(grace=2)
