"""A room beside Janus' videoroom: CPU, added latency, time to join, and pictures that stand still under loss.

Four members send 640×360 of 0.6 Mbit/s, three watch all of them. The same publishers and subscribers for both. CPU is
what the room costs beyond the idle service; loss is on the publishers' way. Then small pictures (320×180, 0.15 Mbit/s)
in a grid that grows until one stands still, and what the composed 3×3 picture costs.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.demo_run import free_port
from bench.result import Result
from bench.rooming.composed import composer_cores
from bench.viewers import own_address, say, source
from bench.viewing import janus
from bench.viewing.film import make_film
from bench.viewing.service import Service, cpu_seconds, service
from gateway.workers.logs import configure_logs

PUBLISHERS, SUBSCRIBERS, JOINS = 4, 3, 20
WARM_UP, MEASURED, LOSSY, GRID, COMPOSED = 10.0, 30.0, 20.0, 20.0, 20.0
GRIDS = (6, 9, 12, 16)
"""So many publishers, and as many who watch all of them."""
JANUS_ROOM = "1234"
TARGETS = {
    "cpu_ratio_to_janus": ("<=", 2.5),
    "added_latency_p95_ms": ("<=", 50.0),
    "join_p95_ms": ("<=", 800.0),
    "frozen_share_loss_5": ("<=", 0.05),
    "grid_12_frozen_streams": ("<=", 0),
}
_VIDEOROOM = f"""
general: {{{{ }}}}
room-{JANUS_ROOM}: {{{{
  description = "bench"
  publishers = 32
  videocodec = "h264"
  audiocodec = "opus"
  bitrate = 0
  fir_freq = 0
}}}}
"""


async def rooms() -> Result:
    """See the head of this module."""
    configure_logs("json", process="bench")
    figures: dict[str, float | None] = dict.fromkeys(TARGETS)
    with tempfile.TemporaryDirectory(prefix="gateway-rooms-") as name:
        folder = Path(name)
        film = await asyncio.to_thread(make_film, 640, 360, 0.6)
        (folder / "film").write_bytes(pickle.dumps(film))
        small = await asyncio.to_thread(make_film, 320, 180, 0.15)
        (folder / "small").write_bytes(pickle.dumps(small))
        say(f"640x360: {film.megabits:.2f} Mbit/s, {PUBLISHERS} publishers x {SUBSCRIBERS} subscribers")
        figures |= await ours(folder)
        figures |= await theirs(folder)
        cores, pictures = await composer_cores(film, COMPOSED)
        say(f"3x3 at 720p: {cores:.2f} cores, {pictures:.1f} pictures a second")
        figures |= {"composer_cores_3x3": round(cores, 2), "composer_pictures_per_second": round(pictures, 1)}
    own, peer = figures.get("cpu_percent"), figures.get("janus_cpu_percent")
    figures["cpu_ratio_to_janus"] = round(own / peer, 2) if own and peer else None
    return Result("rooms", figures, TARGETS)


async def ours(folder: Path) -> dict[str, float | None]:
    async with source(folder / "film", folder / "times") as camera, service(folder / "gateway", camera) as gateway:
        base = gateway.address + "/api/v1"

        async def asked() -> dict[str, Any]:
            return {
                "kind": "gateway", "url": base, "headers": gateway.headers, "address": "127.0.0.1",
                "room": await _room(gateway),
            }  # fmt: skip

        figures = await figures_of(folder, "", gateway.cpu_seconds, asked)
        for size in GRIDS:
            figures |= await grid(folder, size, gateway, await asked())
        return figures


async def grid(folder: Path, size: int, gateway: Service, asked: dict[str, Any]) -> dict[str, float | None]:
    """``size`` publishers of small pictures, and as many who watch all of them."""
    pid = next(pid for pid, line in gateway.processes().items() if "gateway.workers.room" in line)
    wanted = {**asked, "film": str(folder / "small"), "size": size, "seconds": GRID}
    try:
        busy, came = await people(wanted, lambda: cpu_seconds(pid), GRID, "bench.rooming.grid")
    except (RuntimeError, TimeoutError, ValueError) as error:
        say(f"{size} x {size}: no figures: {error!r}")
        return {f"grid_{size}_frozen_streams": None}
    say(f"{size} x {size}: room worker {busy / GRID:.0%} of a core, {came}")
    return {
        f"grid_{size}_frozen_streams": came["frozen_streams"],
        f"grid_{size}_frozen_share": came["frozen_share"],
        f"grid_{size}_late_p95_ms": came["late_p95_ms"],
        f"grid_{size}_worker_percent": round(busy / GRID * 100, 1),
    }


async def theirs(folder: Path) -> dict[str, float | None]:
    if not janus.installed():
        say("janus is not installed: no comparison")
        return {}
    port = free_port()
    async with janus_room(folder / "janus", port) as pid:
        url = f"http://127.0.0.1:{port}/janus"

        async def asked() -> dict[str, Any]:
            return {"kind": "janus", "url": url, "address": own_address(), "room": JANUS_ROOM}

        try:
            return await figures_of(folder, "janus_", lambda: cpu_seconds(pid), asked)
        except (RuntimeError, TimeoutError) as error:
            say(f"janus: no figures: {error}")
            return {}


async def figures_of(
    folder: Path, prefix: str, used: Callable[[], float], asked: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, float | None]:
    await asyncio.sleep(WARM_UP)
    before = used()
    await asyncio.sleep(10)
    idle = (used() - before) / 10
    common = {"film": str(folder / "film"), "publishers": PUBLISHERS, "subscribers": SUBSCRIBERS}
    calm = {**await asked(), **common, "loss": 0.0, "seconds": MEASURED, "joins": JOINS}
    busy, came = await people(calm, used, MEASURED)
    cpu = (busy / MEASURED - idle) * 100
    say(f"{prefix or 'gateway '}{cpu:.1f} % of a core; {came}")
    figures: dict[str, float | None] = {
        f"{prefix}cpu_percent": round(cpu, 1),
        f"{prefix}cpu_percent_per_forwarded": round(cpu / PUBLISHERS / SUBSCRIBERS, 2),
        f"{prefix}added_latency_p95_ms": came["late_p95_ms"],
        f"{prefix}join_p95_ms": came["join_p95_ms"],
        f"{prefix}frozen_share_loss_0": came["frozen_share"],
    }
    for share in (1, 5, 10):
        few = {**common, "publishers": 2, "subscribers": 1}
        _, came = await people({**await asked(), **few, "loss": share / 100, "seconds": LOSSY, "joins": 0}, used, LOSSY)
        say(f"{prefix or 'gateway '}{share} % loss: {came}")
        figures[f"{prefix}frozen_share_loss_{share}"] = came["frozen_share"]
        figures[f"{prefix}recovery_p95_ms_loss_{share}"] = came["recovery_p95_ms"]
    return figures


async def people(
    asked: dict[str, Any], used: Callable[[], float], seconds: float, module: str = "bench.rooming.people"
) -> tuple[float, dict[str, Any]]:
    """CPU seconds used while they watched, and what came."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(90 + seconds * 4):
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError("the room's people did not connect")
            before = used()
            await asyncio.sleep(seconds)
            busy = used() - before
            return busy, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _room(gateway: Service) -> str:
    async with httpx.AsyncClient(headers=gateway.headers, trust_env=False) as client:
        answer = await client.post(gateway.address + "/api/v1/rooms", json={"title": "bench"})
        answer.raise_for_status()
        return str(answer.json()["id"])


@asynccontextmanager
async def janus_room(folder: Path, port: int) -> AsyncIterator[int]:
    """Janus with its videoroom; its pid."""
    async with janus.janus(folder, port, free_port(), plugin="videoroom", text=_VIDEOROOM) as running:
        yield running.pid
