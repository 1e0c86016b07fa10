"""The still background: sky, buildings, road and pavement, lamps and parked vehicles, at day, dusk or night."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from models.scenes.canvas import Colour, Picture, ellipse, glow, line, polygon, soft_noise

Light = Literal["day", "dusk", "night"]

_SKY: dict[Light, tuple[Colour, Colour]] = {
    "day": ((235, 205, 170), (245, 235, 225)),
    "dusk": ((120, 80, 90), (90, 150, 230)),
    "night": ((40, 25, 20), (60, 45, 40)),
}
_BRIGHTNESS: dict[Light, float] = {"day": 1.0, "dusk": 0.7, "night": 0.42}


def street(random: np.random.Generator, width: int, height: int, light: Light, *, horizon: float) -> Picture:
    """A street seen from a mast; ``horizon`` is the height of the kerb, 0..1 from above."""
    picture = np.zeros((height, width, 3), np.uint8)
    ground = int(height * horizon)
    top, low = (np.asarray(colour, np.float32) for colour in _SKY[light])
    ramp = np.linspace(0, 1, ground, dtype=np.float32)[:, None, None]
    picture[:ground] = (top * (1 - ramp) + low * ramp).astype(np.uint8)
    if light == "dusk" and random.random() < 0.5:
        glow(picture, (random.uniform(0, width), ground * 0.9), width * 0.4, (40, 90, 200), 0.8)
    dim = _BRIGHTNESS[light]
    _buildings(picture, random, ground, dim, lit=light != "day")
    grey = random.uniform(95, 150) * dim
    road = grey + (soft_noise(random, height - ground, width, 40) - 0.5) * 30 * dim
    road += random.normal(0, 5, road.shape).astype(np.float32)
    picture[ground:] = np.clip(road[:, :, None] * np.asarray([1.0, 0.99, 0.97], np.float32), 0, 255).astype(np.uint8)
    _markings(picture, random, ground, dim)
    for _ in range(int(random.integers(0, 4))):
        _parked_vehicle(picture, random, ground, dim)
    if light != "day":
        for _ in range(int(random.integers(1, 5))):
            x, y = random.uniform(0, width), random.uniform(height * 0.1, ground)
            glow(picture, (x, y), random.uniform(30, 110), (170, 210, 250), random.uniform(0.4, 0.9))
            ellipse(picture, (x, y), (5, 4), (235, 245, 255))
        for _ in range(int(random.integers(0, 3))):
            _neon(picture, random, ground)
    return picture


def _buildings(picture: Picture, random: np.random.Generator, ground: int, dim: float, *, lit: bool) -> None:
    width = picture.shape[1]
    x = -random.uniform(0, 80)
    while x < width:
        wide, top = random.uniform(90, 330), random.uniform(0.02, 0.55) * ground
        base = random.uniform(90, 200) * dim
        tint = random.uniform(0.85, 1.1, 3)
        wall: Colour = tuple(int(value) for value in np.clip(base * tint, 0, 255))  # type: ignore[assignment]  # three
        polygon(picture, [(x, top), (x + wide, top), (x + wide, ground), (x, ground)], wall)
        step_x, step_y = random.uniform(22, 48), random.uniform(26, 52)
        for wx in np.arange(x + 8, x + wide - step_x * 0.6, step_x):
            for wy in np.arange(top + 10, ground - step_y, step_y):
                bright = lit and random.random() < 0.35
                pane: Colour = (120, 190, 230) if bright else (int(70 * dim), int(60 * dim), int(50 * dim))
                polygon(
                    picture,
                    [
                        (wx, wy),
                        (wx + step_x * 0.55, wy),
                        (wx + step_x * 0.55, wy + step_y * 0.6),
                        (wx, wy + step_y * 0.6),
                    ],
                    pane,
                )
        x += wide + random.uniform(-10, 30)


def _markings(picture: Picture, random: np.random.Generator, ground: int, dim: float) -> None:
    height, width = picture.shape[:2]
    kerb = int(190 * dim)
    line(picture, (0, ground + 2), (width, ground + 2), (kerb, kerb, kerb), 4)
    y = ground + (height - ground) * random.uniform(0.4, 0.7)
    white = int(220 * dim)
    for x in np.arange(random.uniform(0, 80), width, 120):
        polygon(picture, [(x, y), (x + 60, y), (x + 56, y + 7), (x - 4, y + 7)], (white, white, white))


def _parked_vehicle(picture: Picture, random: np.random.Generator, ground: int, dim: float) -> None:
    height, width = picture.shape[:2]
    foot = random.uniform(ground + 15, ground + (height - ground) * 0.35)
    long, tall = random.uniform(130, 240), random.uniform(50, 95)
    x = random.uniform(-40, width - 60)
    paint: Colour = tuple(int(value * dim) for value in random.uniform(20, 240, 3))  # type: ignore[assignment]  # three
    van = random.random() < 0.4
    polygon(picture, [(x, foot - tall * 0.55), (x + long, foot - tall * 0.55), (x + long, foot), (x, foot)], paint)
    front = 0.05 if van else 0.2
    polygon(
        picture,
        [
            (x + long * front, foot - tall),
            (x + long * (0.98 if van else 0.75), foot - tall),
            (x + long * (0.98 if van else 0.9), foot - tall * 0.5),
            (x + long * 0.04, foot - tall * 0.5),
        ],
        paint,
    )
    glass = int(60 * dim)
    polygon(
        picture,
        [
            (x + long * (front + 0.05), foot - tall * 0.92),
            (x + long * 0.45, foot - tall * 0.92),
            (x + long * 0.45, foot - tall * 0.58),
            (x + long * (front + 0.01), foot - tall * 0.58),
        ],
        (glass + 20, glass + 10, glass),
    )
    for share in (0.2, 0.8):
        ellipse(picture, (x + long * share, foot), (tall * 0.2, tall * 0.2), (25, 25, 25))
    if random.random() < 0.6:
        ellipse(picture, (x + long * 0.98, foot - tall * 0.35), (5, 4), (40, 40, 230))


def _neon(picture: Picture, random: np.random.Generator, ground: int) -> None:
    x, y = random.uniform(0, picture.shape[1] - 120), random.uniform(20, max(30, ground - 60))
    colour: Colour = ((60, 60, 240), (40, 120, 250), (230, 80, 200), (80, 220, 90))[int(random.integers(0, 4))]
    cv2.rectangle(
        picture, (int(x), int(y)), (int(x + random.uniform(40, 120)), int(y + random.uniform(14, 40))), colour, -1
    )
    glow(picture, (x + 40, y + 15), 90, colour, 0.5)
