"""Pictures as a faulty camera or bad weather shows them, made from good ones.

Each manner is what stands before an operator's eyes in the field: a lens that somebody covered, out of focus, turned
away, in the dark, a sensor that hangs while the clock in the corner runs on; and rain, fog and night, which are no
fault of the camera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Change = Literal["clean", "frozen", "dark", "covered", "blurred", "moved", "rain", "fog", "night"]
CHANGES: tuple[Change, ...] = get_args(Change)
FAULTS: tuple[Change, ...] = ("frozen", "dark", "covered", "blurred", "moved")
WEATHERS: tuple[Change, ...] = ("rain", "fog", "night")

Picture = NDArray[np.uint8]
_SEED = 20_260_501


def changed(pictures: Iterator[Picture], change: Change, fps: float) -> Iterator[Picture]:
    """``pictures`` (BGR H×W×3) in the manner of ``change``, with the camera's clock in the corner."""
    random = np.random.default_rng(_SEED)
    make: Callable[[Picture, float, np.random.Generator], Picture] = _MANNERS[change]
    still: Picture | None = None
    for number, picture in enumerate(pictures):
        if change == "frozen":
            still = picture if still is None else still
            made = still.copy()
        else:
            made = make(picture, number / fps, random)
        yield with_clock(made, number / fps)


def with_clock(picture: Picture, seconds: float) -> Picture:
    """The burned-in clock of most cameras: white digits in the upper left corner."""
    height = picture.shape[0]
    scale, thick = height / 540, max(1, height // 360)
    minutes, rest = divmod(int(seconds), 60)
    text = f"2026-05-01 12:{minutes % 60:02}:{rest:02}"
    place = (height // 40, height // 14)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale * 0.7, (0, 0, 0), thick + 2, cv2.LINE_AA)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale * 0.7, (255, 255, 255), thick, cv2.LINE_AA)
    return picture


def _as_it_is(picture: Picture, _at: float, _random: np.random.Generator) -> Picture:
    return picture.copy()


def _dark(picture: Picture, _at: float, random: np.random.Generator) -> Picture:
    """No light but the sensor's noise."""
    return _with_noise(picture.astype(np.float32) * 0.03 + 6, 1.5, random)


def _covered(picture: Picture, _at: float, random: np.random.Generator) -> Picture:
    """Something close before the lens: what light comes through is smeared over all of it."""
    height, width = picture.shape[:2]
    smeared = cv2.resize(cv2.resize(picture, (3, 2), interpolation=cv2.INTER_AREA), (width, height))
    return _with_noise(
        np.asarray(smeared, np.float32) * np.float32(0.25) + np.array([38, 44, 52], np.float32), 2.0, random
    )


def _blurred(picture: Picture, _at: float, random: np.random.Generator) -> Picture:
    """Out of focus."""
    return _with_noise(cv2.GaussianBlur(picture, (0, 0), picture.shape[1] / 90).astype(np.float32), 2.0, random)


def _moved(picture: Picture, _at: float, _random: np.random.Generator) -> Picture:
    """Turned aside and tilted: a third of the picture is new to it."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.25)
    turn[:, 2] += (0.3 * width, -0.12 * height)
    return np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _rain(picture: Picture, _at: float, random: np.random.Generator) -> Picture:
    """Streaks that are elsewhere in each picture, under a grey sky."""
    height, width = picture.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    for x, y, long in zip(
        random.integers(0, width, 260), random.integers(-40, height, 260), random.integers(8, 26, 260), strict=True
    ):
        reach = int(long) * height // 360
        cv2.line(streaks, (int(x), int(y)), (int(x) - reach // 6, int(y) + reach), 200, 1, cv2.LINE_AA)
    grey = picture.astype(np.float32) * 0.72 + 34
    return _with_noise(grey + streaks[..., None].astype(np.float32) * 0.35, 2.0, random)


def _fog(picture: Picture, at: float, random: np.random.Generator) -> Picture:
    """Thick towards the horizon, with banks that drift: of what is far nothing is left, of what is near half."""
    height, width = picture.shape[:2]
    depth = np.linspace(1.0, 0.35, height, dtype=np.float32)[:, None]
    across = np.linspace(0, 2 * np.pi, width, dtype=np.float32)[None, :]
    bank = 0.08 * np.sin(2 * across + 0.3 * at) + 0.05 * np.sin(5 * across - 0.5 * at)
    left = np.clip(0.62 - 0.55 * depth + bank, 0.03, 1.0)[..., None]
    return _with_noise(picture.astype(np.float32) * left + 176 * (1 - left), 1.2, random)


def _night(picture: Picture, _at: float, random: np.random.Generator) -> Picture:
    """A street at night: dim, with the lamps left and a sensor at full gain."""
    bright = np.clip((picture.astype(np.float32) - 150) / 105, 0, 1) ** 2 * 150
    return _with_noise(np.asarray(picture.astype(np.float32) * 0.22 + bright, np.float32), 5.0, random)


def _with_noise(picture: NDArray[np.float32], strength: float, random: np.random.Generator) -> Picture:
    noise = random.standard_normal(picture.shape[:2], np.float32)[..., None] * np.float32(strength)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


_MANNERS: dict[Change, Callable[[Picture, float, np.random.Generator], Picture]] = {
    "clean": _as_it_is,
    "frozen": _as_it_is,
    "dark": _dark,
    "covered": _covered,
    "blurred": _blurred,
    "moved": _moved,
    "rain": _rain,
    "fog": _fog,
    "night": _night,
}
