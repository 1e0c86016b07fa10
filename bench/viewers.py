"""What a viewer costs beside Janus, how many one process carries, how soon and how late a browser sees the picture."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.demo_run import free_port
from bench.result import Result
from bench.viewing import janus
from bench.viewing.browser import look
from bench.viewing.film import make_film
from bench.viewing.service import cpu_seconds, service
from bench.viewing.source import times_at
from gateway.workers.logs import configure_logs

VIEWERS, CROWD = 10, 60
WARM_UP, MEASURED = 60.0, 30.0
JOINS, WATCHED = 40, float(os.environ.get("WATCHED", "600"))
TARGETS = {
    "cpu_ratio_to_janus_10": ("<=", 2.0),
    "viewers_without_late_frame": (">=", 60.0),
    "first_frame_p95_ms": ("<=", 400.0),
    "latency_p95_ms": ("<=", 300.0),
    "seconds_back_after_crash": ("<=", 5.0),
}
PARTS = ("cost", "crowd", "browser")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def viewers() -> Result:
    """See the head of this module. ``GATEWAY_BENCH_PARTS`` (cost, crowd, browser) names what to measure, else all;
    ``WATCHED`` how many seconds a browser watches, else 600."""
    configure_logs("json", process="bench")
    parts = os.environ.get("GATEWAY_BENCH_PARTS", " ".join(PARTS)).split()
    figures: dict[str, float | None] = dict.fromkeys((*TARGETS, "cpu_percent_per_viewer_10"))
    with tempfile.TemporaryDirectory(prefix="gateway-viewers-") as name:
        folder = Path(name)
        large, small = await asyncio.to_thread(make_film, 1920, 1080, 4.0), None
        (folder / "large").write_bytes(pickle.dumps(large))
        say(f"1080p25: {large.megabits:.2f} Mbit/s")
        if "crowd" in parts:
            small = await asyncio.to_thread(make_film, 1280, 720, 2.0)
            (folder / "small").write_bytes(pickle.dumps(small))
            say(f"720p25: {small.megabits:.2f} Mbit/s")
        if "cost" in parts:
            figures |= await cost(folder)
        if "crowd" in parts:
            figures |= await crowd(folder)
        if "browser" in parts:
            figures |= await browser(folder)
    return Result("viewers", figures, TARGETS)


async def cost(folder: Path) -> dict[str, float | None]:
    """CPU of a viewer, as ten cost more than none."""
    times = folder / "times-cost"
    async with source(folder / "large", times) as camera, service(folder / "cost", camera) as ours:
        own, came = await a_viewer_costs(ours.cpu_seconds, VIEWERS, times, _whep(ours.watch, ours.headers))
    say(f"gateway: {own:.3f} % of a core a viewer; {came}")
    figures: dict[str, float | None] = {
        "cpu_percent_per_viewer_10": round(own, 3),
        "late_p95_ms_10": came["late_p95_ms"],
    }
    if not janus.installed():
        say("janus is not installed: no comparison")
        return figures
    port = free_port()
    async with source(folder / "large", times, port) as _, janus.janus(folder / "janus", free_port(), port) as peer:
        asked = {"kind": "janus", "url": peer.url, "address": own_address()}
        theirs, came = await a_viewer_costs(lambda: cpu_seconds(peer.pid), VIEWERS, times, asked)
    say(f"janus: {theirs:.3f} % of a core a viewer; {came}")
    return figures | {
        "janus_cpu_percent_per_viewer_10": round(theirs, 3),
        "cpu_ratio_to_janus_10": round(own / theirs, 2),
        "janus_late_p95_ms_10": came["late_p95_ms"],
    }


async def crowd(folder: Path) -> dict[str, float | None]:
    """Sixty viewers of one camera in one process."""
    times = folder / "times-crowd"
    async with source(folder / "small", times) as camera, service(folder / "crowd", camera) as ours:
        share, came = await a_viewer_costs(ours.cpu_seconds, CROWD, times, _whep(ours.watch, ours.headers))
    say(f"{CROWD} viewers: {share:.3f} % of a core each; {came}")
    return {
        "viewers_without_late_frame": came["without_late_frame"],
        f"cpu_percent_per_viewer_{CROWD}": round(share, 3),
        f"late_p95_ms_{CROWD}": came["late_p95_ms"],
        f"late_max_ms_{CROWD}": came["late_max_ms"],
    }


async def browser(folder: Path) -> dict[str, float | None]:
    """First picture and age of pictures in Chromium."""
    times = folder / "times-browser"
    async with source(folder / "large", times) as camera, service(folder / "browser", camera) as ours:
        await asyncio.sleep(3)
        seen = await look(ours, JOINS, WATCHED, times_at(times))
    ages = np.array(seen.ages)
    third = len(ages) // 3
    beginning, end = (float(np.percentile(part[:, 1], 95)) for part in (ages[:third], ages[-third:]))
    return {
        "first_frame_p50_ms": round(float(np.percentile(seen.first, 50))),
        "first_frame_p95_ms": round(float(np.percentile(seen.first, 95))),
        "latency_p50_ms": round(float(np.percentile(ages[:, 1], 50))),
        "latency_p95_ms": round(float(np.percentile(ages[:, 1], 95))),
        "latency_p95_first_third_ms": round(beginning),
        "latency_p95_last_third_ms": round(end),
        "seconds_back_after_crash": round(seen.back, 2),
    }


async def a_viewer_costs(
    used: Callable[[], float], viewers: int, times: Path, asked: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Per cent of a core for each viewer, and what they received."""
    await asyncio.sleep(WARM_UP)
    before = used()
    await asyncio.sleep(MEASURED)
    idle = used() - before
    async with receivers({**asked, "viewers": viewers}) as process:
        await asyncio.sleep(5)
        before = used()
        came = await measured(process, MEASURED, times)
        busy = used() - before
    return (busy - idle) / MEASURED / viewers * 100, came


@asynccontextmanager
async def source(film: Path, times: Path, rtp_port: int = 0) -> AsyncIterator[dict[str, Any]]:
    """The camera; what to register it with."""
    process = await _python("bench.viewing.source", str(film), str(times), str(rtp_port))
    try:
        assert process.stdout is not None  # noqa: S101 - asked for
        camera: dict[str, Any] = json.loads(await process.stdout.readline())
        yield camera
    finally:
        await _ended(process)


@asynccontextmanager
async def receivers(asked: dict[str, Any]) -> AsyncIterator[Process]:
    """Viewers, connected."""
    process = await _python("bench.viewing.receivers")
    try:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(120):
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError("the viewers did not connect")
        yield process
    finally:
        await _ended(process)


async def measured(process: Process, seconds: float, times: Path) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
    process.stdin.write(f"{seconds} {times}\n".encode())
    came: dict[str, Any] = json.loads(await process.stdout.readline())
    return came


def own_address() -> str:
    """An address of this machine that is not loopback, which Janus leaves out; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


def _whep(url: str, headers: dict[str, str]) -> dict[str, Any]:
    return {"kind": "whep", "url": url, "headers": headers, "address": "127.0.0.1"}


async def _python(module: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE)


async def _ended(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
