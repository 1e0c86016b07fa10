"""``gateway serve`` started as an operator does, in a folder of its own, and waited for until it is ready."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.demo_run import free_port

GATEWAY = Path(sys.executable).with_name("gateway")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    own = {"DATA_FOLDER": str(folder / "data"), "HTTP__PORT": str(free_port()), "RTSP__PORT": "0", **settings}
    return kept | {f"GATEWAY_{name}": value for name, value in own.items()}


async def started(folder: Path, **settings: str) -> Process:
    return await asyncio.create_subprocess_exec(
        GATEWAY, "serve", cwd=folder, env=environment(folder, **settings), stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[tuple[Process, str]]:
    """A service that is ready, and its address."""
    process = await started(folder, **settings)
    try:
        assert process.stderr is not None
        address = ""
        async with asyncio.timeout(60):
            while not address:
                line = (await process.stderr.readline()).decode()
                assert line, "the service ended"
                said = json.loads(line) if line.startswith("{") else {}
                address = said.get("address", "") if said.get("event") == "ready" else ""
        reading = asyncio.create_task(process.stderr.read())
        yield process, address
        reading.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
