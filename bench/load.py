"""How many cameras of 1080p25 two cores carry with all three rules at a look every two seconds, from pull to alert.

The real camera worker and the real inference process; this process plays control. Of ten cameras one shows a fire
from a moment on and one a hard negative. A number of cameras is carried when for the whole window at most 1 % of the
looks is dropped (none in time, or none at all) and every fire is told within ten seconds of when it was lit. The
cameras are one process that copies pre-encoded pictures; its cores are printed apart and are not the product's.

Beside it the plain way: an ffmpeg for each camera that decodes all and hands on a picture every two seconds, and one
``YOLO.predict`` loop over them; what that carries follows from the processor time that a camera takes there.

``WINDOW`` (seconds, 300) and ``CAMERAS`` ("10,25,50,75,100") shorten it while it is being worked on.
With ``KEYFRAMES=at_once`` all cameras send their keyframes at the same moment: the worst that can come.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import psutil

from bench.film import FPS, GOP_SECONDS
from bench.load_source import EACH, HAZARD
from bench.lone_inference import LoneInference, lone_inference
from bench.lone_worker import LoneWorker, lone_worker
from bench.plain_loop import cameras_of_plain_loop
from bench.result import Result
from detectors.card_file import load_card
from detectors.plan import cores
from detectors.processor import multiplies_bytes
from detectors.rules.config import DEFAULT_RULES
from models import shipped

WINDOW = float(os.environ.get("WINDOW", "300"))
LEVELS = tuple(int(number) for number in os.environ.get("CAMERAS", "10,25,50,75,100").split(","))
AT_ONCE = ("--at-once",) if os.environ.get("KEYFRAMES") == "at_once" else ()
WARM_UP = min(20.0, WINDOW / 3)
LOOK_EVERY = 2.0
MOST_DROPPED, IN_TIME = 0.01, 10.0
CONNECT_WITHIN = 60.0
TARGETS = {"cameras_carried": (">=", 50.0)}
CLIPS = {"quiet": "neg_road_cars.mp4", "hazard": "fire_furg_house6.mp4", "negative": "neg_night_neon_street.mp4"}
FILM_SECONDS = 10


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


Sources = tuple[psutil.Process, int, Callable[[float], None]]


@dataclass(frozen=True, slots=True)
class Level:
    """What so many cameras came to. ``latencies``: seconds from when each fire was lit until its alert was heard; its
    first picture is the next keyframe, up to two seconds later, and that is not taken off."""

    cameras: int
    dropped: float
    latencies: tuple[float, ...]
    fires: int
    worker_cores: float
    inference_cores: float
    source_cores: float

    @property
    def carried(self) -> bool:
        return self.dropped <= MOST_DROPPED and len(self.latencies) == self.fires and self.p95 <= IN_TIME

    @property
    def p95(self) -> float:
        if not self.latencies:
            return float("inf")
        return quantiles(self.latencies, n=20, method="inclusive")[-1] if self.fires > 1 else max(self.latencies)


async def load() -> Result:
    """See the head of this module."""
    card = load_card(shipped.CARD)
    bits = "int8" if card.quantised is not None and multiplies_bytes() else card.precision
    say(f"{card.name} {card.sha256[:12]}, {card.input_size[1]}×{card.input_size[0]}, {bits}")
    data = os.environ.get("DATA") or os.environ.get("GATEWAY_SAMPLE_DATA")
    if not data:
        say("no footage: set GATEWAY_SAMPLE_DATA, or DATA=DIR")
        return Result("load", {"cameras_carried": None}, TARGETS)
    figures: dict[str, float | None] = {"cores": float(cores()), "window_seconds": WINDOW}
    carried: Level | None = None
    with tempfile.TemporaryDirectory(prefix="gateway-load-") as name:
        folder = Path(name)
        films = [await encoded(Path(data) / "video" / clip, folder / f"{kind}.mkv") for kind, clip in CLIPS.items()]
        for cameras in LEVELS:
            level = await measured(folder / f"n{cameras}", films, cameras)
            say(f"{level}")
            figures |= {
                f"alert_latency_p95_s_{cameras}": round(level.p95, 1) if level.latencies else None,
                f"looks_dropped_share_{cameras}": round(level.dropped, 4),
                f"fires_told_{cameras}": float(len(level.latencies)),
                f"fires_{cameras}": float(level.fires),
                f"product_cores_{cameras}": round(level.worker_cores + level.inference_cores, 2),
                f"source_cores_{cameras}": round(level.source_cores, 2),
            }
            if level.carried:
                carried = level
        figures["cameras_plain_loop"] = await cameras_of_plain_loop(films[0], say)
    shown = carried or level
    figures |= {
        "cameras_carried": float(carried.cameras) if carried else 0.0,
        "alert_latency_p95_s": round(shown.p95, 1) if shown.latencies else None,
        "looks_dropped_share": round(shown.dropped, 4),
        "source_cores": round(shown.source_cores, 2),
    }
    return Result("load", figures, TARGETS)


async def measured(folder: Path, films: list[Path], cameras: int) -> Level:
    """One number of cameras, over one window."""
    async with (
        sources(films, cameras) as (source, port, light),
        lone_inference(folder) as engine,
        lone_worker(folder) as worker,
    ):
        for number in range(cameras):
            worker.assign(f"{number:020}", f"rtsp://127.0.0.1:{port}/{number}", rules=DEFAULT_RULES)
        async with asyncio.timeout(CONNECT_WITHIN):
            await worker.until_live(cameras)
        await asyncio.sleep(WARM_UP)
        before = _counted(worker, engine, source)
        false = len(worker.alerts)
        light(time.time() + WINDOW / 3)
        began = time.time()
        await asyncio.sleep(WINDOW)
        after = _counted(worker, engine, source)
        burning = began + WINDOW / 3
        latencies = [
            worker.heard_at[alert.alert_id] - burning
            for alert in worker.alerts[false:]
            if alert.hazard == "fire" and int(alert.code) % EACH == HAZARD and alert.raised_at >= burning
        ]
        wrong = [a for a in worker.alerts if int(a.code) % EACH != HAZARD or a.hazard != "fire"]
        say(f"{cameras} cameras; wrongly raised: {[(int(a.code), a.hazard) for a in wrong] or 'nothing'}")
    passed = after.at - before.at
    asked = passed / LOOK_EVERY
    short = sum(max(0.0, asked - 1 - (after.looks[c] - before.looks.get(c, 0.0))) for c in after.looks)
    dropped = short + after.unanswered - before.unanswered
    return Level(
        cameras,
        min(1.0, dropped / (asked * cameras)),
        tuple(latencies),
        sum(number % EACH == HAZARD for number in range(cameras)),
        (after.worker - before.worker) / passed,
        (after.inference - before.inference) / passed,
        (after.source - before.source) / passed,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    at: float
    looks: dict[str, float]
    unanswered: float
    worker: float
    inference: float
    source: float


def _counted(worker: LoneWorker, engine: LoneInference, source: psutil.Process) -> _Counted:
    looks = {s.labels["camera"]: s.value for s in worker.samples if s.name == "gateway_camera_looks_total"}
    lost = ("gateway_looks_unanswered_total", "gateway_keyframes_stale_total", "gateway_keyframes_unreadable_total")
    unanswered = sum(worker.sum_of(name) for name in lost)
    times = source.cpu_times()
    return _Counted(
        time.monotonic(), looks, unanswered, worker.cpu_seconds(), engine.cpu_seconds(), times.user + times.system
    )


@asynccontextmanager
async def sources(films: list[Path], cameras: int) -> AsyncIterator[Sources]:
    """The cameras' process, its port, and what lights the fires at a time."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load_source", *map(str, films), str(cameras), *AT_ONCE), stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for above
    stdin = process.stdin
    try:
        port = int(await process.stdout.readline())
        yield psutil.Process(process.pid), port, lambda at: stdin.write(f"{at}\n".encode())
    finally:
        stdin.close()
        await process.wait()


async def encoded(clip: Path, film: Path) -> Path:
    """A clip as a camera of 1080p25 sends it: H.264 of at most 4 Mbit/s, a keyframe every two seconds, no B-frames."""
    keys = str(FPS * GOP_SECONDS)
    say(f"encoding {clip.name}")
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(clip), "-t", str(FILM_SECONDS), "-an"),
        *("-vf", f"scale=1920:1080:flags=bicubic,fps={FPS}", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0"),
        *("-pix_fmt", "yuv420p", "-g", keys, "-keyint_min", keys, "-sc_threshold", "0"),
        *("-b:v", "3000k", "-maxrate", "4000k", "-bufsize", "4000k", str(film)),
    )
    if await process.wait():
        raise RuntimeError(f"ffmpeg could not encode {clip}")
    return film
