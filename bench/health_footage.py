"""The judge of pictures on real footage: as a camera would encode it, judged at its keyframes, nothing found wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from camera_registry.health import Health, PacketArrived, PictureJudged, initial, step
from camera_registry.picture_quality import PictureJudge, Sight
from gateway.virtual import ChangedFootage, ClipFootage, Prepared, prepare_footage
from gateway.virtual.footage import KEYFRAME_SECONDS
from gateway.virtual.spoiling import WEATHERS

AT_LEAST = 60.0
"""Seconds for which a short clip is repeated, so that what must last could."""
FILMS = (".mp4", ".gif")


@dataclass(frozen=True, slots=True)
class Watched:
    """``false``: changes to anything but live. Minutes: of real clips, each once; and of these in rendered weather."""

    false: int
    distinct_minutes: float
    rendered_minutes: float


@dataclass(frozen=True, slots=True)
class _Look:
    """A keyframe and the middle of its group."""

    key: Sight
    middle: Sight | None

    def group(self) -> tuple[Sight, Sight] | None:
        return None if self.middle is None else (self.key, self.middle)


async def false_changes(folder: Path, say: Callable[[str], None]) -> Watched | None:
    """None where there is no sample data."""
    data = os.environ.get("GATEWAY_SAMPLE_DATA")
    if not data or not await asyncio.to_thread((Path(data) / "video").is_dir):
        say("GATEWAY_SAMPLE_DATA is not set: no real footage was judged")
        return None
    paths = sorted(path for path in (Path(data) / "video").iterdir() if path.suffix in FILMS)
    false, real, rendered = 0, 0.0, 0.0
    for path in paths:
        clip = ClipFootage(path, max_seconds=150, max_fps=12, max_height=480)
        weathers = [ChangedFootage(clip, weather) for weather in WEATHERS]
        prepared = await prepare_footage([clip, *weathers], folder)
        clear = await asyncio.to_thread(_looks, prepared[clip])
        real += prepared[clip].seconds / 60
        runs = {"clear": [clear]}
        for weather in weathers:
            looks = await asyncio.to_thread(_looks, prepared[weather])
            rendered += prepared[weather].seconds / 60
            runs[weather.change] = [looks]
            runs[f"clear-{weather.change}-clear"] = [clear, looks, clear]
        for name, run in runs.items():
            changes = await asyncio.to_thread(_changes, run)
            false += len(changes)
            say(f"{path.stem:28} {name:18} {changes or 'well'}")
    return Watched(false, real, rendered)


def _looks(prepared: Prepared) -> list[_Look]:
    found: list[_Look] = []
    number = 0
    middle = round(KEYFRAME_SECONDS * prepared.fps / 2)
    with av.open(str(prepared.stream), format="h264") as film:
        for frame in film.decode(video=0):
            number = 0 if frame.key_frame else number + 1
            if number not in (0, middle):
                continue
            width = min(640, frame.width)
            height = max(2, round(frame.height * width / frame.width))
            small = frame.reformat(width=width, height=height, format="bgr24", interpolation="AREA").to_ndarray()
            sight = Sight.of(np.asarray(small, np.uint8), "main")
            if number == 0:
                found.append(_Look(sight, None))
            else:
                found[-1] = _Look(found[-1].key, sight)
    return found


def _changes(runs: list[list[_Look]]) -> list[str]:
    """The states that the camera came into, other than live."""
    judge, at = PictureJudge(), 1_000.0
    health: Health = step(initial(at), PacketArrived(), at)
    states: list[str] = []
    for looks in runs:
        repeated = looks * max(1, round(AT_LEAST / (KEYFRAME_SECONDS * len(looks))))
        for look in repeated:
            fault = judge.judge(look.key, at, "", look.group)
            before, health = health, step(health, PictureJudged(fault), at)
            if health.state not in (before.state, "live"):
                states.append(health.state)
            at += KEYFRAME_SECONDS
    return states
