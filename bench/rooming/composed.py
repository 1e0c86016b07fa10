"""What a composed picture costs: nine sources in a 3×3 layout, 720p at 15 pictures a second.

The sources are films played in real time in this process; the composer is a process of its own, which says what CPU
time it has used.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench.viewing.film import FRAMES_PER_SECOND, GOP, Film
from gateway.rooms.composer_messages import Listener, Scene, Shown
from gateway.rooms.composition import Composition, Heard
from gateway.streams.frame import EncodedFrame

SOURCES = 9
SETTLES, REPORTS_EVERY = 5.0, 2.0


async def composer_cores(film: Film, seconds: float, *, recording: str | None = None) -> tuple[float, float]:
    """Cores that the composer uses, and pictures a second that it makes."""
    with tempfile.TemporaryDirectory(prefix="gateway-composed-") as folder:
        heard = Heard(lambda *_: None, lambda _: None, lambda _: None, lambda _: None)
        composition = Composition(Path(folder), heard, time.time)
        composition.start()
        names = [f"source{number}" for number in range(SOURCES)]
        shown = [Shown(name, f"会场 {name[-1]}") for name in names]
        listeners = [Listener("terminal", "pcm_alaw")]
        composition.scene(Scene("测量", "9", shown, names, listeners, True, recording, folder))
        playing = asyncio.create_task(_play(composition, names, film))
        try:
            composed = composition.bus.subscribe("bench", 60)
            async with asyncio.timeout(60):
                await anext(composed)
            composed.close()
            await asyncio.sleep(SETTLES)
            before, began = composition.cost, time.monotonic()
            await asyncio.sleep(seconds)
            after, took = composition.cost, time.monotonic() - began
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await composition.close()
    # Costs are told every two seconds: what lies between two of them is known, not when exactly they were told.
    told = round(took / REPORTS_EVERY) * REPORTS_EVERY
    return (after.cpu_seconds - before.cpu_seconds) / told, (after.pictures - before.pictures) / told


async def _play(composition: Composition, names: list[str], film: Film) -> None:
    loop = asyncio.get_running_loop()
    begun, number = loop.time(), 0
    while True:
        at = number % len(film.units)
        pts = number * 90_000 // FRAMES_PER_SECOND
        for name in names:
            frame = EncodedFrame("video", "h264", film.units[at], pts, 90_000, time.time(), at % GOP == 0)
            composition.picture(name, frame)
        number += 1
        await asyncio.sleep(max(0.0, begun + number / FRAMES_PER_SECOND - loop.time()))
