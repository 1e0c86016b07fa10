"""The pictures of one camera judged as they are looked at, and the scene that they are judged by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from camera_registry.health import PictureFault
from camera_registry.picture_quality import PictureJudge, Sight
from camera_registry.scene import Scene
from gateway.streams.decoding import decode_last, in_bgr
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import jpeg
from gateway.streams.ring import ClipRing
from gateway.workers.camera.glimpse import Glimpse

KEEP_EVERY = 600.0
"""Seconds between two times at which a scene, as it is learned on, is given to control to keep."""
OF_LATE = 5.0
"""Seconds before a picture within which a whole group of pictures is looked for."""
MOST_BETWEEN = 150
"""Pictures of a group of which half are decoded to see whether anything moves within it."""

KeepScene = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """``fault`` None: a good picture. ``picture`` makes the evidence, JPEG; it blocks for milliseconds."""

    fault: PictureFault | None
    picture: Callable[[], bytes]


class PictureWatch:
    """``keep`` is told a preset and its packed scene, when there is something new to keep. One judgement at a time.

    ``preset``: as in ``AssignCamera``.
    """

    def __init__(self, ring: ClipRing, threads: Executor, keep: KeepScene, preset: str | None = "") -> None:
        self._ring = ring
        self._threads = threads
        self._keep = keep
        self._judge = PictureJudge()
        self._kept_at: dict[str, float] = {}
        self._preset = preset
        self._turned = False
        self.patrols = False
        """Whether the head moves by itself, as its pictures tell."""

    def know(self, scenes: Mapping[str, bytes]) -> None:
        """Scenes that an earlier owner has learned; what is known already stays."""
        for preset, packed in scenes.items():
            scene = Scene.unpacked(packed)
            if scene is not None:
                self._judge.scenes.setdefault(preset, scene)

    def use_preset(self, preset: str | None) -> None:
        """The head was sent to a preset, or moved to none (None): what it sees now it is meant to see."""
        self._preset, self._turned = preset, True

    def learn_anew(self, preset: str | None = None) -> None:
        """What is seen now is as it should be; of another ``preset`` than the one it has, what is seen there next."""
        if preset is not None and preset != self._preset:
            self._judge.scenes.pop(preset, None)
            self._kept_at.pop(preset, None)
            return
        self._judge.scenes.pop(self._preset or "", None)
        self._turned = True
        self._kept_at.clear()

    def interrupted(self) -> None:
        """The stream broke off: its next picture is compared with none before it."""
        self._judge.interrupted()

    async def judge(self, glimpse: Glimpse) -> Judged:
        """What a picture looks like. A few milliseconds of a decoding thread."""
        # The ring belongs to the loop: what came of late is taken out here.
        frames = [frame for frame in self._ring.since(glimpse.arrival - OF_LATE) if frame.arrival < glimpse.arrival]
        work = partial(self._judged, glimpse, frames)
        fault = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        self.patrols = self._judge.patrol.moves_by_itself(glimpse.arrival)
        return Judged(fault, lambda: jpeg(glimpse.small, 80))

    def _judged(self, glimpse: Glimpse, frames: list[EncodedFrame]) -> PictureFault | None:
        if self._turned:
            self._turned = False
            self._judge.turned()
        sight = Sight.of(glimpse.small, glimpse.profile)
        group = partial(_within_group, frames, glimpse.small.shape)
        fault = self._judge.judge(sight, glimpse.arrival, self._preset, group)
        self._keep_scene(glimpse.arrival)
        return fault

    def _keep_scene(self, now: float) -> None:
        preset = self._preset
        scene = None if preset is None else self._judge.scenes.get(preset)
        if preset is None or scene is None or not scene.known:
            return
        if now - self._kept_at.get(preset, 0.0) >= KEEP_EVERY:
            self._kept_at[preset] = now
            self._keep(preset, scene.packed())


def _within_group(frames: list[EncodedFrame], shape: tuple[int, ...]) -> tuple[Sight, Sight] | None:
    """The beginning and the middle of the last whole group of pictures; of a stream of keyframes alone, two of them."""
    starts = [number for number, frame in enumerate(frames) if frame.keyframe]
    if len(starts) < 2:
        return None
    group = frames[starts[-2] : starts[-1]]
    runs = [group[:1], group[: min(len(group), MOST_BETWEEN) // 2 + 1]]
    if len(group) < 2:
        runs = [[frames[start]] for start in (starts[0], starts[-1])]
    first, second = (_decoded(run, shape) for run in runs)
    return None if first is None or second is None else (first, second)


def _decoded(run: list[EncodedFrame], shape: tuple[int, ...]) -> Sight | None:
    decoded = decode_last("hevc" if run[0].codec == "hevc" else "h264", [frame.data for frame in run])
    if decoded is None:
        return None
    return Sight.of(in_bgr(decoded, shape[1], shape[0]), "main")
