"""The engine's throughput through the process seam, beside the bare runtime's own tool on the same network.

A process like a camera worker takes decoded 1080p pictures, makes them small as the worker does (from the decoder's
planes), asks about them over its line and gets boxes back; the inference process is the real one. Beside it OpenVINO's
``benchmark_app`` on the same file, shape, precision, cores and niceness, which reads no picture, makes no boxes and
crosses no seam. The two take turns, so that a busy machine hurts both alike. In the pictures nothing burns: what may be
fire or smoke is judged by a second network as well, and a figure of its own tells what that costs.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from statistics import median

import numpy as np
from av import VideoFrame

from bench.duty_desk import Record, until
from bench.lone_inference import lone_inference
from bench.result import Result
from detectors.card import Card
from detectors.engine import open_detector
from detectors.plan import pictures_per_second
from detectors.processor import multiplies_bytes
from detectors.weights import checked_weights
from gateway.workers.camera.glimpse import of_decoded
from gateway.workers.camera.inference_link import InferenceLink
from gateway.workers.inference.__main__ import BEHIND
from models import shipped
from models.scenes import Scene, SceneKind

ROUNDS, SECONDS = 3, 8.0
AHEAD = 1
"""Pictures on their way beyond those that the engine takes at once, as benchmark_app too is given the requests that it
asks for. On two cores 4 in flight bring 88 pictures a second, 3 of them 84, 6 of them 85: more are shrunk too early,
and lie in memory in the network's place."""
PICTURES = 8
CONNECTED_WITHIN = 10.0
TARGETS = {"ratio_to_bare_runtime": (">=", 0.9)}
_THROUGHPUT = re.compile(r"Throughput:\s+([\d.]+) FPS")
_BENCHMARK_APP = Path(sys.executable).with_name("benchmark_app")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def detector() -> Result:
    """See the head of this module."""
    card, weights = await asyncio.to_thread(checked_weights, shipped.CARD)
    if card.quantised is not None and multiplies_bytes():
        weights = shipped.CARD.parent / card.quantised.weights
    say(f"{card.name} {card.sha256[:12]}, {card.input_size[1]}×{card.input_size[0]}, {weights.name}, {card.precision}")
    people, burning = _pictures("gathering"), _pictures("fire")
    through, bare, judged = [], [], []
    with tempfile.TemporaryDirectory(prefix="gateway-detector-") as folder:
        async with lone_inference(Path(folder)) as engine:
            at_once = round(engine.sum_of("gateway_engine_at_once")) + AHEAD
            for number in range(ROUNDS):
                through.append(await through_the_seam(engine.socket, card, people, at_once, SECONDS))
                bare.append(await bare_runtime(weights, card, SECONDS))
                judged.append(await through_the_seam(engine.socket, card, burning, at_once, SECONDS))
                rates = f"{through[-1]:.1f} through the seam, {bare[-1]:.1f} bare, {judged[-1]:.1f} judged"
                say(f"round {number + 1}: {rates}")
    alone = await asyncio.to_thread(engine_alone)
    say(f"engine alone, pictures of the input's size, no seam: {alone:.1f}")
    figures = {
        "pictures_per_second": round(median(through), 1),
        "ratio_to_bare_runtime": round(median(ours / theirs for ours, theirs in zip(through, bare, strict=True)), 3),
        "bare_pictures_per_second": round(median(bare), 1),
        "judged_pictures_per_second": round(median(judged), 1),
        "engine_alone_pictures_per_second": round(alone, 1),
    }
    return Result("detector", figures, TARGETS)


async def through_the_seam(socket: Path, card: Card, pictures: list[VideoFrame], at_once: int, seconds: float) -> float:
    """1080p pictures to boxes a second, ``at_once`` in flight."""
    link = InferenceLink(socket)
    link.start()

    async def seen(number: int) -> bool:
        picture, now = pictures[number % len(pictures)], time.time()
        small = (await asyncio.to_thread(of_decoded, picture, card.input_size, now, "main")).small
        looked = await link.look(f"{number % at_once:020}", small, taken_at=now, deadline=now + 60, timeout=60)
        return looked is not None

    async def connected() -> Record | None:
        return {} if await seen(0) else None

    assert await until(connected, CONNECTED_WITHIN, every=0.01) is not None  # noqa: S101 - the engine is there
    counted = 0
    began = time.monotonic()

    async def camera(number: int) -> None:
        nonlocal counted
        while time.monotonic() - began < seconds:
            assert await seen(number)  # noqa: S101 - the engine's answer
            number += at_once
            counted += 1

    await asyncio.gather(*(camera(number) for number in range(at_once)))
    rate = counted / (time.monotonic() - began)
    await link.stop()
    return rate


def _pictures(kind: SceneKind) -> list[VideoFrame]:
    scenes = (Scene(kind, seed, size=(1920, 1080), pieces="demo") for seed in range(PICTURES))
    return [_decoded(scene.frame(14.0)) for scene in scenes]


def _decoded(picture: np.ndarray) -> VideoFrame:
    """As a decoder gives it."""
    return VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")


async def bare_runtime(weights: Path, card: Card, seconds: float) -> float:
    """What OpenVINO's benchmark_app says of the same network on the same cores."""
    height, width = card.input_size
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(BEHIND), _BENCHMARK_APP),
        *("-m", weights, "-d", "CPU", "-hint", "throughput", "-shape", f"[1,3,{height},{width}]"),
        *("-infer_precision", "bf16" if card.precision == "bf16" else "f32", "-t", str(round(seconds))),
        stdout=PIPE,
        stderr=DEVNULL,
    )
    out, _ = await process.communicate()
    found = _THROUGHPUT.search(out.decode())
    if found is None:
        raise RuntimeError("benchmark_app says no throughput")
    return float(found[1])


def engine_alone() -> float:
    return pictures_per_second(open_detector("openvino", shipped.CARD), SECONDS)
