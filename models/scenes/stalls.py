"""Drawn street stalls: an umbrella over a table or a booth (training), an awning over a vending tricycle (demo)."""

from __future__ import annotations

import math

import numpy as np

from models.scenes.canvas import XY, Colour, Picture, ellipse, line, polygon

_CANOPIES: tuple[tuple[Colour, Colour], ...] = (
    ((40, 40, 210), (235, 235, 240)),
    ((190, 90, 30), (240, 240, 240)),
    ((60, 160, 60), (70, 210, 240)),
    ((40, 150, 240), (230, 230, 230)),
    ((150, 60, 140), (210, 200, 220)),
)


def stall_box(foot: XY, height: float, rounded: bool) -> tuple[float, float, float, float]:
    """The drawn stall's box in pixels: x1, y1, x2, y2."""
    half = height * (0.62 if rounded else 0.68)
    return foot[0] - half, foot[1] - height, foot[0] + half, foot[1] + height * 0.02


def draw_stall(picture: Picture, foot: XY, height: float, seed: int, dim: float, *, tricycle: bool) -> None:
    """``foot``: middle of the lower edge, px; ``height`` px with the canopy."""
    random = np.random.default_rng(seed)
    first, second = (_dimmed(colour, dim) for colour in _CANOPIES[int(random.integers(0, len(_CANOPIES)))])
    draw = _tricycle_stall if tricycle else (_umbrella_stall, _booth_stall)[int(random.integers(2))]
    draw(picture, foot, height, random, dim, first, second)


def _dimmed(colour: Colour, dim: float) -> Colour:
    return int(colour[0] * dim), int(colour[1] * dim), int(colour[2] * dim)


def _goods(
    picture: Picture, random: np.random.Generator, left: float, right: float, y: float, size: float, dim: float
) -> None:
    for x in np.arange(left, right, size * 1.1):
        for row in range(2):
            colour = _dimmed(tuple(int(value) for value in random.uniform(40, 250, 3)), dim)  # type: ignore[arg-type]  # three
            if random.random() < 0.6:
                ellipse(picture, (x + size / 2, y - size * (0.4 + row * 0.55)), (size * 0.5, size * 0.45), colour)
            else:
                top = y - size * (0.9 + row * 0.4)
                polygon(picture, [(x, top), (x + size * 0.9, top), (x + size * 0.9, y), (x, y)], colour)


def _umbrella_stall(
    picture: Picture, foot: XY, h: float, random: np.random.Generator, dim: float, first: Colour, second: Colour
) -> None:
    x, y = foot
    wide, table = h * 0.62, y - h * 0.34
    line(picture, (x, y), (x, y - h * 0.95), _dimmed((150, 150, 155), dim), h * 0.022)
    cloth = _dimmed(tuple(int(value) for value in random.uniform(60, 220, 3)), dim)  # type: ignore[arg-type]  # three
    polygon(
        picture, [(x - wide * 0.9, table), (x + wide * 0.9, table), (x + wide * 0.86, y), (x - wide * 0.86, y)], cloth
    )
    _goods(picture, random, x - wide * 0.85, x + wide * 0.8, table, h * 0.085, dim)
    segments = 8
    for number in range(segments):
        a, b = (math.pi * (1 + share / segments) for share in (number, number + 1))
        rim = [(x + math.cos(angle) * h * 0.68, y - h * 0.7 + math.sin(angle) * h * 0.06) for angle in (a, b)]
        polygon(picture, [(x, y - h), *rim], first if number % 2 else second)


def _booth_stall(
    picture: Picture, foot: XY, h: float, random: np.random.Generator, dim: float, first: Colour, second: Colour
) -> None:
    """Four posts, a pitched canopy with a valance, a counter with goods, and goods hung at the back."""
    x, y = foot
    wide, counter = h * 0.58, y - h * 0.36
    steel = _dimmed((120, 120, 125), dim)
    if random.random() < 0.6:
        back = _dimmed(tuple(int(value) for value in random.uniform(40, 160, 3)), dim)  # type: ignore[arg-type]  # three
        polygon(
            picture, [(x - wide, y - h * 0.8), (x + wide, y - h * 0.8), (x + wide, counter), (x - wide, counter)], back
        )
        _goods(picture, random, x - wide * 0.9, x + wide * 0.8, y - h * 0.55, h * 0.08, dim)
    for share in (-1.0, 1.0):
        line(picture, (x + wide * share, y), (x + wide * share, y - h * 0.85), steel, h * 0.025)
    cloth = _dimmed(tuple(int(value) for value in random.uniform(60, 230, 3)), dim)  # type: ignore[arg-type]  # three
    polygon(picture, [(x - wide, counter), (x + wide, counter), (x + wide, y), (x - wide, y)], cloth)
    _goods(picture, random, x - wide * 0.95, x + wide * 0.85, counter, h * 0.09, dim)
    peak = h * float(random.uniform(0.0, 0.45))
    polygon(
        picture,
        [(x - peak, y - h), (x + peak, y - h), (x + h * 0.64, y - h * 0.8), (x - h * 0.64, y - h * 0.8)],
        first,
    )
    stripes = int(random.integers(1, 10))
    for number in range(stripes):
        a, b = (x - h * 0.64 + h * 1.28 * share / stripes for share in (number, number + 1))
        polygon(
            picture,
            [(a, y - h * 0.8), (b, y - h * 0.8), (b, y - h * 0.72), (a, y - h * 0.72)],
            second if number % 2 else first,
        )


def _tricycle_stall(
    picture: Picture, foot: XY, h: float, random: np.random.Generator, dim: float, first: Colour, second: Colour
) -> None:
    x, y = foot
    wide, bed = h * 0.56, y - h * 0.28
    steel = _dimmed((140, 140, 130), dim)
    for share in (-0.75, 0.15):
        ellipse(picture, (x + wide * share, y - h * 0.09), (h * 0.095, h * 0.095), (30, 30, 32))
        ellipse(picture, (x + wide * share, y - h * 0.09), (h * 0.05, h * 0.05), steel)
    ellipse(picture, (x + wide * 0.95, y - h * 0.09), (h * 0.09, h * 0.09), (30, 30, 32))
    line(picture, (x + wide * 0.95, y - h * 0.09), (x + wide * 0.8, y - h * 0.45), steel, h * 0.025)
    line(picture, (x + wide * 0.65, y - h * 0.46), (x + wide * 0.95, y - h * 0.44), (40, 40, 40), h * 0.025)
    box = _dimmed(tuple(int(value) for value in random.uniform(70, 200, 3)), dim)  # type: ignore[arg-type]  # three
    polygon(
        picture,
        [(x - wide, bed), (x + wide * 0.55, bed), (x + wide * 0.55, y - h * 0.12), (x - wide, y - h * 0.12)],
        box,
    )
    _goods(picture, random, x - wide * 0.95, x + wide * 0.45, bed, h * 0.1, dim)
    for share in (-0.95, 0.5):
        line(picture, (x + wide * share, bed), (x + wide * share, y - h * 0.86), steel, h * 0.02)
    stripes, left, right = 8, x - wide * 1.1, x + wide * 0.7
    for number in range(stripes):
        a, b = (left + (right - left) * share / stripes for share in (number, number + 1))
        slant = h * 0.05
        polygon(
            picture,
            [(a + slant, y - h), (b + slant, y - h), (b, y - h * 0.82), (a, y - h * 0.82)],
            first if number % 2 else second,
        )
        ellipse(picture, ((a + b) / 2, y - h * 0.82), ((b - a) / 2, h * 0.035), first if number % 2 else second)
