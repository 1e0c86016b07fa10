"""What is wrong with a camera's picture, judged from one small picture every few seconds. Pure: no clock, no network.

What counts is what changed of a sudden. Fog comes slowly and takes the far edges first; night comes slowly and keeps
the scene's edges; rain and crowds hide a part. A covered lens loses nearly all detail at once, one that is turned shows
another scene at once, one out of focus loses its fine edges and keeps the coarse ones. So each picture is held against
a slow average of the good ones before it, and what is called a fault is never averaged in.

A frozen picture is one that does not change at all, but for the clock burned into a corner of it. From look to look a
live picture changes by more than the encoder's rounding, since the sensor's noise is in it, in fog and at night too;
and within one group of pictures a frozen one does not change by a single grey level, since there is nothing to encode.
Both are asked for: two looks may fall on the same moment of a short loop, and a dark picture has little noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camera_registry.health import PictureFault
from camera_registry.patrol import Patrol
from camera_registry.scene import Scene, edges

Picture = NDArray[np.uint8]

ACROSS, DOWN = 16, 9
"""Cells in which detail, sharpness and change are measured."""
SLOW = 45.0
"""Seconds over which the average of good pictures forgets."""
SETTLED = 3
"""Good pictures from which on the average may be held against a new one."""
FLAT = 3.5
"""Standard deviation in grey levels below which a cell holds no detail."""
CHANGED_SHARE = 0.02
"""Share of a cell's pixels that must differ for the cell to have changed."""
CHANGED_CELLS = 0.25
"""Share of the cells that may change in a frozen picture: a clock and what the encoder does around it. Measured, with
x264: at most 0.08 of a frozen picture's cells, at least 0.62 of a live one's, in any weather."""
ROUNDING = 3
"""Grey levels by which the encoder may write the same picture anew."""
STILL_SECONDS = 6.0
FINE_WIDTH = 640
"""Pixels across at which sharpness is measured, whatever the camera's size."""
EDGED = 3.0
"""Grey levels a pixel at a quarter of the size from which a cell has edges."""
FEWEST_EDGED = 6
SOFT, SOFTER = 0.42, 0.75
"""A picture is blurred whose sharpness is below both: in itself, and as a share of its own usual one. Of real footage
by day and night, in rain and fog, none was below 0.53; out of focus, none above 0.31 (measured)."""
SOFTEST = 0.32
"""Below this a picture is blurred though nothing is known of it."""
SHARPNESS_EVERY = 3.5
"""Seconds between two measurements of sharpness, which costs more than all the rest."""
"""How long nothing must have changed."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is measured of one picture. ``grey``: at most 640 px wide, 0 to 255. ``bright``: the grey level that 2 % of
    the pixels exceed; ``detail``: share of the cells that hold some."""

    grey: Picture
    edges: NDArray[np.float32]
    profile: str
    mean: float
    bright: float
    detail: float

    @classmethod
    def of(cls, picture: Picture, profile: str) -> Sight:
        """``picture``: BGR, height x width x 3."""
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        small = np.asarray(cv2.resize(grey, (160, 90), interpolation=cv2.INTER_AREA), np.float32)
        inner = small[10:80]
        mean = _cells(small)[1:-1]
        spread = np.sqrt(np.maximum(0, _cells(small**2)[1:-1] - mean**2))
        return cls(
            grey,
            edges(small),
            profile,
            float(inner.mean()),
            float(np.percentile(inner, 98)),
            float((spread >= FLAT).mean()),
        )


@dataclass(frozen=True, slots=True)
class Usual:
    """Slow averages over good pictures."""

    at: float
    pictures: int
    detail: float
    mean: float
    shown: float | None
    sharpness: float | None

    def after(self, at: float, sight: Sight, shown: float | None, sharpness: float | None) -> Usual:
        share = max(1 / (self.pictures + 1), 1 - float(np.exp(-max(0.0, at - self.at) / SLOW)))

        def one(before: float, now: float) -> float:
            return before + share * (now - before)

        def maybe(before: float | None, now: float | None) -> float | None:
            return now if before is None else before if now is None else one(before, now)

        return Usual(
            at,
            self.pictures + 1,
            one(self.detail, sight.detail),
            one(self.mean, sight.mean),
            maybe(self.shown, shown),
            maybe(self.sharpness, sharpness),
        )


class PictureJudge:
    """One camera's. ``scenes``: what it sees at each preset when all is well."""

    def __init__(self) -> None:
        self.scenes: dict[str, Scene] = {}
        self.patrol = Patrol()
        self._usual: dict[str, Usual] = {}
        self._last: Sight | None = None
        self._still_since: float | None = None
        self._was_still = False
        self._sharpness: float | None = None
        self._sharpness_at: tuple[str, float] = ("", 0.0)

    def turned(self) -> None:
        """The head was moved on purpose, or what is seen is declared to be right: the past says nothing of it."""
        self._usual.clear()
        self.patrol.forget()
        self.interrupted()

    def interrupted(self) -> None:
        """The stream broke off."""
        self._last = self._still_since = None
        self._was_still = False

    def judge(
        self, sight: Sight, at: float, preset: str | None, within_group: Callable[[], tuple[Sight, Sight] | None]
    ) -> PictureFault | None:
        """The picture's fault, or None. ``at``: its time, seconds; ``preset`` None: the head is at none, and what it
        sees is not compared. ``within_group`` makes two pictures of one group of the stream, of late; None where that
        cannot be had, and nothing is called frozen."""
        if self._is_still(sight, at, within_group):
            return "frozen"
        usual = self._usual.get(sight.profile)
        scene = None if preset is None else self.scenes.get(preset)
        shown = scene.seen_in(sight.edges) if scene is not None and scene.known else None
        soft = self._measured_sharpness(sight, at)
        fault = _fault(sight, usual, shown, soft)
        if shown is not None:
            if fault == "moved":
                self.patrol.away(at)
            elif fault is None:
                self.patrol.home(at)
        if fault == "moved" and self.patrol.moves_by_itself(at):
            return None  # a view of its tour: no fault, and not what its scene is learned from
        if fault is None:
            first = Usual(at, 1, sight.detail, sight.mean, shown, soft)
            self._usual[sight.profile] = first if usual is None else usual.after(at, sight, shown, soft)
            if preset is not None:
                self.scenes[preset] = Scene.first(sight.edges) if scene is None else scene.learned(sight.edges)
        return fault

    def _measured_sharpness(self, sight: Sight, at: float) -> float | None:
        profile, measured_at = self._sharpness_at
        if profile != sight.profile or not 0 <= at - measured_at < SHARPNESS_EVERY:
            self._sharpness, self._sharpness_at = sharpness(sight.grey), (sight.profile, at)
        return self._sharpness

    def _is_still(self, sight: Sight, at: float, within_group: Callable[[], tuple[Sight, Sight] | None]) -> bool:
        last, self._last = self._last, sight
        if last is None or last.profile != sight.profile or changed(last, sight, ROUNDING):
            self._still_since, self._was_still = None, False
            return False
        if self._still_since is None:
            self._still_since = at
        if at - self._still_since < STILL_SECONDS:
            return False
        group = within_group()
        if group is not None:
            self._was_still = not changed(*group, 0)
        return self._was_still


def changed(before: Sight, now: Sight, levels: int) -> bool:
    """Whether more of the picture changed by more than so many grey levels than a clock in its corner would."""
    if before.grey.shape != now.grey.shape:
        return True
    differs = (cv2.absdiff(before.grey, now.grey) > levels).astype(np.float32)
    return float((_cells(differs) > CHANGED_SHARE).mean()) > CHANGED_CELLS


def _fault(sight: Sight, usual: Usual | None, shown: float | None, sharpness: float | None) -> PictureFault | None:
    if sight.bright < 45 and sight.mean < 28:
        return "dark"
    settled = usual if usual is not None and usual.pictures >= SETTLED else None
    if settled is None:
        if sight.detail < 0.03:
            return "covered"
        return "blurred" if sharpness is not None and sharpness < SOFTEST else None
    lost = sight.detail < 0.35 * settled.detail
    other = shown is not None and settled.shown is not None and shown < 0.35 * settled.shown
    empty = sight.detail < 0.1 * settled.detail
    hidden = shown is None or settled.shown is None or shown < 0.7 * settled.shown
    if (lost and other) or (empty and hidden):
        return "covered"
    if other:
        return "moved"
    if sharpness is not None and settled.sharpness is not None:
        return "blurred" if sharpness < min(SOFT, SOFTER * settled.sharpness) else None
    return None


def sharpness(grey: Picture) -> float | None:
    """How steep the steepest edges are against the same at a quarter of the size, in the sharper cells: 0.5 and more of
    a focused camera, below 0.35 of one out of focus. Contrast falls out of it, and with it fog and dusk. None where
    fewer than ``FEWEST_EDGED`` cells have edges at all."""
    height = max(DOWN * 8, round(grey.shape[0] * FINE_WIDTH / grey.shape[1] / 4) * 4)
    shrinking = grey.shape[1] > FINE_WIDTH
    fine = cv2.resize(grey, (FINE_WIDTH, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.8)
    coarse = cv2.resize(fine, (FINE_WIDTH // 4, height // 4), interpolation=cv2.INTER_AREA)
    steep, broad = _steepest(np.asarray(fine, np.uint8)), _steepest(np.asarray(coarse, np.uint8))
    edged = broad > EDGED
    if edged.sum() < FEWEST_EDGED:
        return None
    return float(np.percentile(steep[edged] / broad[edged], 75))


def _steepest(grey: Picture) -> NDArray[np.float32]:
    """Of each inner cell the gradient, grey levels a pixel; by its fourth power, so that the steepest edges count."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    # In place: of fresh memory for each step the machine's share was four fifths of it all.
    cv2.multiply(across, across, dst=across)
    cv2.multiply(down, down, dst=down)
    cv2.add(across, down, dst=across)
    cv2.multiply(across, across, dst=across)
    fourth = _cells(np.asarray(across, np.float32))[1:-1]
    return np.asarray(np.sqrt(np.sqrt(fourth)), np.float32)


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (ACROSS, DOWN), interpolation=cv2.INTER_AREA), np.float32)
