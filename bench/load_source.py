"""The cameras of the load measurement, at one port: ``load_source QUIET HAZARD NEGATIVE CAMERAS [--at-once]``.

Of ten cameras one shows a hazard, one a hard negative, the others a quiet street. Those with a hazard are quiet too
until a line with a time (seconds since the epoch) comes in; from the next keyframe on they burn. ``--at-once``: all
send their keyframes at the same moment, as cameras never do that keep their own time. A process of its own, so that
its processor time is counted apart. Prints its port when it listens, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.film import FPS, GOP_SECONDS, TICKS, Film
from gateway.virtual.scripted_camera import Picture, ScriptedCamera, Served, Step, Wait

EACH = 10
HAZARD, NEGATIVE = 3, 7
"""Which of ten cameras."""
GOLDEN = 0.618
"""Part of a group of pictures by which each camera's keyframes come after the last one's: any number is spread out."""


class Fire:
    """When it begins."""

    at = float("inf")


def burning(quiet: Film, hazard: Film, phase: int, fire: Fire) -> Iterator[Step]:
    """The quiet film until the fire begins, then the other one."""
    number, begun = 0, -1
    total = len(quiet.units)
    while True:
        place = (phase + number) % total
        if begun < 0 and quiet.units[place][1] and time.time() >= fire.at:
            begun = number
        unit = quiet.units[place] if begun < 0 else hazard.units[(number - begun) % len(hazard.units)]
        yield Picture(unit[0], number * TICKS)
        number += 1


def begun(later: float, film: Callable[[], Iterator[Step]]) -> Iterator[Step]:
    """The film, begun so many seconds after it was asked for."""
    yield Wait(later)
    yield from film()


async def main(films: list[Path], cameras: int, *, at_once: bool) -> None:
    quiet, hazard, negative = [Film.read(film) for film in films]
    fire = Fire()
    keys = [number for number, (_, key) in enumerate(quiet.units) if key]
    group = GOP_SECONDS * FPS
    paths: dict[str, Served] = {}
    for number in range(cameras):
        phase = keys[number % len(keys)]
        # Cameras keep no time with one another: without this all send their keyframes at the very same moment.
        later = 0.0 if at_once else round(number * GOLDEN % 1 * group) / FPS
        if number % EACH == HAZARD:
            paths[str(number)] = Served(partial(begun, later, partial(burning, quiet, hazard, phase, fire)))
        else:
            film = negative if number % EACH == NEGATIVE else quiet
            paths[str(number)] = Served(partial(begun, later, partial(film.endless, phase % len(film.units))))
    camera = ScriptedCamera(paths)
    await camera.start()
    print(camera.port, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        fire.at = float(line)
    await camera.stop()


if __name__ == "__main__":
    asyncio.run(main([Path(name) for name in sys.argv[1:4]], int(sys.argv[4]), at_once="--at-once" in sys.argv))
