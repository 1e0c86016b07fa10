"""The plain way to watch cameras: an ffmpeg each, and one loop over their pictures with ``YOLO.predict``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from pathlib import Path

import psutil

from detectors.cores import cores
from models import shipped

CAMERAS, SECONDS = 4, 24.0
WIDTH, HEIGHT = 1920, 1080


async def cameras_of_plain_loop(film: Path, say: Callable[[str], None]) -> float | None:
    """Cameras that this machine's cores carry so, at one look every two seconds: what is left to each camera of the
    processor time that a few take. Decoding and predicting are measured, not their queueing. None where it does not run
    here, which is said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.plain_loop", film), stdout=PIPE, stderr=DEVNULL, env={**os.environ}
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    out = await process.stdout.read()
    if await process.wait():
        say(f"plain loop: it ended with {process.returncode} (it needs the training extra and ffmpeg)")
        return None
    per_camera = float(json.loads(out.splitlines()[-1])["cores_per_camera"])
    say(f"plain loop: {per_camera:.3f} cores a camera")
    return round(cores() / per_camera, 1)


def main(film: str) -> None:
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    from models.torchvision_ops import register

    register()
    import subprocess

    import numpy as np
    from ultralytics import YOLO

    network = YOLO(str(shipped.WEIGHTS), task="detect")
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", film, "-vf", "fps=1/2"]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) for _ in range(CAMERAS)]
    network.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8), verbose=False, imgsz=640)
    processes = [psutil.Process(reader.pid) for reader in readers] + [psutil.Process()]

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    before, began, looks = used(), time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        for reader in readers:
            assert reader.stdout is not None  # noqa: S101 - asked for above
            picture = np.frombuffer(reader.stdout.read(WIDTH * HEIGHT * 3), np.uint8).reshape(HEIGHT, WIDTH, 3)
            network.predict(picture, verbose=False, imgsz=640)
            looks += 1
    passed = time.monotonic() - began
    # A loop that falls behind takes fewer looks than one every two seconds; each is counted as one that was due.
    decoding = sum(sum(process.cpu_times()[:2]) for process in processes[:-1]) / (passed + 1)
    predicting = (used() - before) / looks - decoding * passed / looks
    for reader in readers:
        reader.kill()
        reader.wait()
    print(json.dumps({"cores_per_camera": decoding / CAMERAS + max(0.0, predicting) / 2}))


if __name__ == "__main__":
    main(sys.argv[1])
