"""Twenty cameras for twenty minutes: viewers coming and going, a fault somewhere every few seconds. What is left over?

The product's worker is measured from outside: memory, threads and open files when everything is quiet again, against
when everything was quiet before. A camera's state is wrong when, half a minute after the last fault, it is not what the
camera does. ``MINUTES`` (in the environment) shortens it; below ten the growth of memory is mostly the ring filling.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.film import Film, make_film
from bench.lone_worker import LoneWorker, lone_worker
from bench.result import Result
from gateway.processes.channel import ChannelClosed
from gateway.processes.messages import Answer, CloseViewing, OpenViewing
from gateway.refusals import Refusal
from gateway.settings import CameraSettings, RtspSettings, Settings, WebRtcSettings
from gateway.virtual.camera_faults import FAULTS, well
from gateway.virtual.scripted_camera import ScriptedCamera, Served, Step
from gateway.workers.logs import configure_logs

CAMERAS = 20
MINUTES = float(os.environ.get("MINUTES", "20"))
FAULT_EVERY = 4.0
FAULT_LASTS = 8.0
VIEWER_EVERY = 3.0
VIEWER_STAYS = 12.0
MOST_VIEWERS = 6
QUIET = 45.0
"""Seconds: longer than the longest pause between two attempts, and than the ring reaches back."""
TARGETS = {
    "wrong_states": ("==", 0.0),
    "threads_growth": ("<=", 2.0),
    "fds_growth": ("<=", 4.0),
    "mb_growth": ("<=", 30.0),
    "seconds_to_live_after_kill": ("<=", 5.0),
}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass
class Fault:
    """What a camera does wrong now; None: nothing."""

    name: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Left:
    """Of the worker's process, while nothing happens. ``mb`` is without the rings, which are meant to be full."""

    mb: float
    threads: int
    files: int


async def soak() -> Result:
    """See the head of this module."""
    configure_logs("json", process="bench")
    logging.getLogger().setLevel(logging.WARNING)
    # Viewers and worker are on this machine, and aioice leaves loopback out.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    with tempfile.TemporaryDirectory(prefix="gateway-soak-") as name:
        folder = Path(name)
        # A smaller picture: what is looked for is what is left over, not what it costs.
        film = await make_film(folder / "film.mkv", width=640, height=360, kbits=600)
        units = (await asyncio.to_thread(Film.read, film)).units
        faults = [Fault() for _ in range(CAMERAS)]
        paths = {str(number): Served(partial(_as_told, units, faults[number])) for number in range(CAMERAS)}
        camera = ScriptedCamera(paths)
        await camera.start()
        settings = Settings(
            data_folder=folder / "worker",
            rtsp=RtspSettings(port=0),
            webrtc=WebRtcSettings(addresses=("127.0.0.1",)),
            cameras=CameraSettings(stalled_after=2.0, ring_seconds=10.0),
        )
        async with lone_worker(folder / "worker", settings) as worker:
            figures = await _through(worker, camera, faults)
            killed_at = asyncio.get_running_loop().time()
            worker.process.kill()
        # As the supervisor does it: at once, and told anew what it owns.
        async with lone_worker(folder / "worker", settings) as again:
            await _live(again, camera)
            figures["seconds_to_live_after_kill"] = round(asyncio.get_running_loop().time() - killed_at, 1)
        await camera.stop()
    return Result("soak", figures, TARGETS)


async def _through(worker: LoneWorker, camera: ScriptedCamera, faults: list[Fault]) -> dict[str, float | None]:
    await _live(worker, camera)
    # Once through everything before measuring: what is loaded at first use is no leak.
    viewed = await _busy(worker, camera, faults, min(60.0, MINUTES * 60 / 4))
    await _quiet(faults)
    before = _left(worker)
    say(f"before: {before}")
    viewed_after = await _busy(worker, camera, faults, MINUTES * 60)
    await _quiet(faults)
    after = _left(worker)
    say(f"after: {after}")
    wrong = [code for code, state in worker.states.items() if state != "live"]
    for code in wrong:
        say(f"wrong state: {code} {worker.states[code]}")
    return {
        "minutes": MINUTES,
        "faults": float(viewed_after[0]),
        "viewers": float(viewed_after[1]),
        "viewers_refused": float(viewed_after[2]),
        "warm_up_faults": float(viewed[0]),
        "mb_growth": round(after.mb - before.mb, 1),
        "threads_growth": float(after.threads - before.threads),
        "fds_growth": float(after.files - before.files),
        "wrong_states": float(len(wrong) + CAMERAS - len(worker.states)),
        "connections_left": float(camera.connections - CAMERAS),
        "worker_restarts": 0.0 if worker.process.is_running() else 1.0,
    }


async def _live(worker: LoneWorker, camera: ScriptedCamera) -> None:
    for number in range(CAMERAS):
        worker.assign(_code(number), camera.url(str(number)))
    async with asyncio.timeout(120):
        await worker.until_live(CAMERAS)


async def _busy(
    worker: LoneWorker, camera: ScriptedCamera, faults: list[Fault], seconds: float
) -> tuple[int, int, int]:
    """Faults begun, viewers that saw pictures, and viewers that were refused (a camera away gives none)."""
    chance = random.Random(7)
    names = itertools.cycle(sorted(FAULTS))
    ends = asyncio.get_running_loop().time() + seconds
    made = 0
    viewers: set[asyncio.Task[bool]] = set()
    seen = refused = 0
    next_viewer = 0.0
    while asyncio.get_running_loop().time() < ends:
        well_now = [fault for fault in faults if fault.name is None]
        if len(well_now) > CAMERAS // 2:
            ill = chance.choice(well_now)
            ill.name = next(names)
            ill.changed.set()
            made += 1
            asyncio.get_running_loop().call_later(FAULT_LASTS, partial(_heal, ill))
        if asyncio.get_running_loop().time() >= next_viewer and len(viewers) < MOST_VIEWERS:
            next_viewer = asyncio.get_running_loop().time() + VIEWER_EVERY
            viewers.add(asyncio.create_task(_view(worker, _code(chance.randrange(CAMERAS)), f"viewer-{made}")))
        done = {viewer for viewer in viewers if viewer.done()}
        viewers -= done
        seen += sum(viewer.result() for viewer in done)
        refused += sum(not viewer.result() for viewer in done)
        if made % 25 == 0:
            say(f"{made} faults, {seen} viewers")
        await asyncio.sleep(FAULT_EVERY)
    for result in await asyncio.gather(*viewers):
        seen, refused = seen + result, refused + (not result)
    return made, seen, refused


async def _view(worker: LoneWorker, code: str, viewing: str) -> bool:
    """A viewer that stays a while; one in three goes without a word. False: there was no picture to view."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        answer = await worker.channel.request(
            OpenViewing(code, viewing, peer.localDescription.sdp), timeout=15
        )  # fmt: skip
        if not isinstance(answer, Answer):
            return False
        await peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        await asyncio.sleep(VIEWER_STAYS)
        if hash(viewing) % 3:
            worker.channel.send(CloseViewing(viewing))
        return True
    except (Refusal, TimeoutError, ChannelClosed):
        return False
    finally:
        with contextlib.suppress(Exception):
            await peer.close()


async def _quiet(faults: list[Fault]) -> None:
    for fault in faults:
        _heal(fault)
    await asyncio.sleep(QUIET)


def _heal(fault: Fault) -> None:
    fault.name = None
    fault.changed.set()


def _as_told(units: tuple[tuple[bytes, bool], ...], fault: Fault) -> Iterator[Step]:
    """Plays what the fault of the moment says; a change of it ends the connection, as a camera that starts anew."""
    fault.changed.clear()
    steps = FAULTS[fault.name](units) if fault.name is not None else well(units)
    for step in steps:
        if fault.changed.is_set():
            return
        yield step


def _left(worker: LoneWorker) -> Left:
    ring = worker.sum_of("gateway_camera_ring_bytes")
    return Left(
        round((worker.pss_bytes() - ring) / 1e6, 1), worker.process.num_threads(), worker.process.num_fds()
    )  # fmt: skip


def _code(number: int) -> str:
    return f"{number:020}"
