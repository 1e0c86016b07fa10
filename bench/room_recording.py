"""An hour of a room recorded, composed and by source: memory that does not grow, files that play and outlive a crash.

The room's real composer runs on a clock that is fed (``bench.rooming.hour``), with real frames and real sound of four
members, so that an hour takes minutes. Its memory is that of the whole process. The files lie in memory (``/dev/shm``,
where there is one): how fast a disk syncs is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.result import Result
from bench.viewers import say
from bench.viewing.film import make_film
from gateway.rooms.recording_file import left_behind

MINUTES, CRASH_MINUTES, SOURCES = 60, 2, 4
SETTLED = 5
"""Minutes of media after which the process holds what it needs."""
MEMORY = "/dev/shm"  # noqa: S108 - a folder of one's own is made in it
TARGETS = {
    "composed_mb_growth": ("<=", 10.0),
    "sources_mb_growth": ("<=", 10.0),
    "composed_seconds_played": (">=", MINUTES * 60 - 2),
    "sources_seconds_played": (">=", MINUTES * 60 - 2),
    "composed_seconds_lost_in_crash": ("<=", 3.0),
    "sources_seconds_lost_in_crash": ("<=", 3.0),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """Resident memory by minute of media, and up to when media had been given to it (seconds since the epoch)."""

    minutes: list[float]
    mb: list[float]
    came_to: float

    @property
    def growth(self) -> float:
        return self.mb[-1] - self._at(SETTLED)

    @property
    def slope(self) -> float:
        """MB an hour, of a line through all from ``SETTLED`` on."""
        begin = self.minutes.index(SETTLED)
        return float(np.polyfit(self.minutes[begin:], self.mb[begin:], 1)[0]) * 60

    def _at(self, minute: float) -> float:
        return self.mb[self.minutes.index(minute)]


async def room_recording() -> Result:
    """See the head of this module."""
    figures: dict[str, float | None] = {"minutes": MINUTES, "sources": SOURCES}
    place = MEMORY if await asyncio.to_thread(Path(MEMORY).is_dir) else None
    with tempfile.TemporaryDirectory(prefix="room-recording-", dir=place) as name:
        folder = Path(name)
        film = await asyncio.to_thread(make_film, 320, 180, 0.15)
        (folder / "film").write_bytes(pickle.dumps(film))
        for kind in ("sources", "composed"):
            figures |= await hour_of(kind, folder)
    return Result("room_recording", figures, TARGETS)


async def hour_of(kind: str, folder: Path) -> dict[str, float | None]:
    whole, cut = folder / kind, folder / f"{kind}-cut"
    begun = time.monotonic()
    recorded = await record(folder / "film", whole, kind, MINUTES, dies=False)
    took = time.monotonic() - begun
    files = sorted(whole.glob("*.mp4"))
    played = [played_seconds(file) for file in files]
    seeks = [seek_ms(file) for file in files]
    size = sum(file.stat().st_size for file in files) / 1e6
    for file in files:
        file.unlink()
    crashed = await record(folder / "film", cut, kind, CRASH_MINUTES, dies=True)
    left = [left_behind(file) for file in cut.glob("*.mp4")]
    lost = [crashed.came_to - (one.ends_at if one is not None else 0.0) for one in left]
    figures: dict[str, float | None] = {
        f"{kind}_mb_at_{SETTLED}_minutes": round(recorded.mb[recorded.minutes.index(SETTLED)], 1),
        f"{kind}_mb_at_{MINUTES}_minutes": round(recorded.mb[-1], 1),
        f"{kind}_mb_growth": round(recorded.growth, 1),
        f"{kind}_mb_slope_an_hour": round(recorded.slope, 1),
        f"{kind}_files": len(files),
        f"{kind}_megabytes": round(size, 1),
        f"{kind}_seconds_played": round(min(played, default=0.0), 1),
        f"{kind}_seek_ms": round(max(seeks, default=float("nan")), 1),
        f"{kind}_seconds_lost_in_crash": round(max(lost, default=float("nan")), 2),
        f"{kind}_seconds_taken": round(took),
    }
    say(f"{kind}: {figures}")
    return figures


async def record(film: Path, folder: Path, kind: str, minutes: int, *, dies: bool) -> Recorded:
    await asyncio.to_thread(folder.mkdir)
    asked = {
        "film": str(film),
        "folder": str(folder),
        "kind": kind,
        "minutes": minutes,
        "sources": SOURCES,
        "dies": dies,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.rooming.hour", stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
    said: list[dict[str, Any]] = []
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(minutes * 60):
            while line := await process.stdout.readline():
                said.append(json.loads(line))
                say(f"{kind}, {said[-1]['minute']:.0f} min of media: {said[-1]['mb']:.1f} MB")
    finally:
        if process.returncode is None and "came_to" not in (said[-1] if said else {}):
            process.kill()
        await process.wait()
    return Recorded([one["minute"] for one in said], [one["mb"] for one in said], said[-1]["came_to"])


def played_seconds(file: Path) -> float:
    """From its first packet to its last, all read."""
    with av.open(str(file)) as container:
        times = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.pts is not None and packet.time_base is not None
        ]
    return times[-1] - times[0]


def seek_ms(file: Path) -> float:
    """To open it, go to its middle and have that picture."""
    begun = time.monotonic()
    with av.open(str(file)) as container:
        container.seek(int((container.duration or 0) // 2))
        next(container.decode(video=0))
    return (time.monotonic() - begun) * 1000
