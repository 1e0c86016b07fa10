"""A rush of alerts: 200 a second for a minute, of every hazard and each at a place of its own, as camera workers raise
them: journalled with fsync, told over the workers' socket, stored, told on the live stream. On SQLite, then PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil

from bench.alert_intake import CAMERAS, PASSWORD, camera_code
from bench.postgres import postgres_cluster
from bench.result import Result
from gateway.processes.channel import Channel, ChannelClosed, connect
from gateway.processes.messages import AlertRaised, AlertStored, Message
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.workers.camera.journal import AlertJournal

RATE, SECONDS = 200, float(os.environ.get("SECONDS", "60"))
WORKERS = 8
HAZARDS = ("fire", "crowd", "stall")
TARGETS = {
    "alerts_lost": ("==", 0.0),
    "stored_p95_ms": ("<=", 1000.0),
    "streamed_p95_ms": ("<=", 1000.0),
    "postgres_alerts_lost": ("==", 0.0),
    "postgres_stored_p95_ms": ("<=", 1000.0),
    "postgres_streamed_p95_ms": ("<=", 1000.0),
}


logging.getLogger("httpx").setLevel(logging.WARNING)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Rush:
    """When each alert was raised, stored and streamed; seconds of one clock."""

    raised: dict[str, float] = field(default_factory=dict)
    stored: dict[str, float] = field(default_factory=dict)
    streamed: dict[str, float] = field(default_factory=dict)
    megabytes: list[float] = field(default_factory=list)

    def p95_ms(self, ends: dict[str, float]) -> float | None:
        waits = sorted(end - self.raised[alert_id] for alert_id, end in ends.items())
        return round(1000 * waits[int(len(waits) * 0.95)], 1) if waits else None


async def alerts() -> Result:
    """See the head of this module."""
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-alerts-") as name:
        folder = Path(name)
        say(f"SQLite: {RATE} alerts a second for {SECONDS:.0f} s")
        (folder / "sqlite").mkdir()
        figures |= await rush(folder / "sqlite", f"sqlite+aiosqlite:///{folder / 'sqlite/gateway.db'}")
        with postgres_cluster() as cluster:
            if cluster is None:
                say("PostgreSQL is not installed: its figures are null")
            else:
                say("PostgreSQL: the same")
                (folder / "postgres").mkdir()
                found = await rush(folder / "postgres", cluster.url)
                figures |= {f"postgres_{key}": value for key, value in found.items()}
    for key in TARGETS:
        figures.setdefault(key, None)
    return Result("alerts", figures, TARGETS)


async def rush(folder: Path, url: str) -> dict[str, float | None]:
    found = Rush()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with running(folder, url, port) as process, AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
        signed_in = await client.post("/api/v1/session", json={"username": "bench", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
        listening = asyncio.create_task(listen(client, found))
        watching = asyncio.create_task(watch(psutil.Process(process.pid), found))
        channels = [await channel(stack, folder) for _ in range(WORKERS)]
        await raise_all(folder, channels, found)
        sent, stored_once = len(found.raised), await stored(client, set(found.raised))
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while len(found.streamed) < sent:  # noqa: ASYNC110 - the stream fills it
                    await asyncio.sleep(0.1)
        for task in (listening, watching):
            task.cancel()
        await asyncio.gather(listening, watching, return_exceptions=True)
    quarter = max(1, len(found.megabytes) // 4)
    growth = sum(found.megabytes[-quarter:]) / quarter - sum(found.megabytes[quarter : 2 * quarter]) / quarter
    figures: dict[str, float | None] = {
        "alerts_sent": float(sent),
        "alerts_stored_once": float(stored_once),
        "alerts_lost": float(sent - stored_once),
        "alerts_streamed": float(len(found.streamed)),
        "stored_p95_ms": found.p95_ms(found.stored),
        "streamed_p95_ms": found.p95_ms(found.streamed),
        "seconds_to_last_stored": round(max(found.stored.values()) - min(found.raised.values()), 1),
        "mb_growth": round(growth, 1),
    }
    say(str(figures))
    return figures


@asynccontextmanager
async def running(folder: Path, url: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.alert_intake", str(folder), url, str(port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            if (await process.stdout.readline()).strip() != b"ready":
                raise RuntimeError((folder / "log").read_text()[-2000:])
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()


async def channel(stack: AsyncExitStack, folder: Path) -> Channel:
    async def no_orders(message: Message) -> Message | None:
        return None

    opened = await connect(folder / "control.sock", no_orders, name="bench", timeout=10)
    running = asyncio.create_task(opened.run())
    stack.push_async_callback(asyncio.wait_for, asyncio.gather(running, return_exceptions=True), 10)
    stack.callback(opened.close)
    return opened


async def raise_all(folder: Path, channels: list[Channel], found: Rush) -> None:
    """Each alert at its moment, whatever became of those before it, and told again until it is stored."""
    journals = [AlertJournal(folder / "journal" / f"camera-{number}") for number in range(WORKERS)]
    picture = cv2.imencode(".jpg", np.random.default_rng(7).integers(0, 255, (360, 640, 3), np.uint8))[1].tobytes()
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with ThreadPoolExecutor(WORKERS) as disk:

        async def one(number: int) -> None:
            worker, alert_id, now = number % WORKERS, new_id(), time.time()
            code, zone = camera_code(number % CAMERAS), f"zone-{number // CAMERAS}"
            hazard = HAZARDS[number % len(HAZARDS)]
            alert = AlertRaised(alert_id, code, zone, hazard, now - 3, now, 0.8, {"boxes": [[0, 0, 1, 1]]}, "", "")
            found.raised[alert_id] = time.monotonic()
            placed = await loop.run_in_executor(disk, journals[worker].raise_alert, alert, picture)
            await until_stored(channels[worker], placed)
            found.stored[alert_id] = time.monotonic()
            await loop.run_in_executor(disk, journals[worker].forget, alert_id)

        tasks = []
        for number in range(int(RATE * SECONDS)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(one(number)))
            if number % (RATE * 10) == 0:
                say(f"  {number} raised, {len(found.stored)} stored, {len(found.streamed)} streamed")
        await asyncio.gather(*tasks)


async def until_stored(to: Channel, alert: AlertRaised) -> None:
    """Again and again, as the worker's delivery does."""
    for wait in (0.5, 1.0, 2.0, *(4.0,) * 100):
        if await told(to, alert):
            return
        await asyncio.sleep(wait)


async def told(to: Channel, alert: AlertRaised) -> bool:
    """Whether control has it."""
    try:
        return isinstance(await to.request(alert, timeout=10), AlertStored)
    except (Refusal, ChannelClosed, TimeoutError) as error:
        say(f"  told again: {type(error).__name__} {error}")
        return False


async def listen(client: httpx.AsyncClient, found: Rush) -> None:
    """The live stream as a console reads it; opened again where it ends, as a browser does."""
    while True:
        async with client.stream("GET", "/api/v1/stream", timeout=None) as answer:
            topic = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    topic = line[7:]
                elif line.startswith("data: ") and topic == "alert.raised":
                    found.streamed.setdefault(json.loads(line[6:])["id"], time.monotonic())
                if topic == "overrun":
                    say("  the stream was overrun")
                    break
        await asyncio.sleep(random.random() / 10)


async def stored(client: httpx.AsyncClient, wanted: set[str]) -> int:
    """How many of the alerts are there, each once."""
    ids: list[str] = []
    while True:
        params: dict[str, str | int] = {"limit": 200, "offset": len(ids), "order": "oldest"}
        page = (await client.get("/api/v1/alerts", params=params)).json()
        ids += [item["id"] for item in page["items"]]
        if len(ids) >= page["total"] or not page["items"]:
            break
    doubled = len(ids) - len(set(ids))
    return len(wanted & set(ids)) - doubled


async def watch(process: psutil.Process, found: Rush) -> None:
    while True:
        found.megabytes.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(1)
