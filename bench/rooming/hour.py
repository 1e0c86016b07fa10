"""A room's composer on a clock that is fed: an hour of media goes through it as fast as it is recorded.

``python -m bench.rooming.hour`` reads one JSON line: ``film``, ``folder``, ``kind`` (``composed`` or ``sources``),
``minutes``, ``sources``, ``dies`` (whether it kills itself at the end, as a crash does). It is the real composer with
its threads, its socket and its messages; its clock stands until everything that was due has been done. Each five
minutes of media it says on a JSON line what memory the process holds, and before it dies, how far it came.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.viewing.film import FRAMES_PER_SECOND, GOP, Film
from gateway.rooms.composer import Clock, Composer
from gateway.rooms.composer_messages import PictureIn, Scene, Shown, SoundIn, heard, packed
from gateway.rooms.mixing import TICK, SoundTarget

BEGAN = 1_790_000_000.0
SLEEPERS = 3
"""Of the composer: who paints, who mixes, who reports."""
SAYS_EVERY = 5 * 60
KILOBYTES_PER_MB = 1024


class FedClock:
    """Seconds since ``BEGAN``. It goes on when all who sleep on it sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._numbers), woken))
        self._slept.set()
        await woken

    async def go_on(self, until: float) -> None:
        while True:
            while len(self._sleeping) < SLEEPERS:
                self._slept.clear()
                await self._slept.wait()
            if self._sleeping[0][0] > until:
                self.now = until
                return
            due, _, woken = heapq.heappop(self._sleeping)
            self.now = max(self.now, due)
            woken.set_result(None)


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / KILOBYTES_PER_MB
    raise RuntimeError("no VmRSS")


def opus_of_a_voice() -> list[bytes]:
    """A second of sound in 20 ms packets."""
    target, chance = SoundTarget("opus"), np.random.default_rng(3)
    packets: list[bytes] = []
    while len(packets) < 50:
        packets += target.encode(chance.integers(-3000, 3000, TICK).astype(np.int16))
    return packets


async def record(asked: dict[str, Any]) -> None:
    film: Film = pickle.loads(Path(asked["film"]).read_bytes())  # noqa: S301, ASYNC240 - written by the bench itself
    names = [f"source{number}" for number in range(asked["sources"])]
    voice, clock = opus_of_a_voice(), FedClock()
    ours, theirs = socket.socketpair()
    composer = Composer(
        *await asyncio.open_unix_connection(sock=theirs, limit=1 << 20),
        Clock(lambda: clock.now, lambda: BEGAN + clock.now, clock.sleep),
    )
    running = asyncio.create_task(composer.run())
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 20)

    async def listen() -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await heard(reader)

    listening = asyncio.create_task(listen())
    composed = asked["kind"] == "composed"
    shown = [Shown(name, f"会场 {name[-1]}") for name in names]
    writer.write(packed(Scene("测量", "4", shown, names, [], composed, asked["kind"], asked["folder"])))
    for number in range(asked["minutes"] * 60 * FRAMES_PER_SECOND):
        at, seconds = number % len(film.units), number / FRAMES_PER_SECOND
        if number % (SAYS_EVERY * FRAMES_PER_SECOND) == 0:
            print(json.dumps({"minute": seconds / 60, "mb": resident_mb()}), flush=True)
        for name in names:
            writer.write(packed(PictureIn(name, "h264", film.units[at], number * 3600, at % GOP == 0, 0)))
            for tick in (2 * number, 2 * number + 1):
                writer.write(packed(SoundIn(name, "opus", voice[tick % len(voice)], tick * TICK)))
        await writer.drain()
        await clock.go_on(seconds)
        if at % FRAMES_PER_SECOND == 0:
            await composer.written()
    await composer.written()
    print(json.dumps({"minute": asked["minutes"], "mb": resident_mb(), "came_to": BEGAN + clock.now}), flush=True)
    if asked["dies"]:
        os.kill(os.getpid(), signal.SIGKILL)
    writer.write_eof()
    await running
    await listening


def main() -> None:
    asyncio.run(record(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
