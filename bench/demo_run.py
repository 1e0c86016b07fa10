"""``gateway demo`` as a user runs it: a process of its own, read by what it prints."""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

GATEWAY = Path(sys.executable).with_name("gateway")
READY = re.compile(r"就绪 ready\s+(\S+)")
ACCOUNT = re.compile(r"(?:duty seat|set-up)\s+(\w+)\s+(\S+)")


class DemoFailed(Exception):
    """The demo ended, or did not get ready in time; what it printed goes with it."""


@dataclass(slots=True)
class DemoRun:
    """A running demo. ``ready_at``: monotonic seconds of its "ready" line."""

    process: Process
    address: str
    started_at: float
    ready_at: float
    passwords: dict[str, str] = field(repr=False)

    def kill(self) -> None:
        """``kill -9`` of the control process; its workers die with it."""
        self.process.kill()

    async def stop(self) -> int:
        """End it as an operator does; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


@asynccontextmanager
async def demo_run(
    folder: Path, *, footage: Path | None = None, port: int | None = None, within: float = 300.0
) -> AsyncIterator[DemoRun]:
    """Start the demo in ``folder`` and wait for its "ready" line, at most ``within`` seconds. Raises ``DemoFailed``."""
    films = ["--footage", str(footage)] if footage else []
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        GATEWAY, "demo", "--port", str(port or free_port()), "--folder", str(folder), *films, stdout=PIPE, stderr=PIPE
    )
    said: list[str] = []
    reading: asyncio.Task[None] | None = None
    try:
        try:
            async with asyncio.timeout(within):
                address, ready_at, passwords = await _wait_until_ready(process, said)
        except TimeoutError:
            raise DemoFailed(f"not ready within {within} s:\n" + "".join(said)) from None
        reading = asyncio.create_task(_read_on(process))
        run = DemoRun(process, address, started, ready_at, passwords)
        try:
            yield run
        finally:
            await run.stop()
    finally:
        if reading is not None:
            reading.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _wait_until_ready(process: Process, said: list[str]) -> tuple[str, float, dict[str, str]]:
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - asked for
    address, ready_at, passwords = "", 0.0, dict[str, str]()
    while len(passwords) < 2:
        line = (await process.stdout.readline()).decode(errors="replace")
        if not line:
            raise DemoFailed("".join(said) + (await process.stderr.read()).decode(errors="replace"))
        said.append(line)
        if ready := READY.search(line):
            address, ready_at = ready[1], time.monotonic()
        if account := ACCOUNT.search(line):
            passwords[account[1]] = account[2]
    return address, ready_at, passwords


async def _read_on(process: Process) -> None:
    """What it prints later is of no interest, but it must not wait for a reader."""
    assert process.stdout is not None  # noqa: S101 - asked for
    while await process.stdout.readline():
        pass


def free_port() -> int:
    """Of TCP and UDP, below those that the kernel gives out by itself: nobody else is given it meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams, suppress(OSError):
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
            return port
