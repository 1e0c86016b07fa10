"""What a camera costs: the product's worker with 20 and 50 cameras, and with 4 beside four ffmpeg at 5 frames a second.

The worker pulls, keeps its ring, decodes a keyframe every two seconds and makes it small; nothing is looked at and
nobody views. The cameras are a process of their own, whose processor time is counted apart.

``WARM_UP`` and ``WINDOW`` (seconds, in the environment) shorten it while it is being worked on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.film import make_film
from bench.lone_worker import LoneWorker, lone_worker
from bench.result import Result

WARM_UP, WINDOW = float(os.environ.get("WARM_UP", "60")), float(os.environ.get("WINDOW", "60"))
BESIDE_FFMPEG = 4
CONNECT_WITHIN = 90.0
TARGETS = {
    "cpu_ratio_to_ffmpeg_5fps": ("<=", round(1 / 11, 4)),
    "mb_per_camera_50": ("<=", 15.0),
}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one camera: percent of a core, MB beyond the ring. ``source``: of all cameras' senders together."""

    cpu: float
    mb: float
    ring_mb: float
    source: float
    looks: float
    lost: float
    live: int


async def camera_cost() -> Result:
    """See the head of this module. ``cpu_ratio_to_ffmpeg_5fps`` is ours divided by ffmpeg's."""
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-cost-") as name:
        folder = Path(name)
        film = await make_film(folder / "film.mkv")
        say("beside ffmpeg, 4 cameras each")
        async with (
            source(film, BESIDE_FFMPEG) as sending,
            watching(folder / "beside", sending, BESIDE_FFMPEG) as worker,
            decoders(sending, BESIDE_FFMPEG) as peers,
        ):
            ours, theirs = await measured(worker, sending, BESIDE_FFMPEG, peers)
        figures["cpu_percent_per_camera_4"] = ours.cpu
        figures["ffmpeg_5fps_cpu_percent_per_camera"] = theirs
        figures["cpu_ratio_to_ffmpeg_5fps"] = round(ours.cpu / theirs, 4) if theirs else None
        for cameras in (20, 50):
            say(f"{cameras} cameras")
            async with source(film, cameras) as sending, watching(folder / f"n{cameras}", sending, cameras) as worker:
                cost, _ = await measured(worker, sending, cameras, [])
            say(str(cost))
            figures |= {
                f"cpu_percent_per_camera_{cameras}": cost.cpu,
                f"mb_per_camera_{cameras}": cost.mb,
                f"ring_mb_per_camera_{cameras}": cost.ring_mb,
                f"looks_per_camera_second_{cameras}": cost.looks,
                f"frames_lost_{cameras}": cost.lost,
                f"source_cores_{cameras}": cost.source,
                f"cameras_live_{cameras}": float(cost.live),
            }
    return Result("camera_cost", figures, TARGETS)


@dataclass(frozen=True, slots=True)
class Sending:
    """The cameras' process."""

    process: psutil.Process
    port: int

    def url(self, camera: int) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{camera}"


@asynccontextmanager
async def source(film: Path, cameras: int) -> AsyncIterator[Sending]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.camera_source", str(film), str(cameras),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None  # noqa: S101, PT018 - asked for above
    try:
        yield Sending(psutil.Process(process.pid), int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def watching(folder: Path, sending: Sending, cameras: int) -> AsyncIterator[LoneWorker]:
    async with lone_worker(folder) as worker:
        for number in range(cameras):
            worker.assign(f"{number:020}", sending.url(number))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WITHIN):
                await worker.until_live(cameras)
        yield worker


@asynccontextmanager
async def decoders(sending: Sending, count: int) -> AsyncIterator[list[psutil.Process]]:
    """The peer: an ffmpeg for each camera that decodes all and hands out five pictures a second."""
    processes = []
    for number in range(count):
        command = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", sending.url(number)]
        command += ["-vf", "fps=5", "-f", "rawvideo", "-y", "/dev/null"]
        processes.append(await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL))
    try:
        yield [psutil.Process(process.pid) for process in processes]
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def measured(
    worker: LoneWorker, sending: Sending, cameras: int, peers: list[psutil.Process]
) -> tuple[Cost, float]:
    """The cost of one camera, and percent of a core for each peer, over one window."""
    await asyncio.sleep(WARM_UP)

    def now() -> tuple[float, float, float, float, float]:
        return (
            asyncio.get_running_loop().time(),
            worker.cpu_seconds(),
            _cpu(sending.process),
            sum(map(_cpu, peers)),
            worker.sum_of("gateway_camera_looks_total"),
        )

    before = now()
    await asyncio.sleep(WINDOW)
    passed, cpu, sent, theirs, looks = (after - first for after, first in zip(now(), before, strict=True))
    ring = worker.sum_of("gateway_camera_ring_bytes")
    cost = Cost(
        cpu=round(100 * cpu / passed / cameras, 3),
        mb=round((worker.pss_bytes() - ring) / cameras / 1e6, 2),
        ring_mb=round(ring / cameras / 1e6, 2),
        source=round(sent / passed, 2),
        looks=round(looks / passed / cameras, 2),
        lost=worker.sum_of("gateway_camera_frames_left_out_total"),
        live=worker.live,
    )
    return cost, round(100 * theirs / passed / max(1, len(peers)), 2)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
