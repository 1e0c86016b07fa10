"""``python -m bench.camera_source FILM CAMERAS``: cameras 0, 1, 2 … at one port, in a process of their own.

Prints its port when it listens, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from bench.film import Film
from gateway.virtual.scripted_camera import ScriptedCamera, Served


async def main(film: Path, cameras: int) -> None:
    source = Film.read(film)
    # Keyframes of different cameras come at different moments.
    paths = {str(number): Served(partial(source.endless, number * 50)) for number in range(cameras)}
    camera = ScriptedCamera(paths)
    await camera.start()
    print(camera.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await camera.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
