"""How many cameras of 1080p25 two cores carry with all three rules at a look every two seconds, from pull to alert.

The real camera worker and the real inference process; this process plays control. Of ten cameras one shows a fire
from a moment on and one a hard negative. A number of cameras is carried when for the whole window at most 1 % of the
looks is dropped (none in time, or none at all) and every fire is told within ten seconds of when it was lit. The
cameras are one process that copies pre-encoded pictures; its cores are printed apart and are not the product's.

Beside it the plain way: an ffmpeg for each camera that decodes all and hands on a picture every two seconds, and one
``YOLO.predict`` loop over them; what that carries follows from the processor time that a camera takes there.

What cannot be measured (cameras that are not all live in time) is not carried, and neither is any number above one that
is not. ``DATA=DIR`` has the clips named here in its ``video`` folder.

``WINDOW`` (seconds, 300) and ``CAMERAS`` ("10,25,50,75,100") shorten it while it is being worked on.
With ``KEYFRAMES=at_once`` all cameras send their keyframes at the same moment: the worst that can come.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.film import FPS, GOP_SECONDS
from bench.load_source import EACH, HAZARD
from bench.lone_inference import LoneInference, lone_inference
from bench.lone_worker import LoneWorker, lone_worker
from bench.nearest_rank import p95
from bench.plain_loop import cameras_of_plain_loop
from bench.result import Result
from detectors.card_file import load_card
from detectors.cores import cores
from detectors.processor import multiplies_bytes
from detectors.rules.config import DEFAULT_RULES
from models import shipped

WINDOW = float(os.environ.get("WINDOW", "300"))
LEVELS = tuple(sorted(int(number) for number in os.environ.get("CAMERAS", "10,25,50,75,100").split(",")))
AT_ONCE = ("--at-once",) if os.environ.get("KEYFRAMES") == "at_once" else ()
WARM_UP = min(20.0, WINDOW / 3)
LOOK_EVERY = 2.0
MOST_DROPPED, IN_TIME = 0.01, 10.0
CONNECT_WITHIN, REPORT_WITHIN = 60.0, 15.0
TARGETS = {"cameras_carried": (">=", 50.0)}
CLIPS = {"quiet": "neg_road_cars.mp4", "hazard": "fire_furg_house6.mp4", "negative": "neg_night_neon_street.mp4"}
FILM_SECONDS = 10


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class ClipUnusable(Exception):
    """A film that the cameras should show is not there, or none."""


class NotMeasured(Exception):
    """The cameras are not all live in time, or the worker no longer says what it does."""


Sources = tuple[psutil.Process, int, Callable[[float], None]]


@dataclass(frozen=True, slots=True)
class Level:
    """What so many cameras came to. ``latencies``: of each fire, seconds from when it was lit until its first alert was
    heard, infinite where none was; its first picture is the next keyframe, up to two seconds later, and that is not
    taken off. ``wrong``: alerts of what is not there."""

    cameras: int
    dropped: float
    latencies: tuple[float, ...]
    wrong: int
    worker_cores: float
    inference_cores: float
    source_cores: float

    @property
    def carried(self) -> bool:
        return self.dropped <= MOST_DROPPED and bool(self.latencies) and max(self.latencies) <= IN_TIME

    @property
    def figures(self) -> dict[str, float | None]:
        worst = p95(self.latencies)
        return {
            f"alert_latency_p95_s_{self.cameras}": None if worst is None else round(worst, 1),
            f"looks_dropped_share_{self.cameras}": round(self.dropped, 4),
            f"fires_told_{self.cameras}": float(sum(math.isfinite(latency) for latency in self.latencies)),
            f"fires_{self.cameras}": float(len(self.latencies)),
            f"wrongly_raised_{self.cameras}": float(self.wrong),
            f"product_cores_{self.cameras}": round(self.worker_cores + self.inference_cores, 2),
            f"source_cores_{self.cameras}": round(self.source_cores, 2),
        }


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
    shown: Level | None = None
    carried = 0.0
    with tempfile.TemporaryDirectory(prefix="gateway-load-") as name:
        folder = Path(name)
        try:
            films = [await encoded(Path(data) / "video" / clip, folder / f"{kind}.mkv") for kind, clip in CLIPS.items()]
        except ClipUnusable as unusable:
            say(str(unusable))
            return Result("load", {"cameras_carried": None}, TARGETS)
        failed = False
        for cameras in LEVELS:
            try:
                level = await measured(folder / f"n{cameras}", films, cameras)
            except NotMeasured as late:
                say(f"{cameras} cameras: {late}")
                figures[f"looks_dropped_share_{cameras}"] = None
                failed = True
                continue
            say(f"{level}")
            figures |= level.figures
            failed = failed or not level.carried
            if not failed or shown is None:
                shown = level
            if not failed:
                carried = float(cameras)
        figures["cameras_plain_loop"] = await cameras_of_plain_loop(films[0], say)
    figures["cameras_carried"] = carried
    if shown is not None:
        for figure in ("alert_latency_p95_s", "looks_dropped_share", "source_cores"):
            figures[figure] = shown.figures[f"{figure}_{shown.cameras}"]
    return Result("load", figures, TARGETS)


async def measured(folder: Path, films: list[Path], cameras: int) -> Level:
    """One number of cameras, over one window. Raises ``NotMeasured``."""
    async with (
        sources(films, cameras) as (source, port, light),
        lone_inference(folder) as engine,
        lone_worker(folder) as worker,
    ):
        for number in range(cameras):
            worker.assign(code(number), f"rtsp://127.0.0.1:{port}/{number}", rules=DEFAULT_RULES)
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await worker.until_live(cameras)
        except TimeoutError as error:
            raise NotMeasured(f"{worker.live} live after {CONNECT_WITHIN:.0f} s") from error
        await asyncio.sleep(WARM_UP)
        before = await _counted(worker, engine, source)
        burning = time.time() + WINDOW / 3
        light(burning)
        await asyncio.sleep(WINDOW)
        after = await _counted(worker, engine, source)
        heard = [
            Heard(int(one.code), one.hazard, one.raised_at, worker.heard_at[one.alert_id]) for one in worker.alerts
        ]
    told = latencies(heard, cameras, burning)
    wrong = [(one.camera, one.hazard) for one in heard if not rightly(one, burning)]
    say(f"{cameras} cameras; wrongly raised: {wrong or 'nothing'}")
    passed = after.at - before.at
    unanswered = after.unanswered - before.unanswered
    looks = {c: after.looks.get(c, 0.0) - before.looks.get(c, 0.0) for c in map(code, range(cameras))}
    return Level(
        cameras,
        dropped_share(looks, unanswered, passed),
        told,
        len(wrong),
        (after.worker - before.worker) / passed,
        (after.inference - before.inference) / passed,
        (after.source - before.source) / passed,
    )


def code(number: int) -> str:
    """A camera's."""
    return f"{number:020}"


@dataclass(frozen=True, slots=True)
class Heard:
    """An alert: of which camera, of what time's picture and when it was heard (seconds since the epoch)."""

    camera: int
    hazard: str
    raised_at: float
    heard_at: float


def rightly(one: Heard, burning: float) -> bool:
    """Whether there was what it tells of."""
    return one.camera % EACH == HAZARD and one.hazard == "fire" and one.raised_at >= burning


def latencies(heard: Sequence[Heard], cameras: int, burning: float) -> tuple[float, ...]:
    """For each camera with a fire the seconds from ``burning`` on until its first alert was heard; infinite: never."""
    first: dict[int, float] = {}
    for one in heard:
        if rightly(one, burning):
            first[one.camera] = min(one.heard_at, first.get(one.camera, math.inf))
    return tuple(first.get(number, math.inf) - burning for number in range(cameras) if number % EACH == HAZARD)


def dropped_share(looks: Mapping[str, float], unanswered: float, passed: float) -> float:
    """Of the looks that were due in ``passed`` seconds: those not taken (of each camera for itself: what another was
    looked at more often is no help to it) and those not answered."""
    due = math.floor(passed / LOOK_EVERY)
    missing = sum(max(0.0, due - taken) for taken in looks.values())
    return min(1.0, (missing + unanswered) / (due * len(looks)))


@dataclass(frozen=True, slots=True)
class _Counted:
    """``at``: on the monotonic clock. ``looks``: of each camera, by its code."""

    at: float
    looks: dict[str, float]
    unanswered: float
    worker: float
    inference: float
    source: float


async def _counted(worker: LoneWorker, engine: LoneInference, source: psutil.Process) -> _Counted:
    """As the worker's next report tells it: the time is that of the report. Raises ``NotMeasured``."""
    try:
        await worker.reported(REPORT_WITHIN)
    except TimeoutError as error:
        raise NotMeasured(f"the worker did not report within {REPORT_WITHIN:.0f} s") from error
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
    """A clip as a camera of 1080p25 sends it: H.264 of at most 4 Mbit/s, a keyframe every two seconds, no B-frames.
    Raises ``ClipUnusable``."""
    keys = str(FPS * GOP_SECONDS)
    say(f"encoding {clip.name}")
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(clip), "-t", str(FILM_SECONDS), "-an"),
        *("-vf", f"scale=1920:1080:flags=bicubic,fps={FPS}", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0"),
        *("-pix_fmt", "yuv420p", "-g", keys, "-keyint_min", keys, "-sc_threshold", "0"),
        *("-b:v", "3000k", "-maxrate", "4000k", "-bufsize", "4000k", str(film)),
    )
    if await process.wait():
        raise ClipUnusable(f"ffmpeg could not encode {clip}")
    return film
