"""Drawn people: an articulated figure that stands or walks, in two manners of drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.scenes.canvas import XY, Colour, Picture, ellipse, line, polygon

_SKIN: tuple[Colour, ...] = ((140, 175, 215), (120, 155, 200), (150, 185, 225))


@dataclass(frozen=True, slots=True)
class Person:
    """How one person looks: ``height`` in pixels, colours in BGR, a phase of the gait, a build."""

    height: float
    coat: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    phase: float
    build: float
    hat: bool

    @staticmethod
    def any(random: np.random.Generator, height: float, dim: float) -> Person:
        def colour(low: float, high: float) -> Colour:
            return tuple(int(value * dim) for value in random.uniform(low, high, 3))  # type: ignore[return-value]  # three

        skin = _SKIN[int(random.integers(0, len(_SKIN)))]
        return Person(
            height=height,
            coat=colour(25, 230),
            trousers=colour(20, 110),
            skin=tuple(int(value * dim) for value in skin),  # type: ignore[arg-type]  # three
            hair=colour(10, 60),
            phase=float(random.uniform(0, 2 * math.pi)),
            build=float(random.uniform(0.85, 1.2)),
            hat=bool(random.random() < 0.15),
        )


def person_box(person: Person, foot: XY) -> tuple[float, float, float, float]:
    """The drawn person's box in pixels: x1, y1, x2, y2."""
    half = person.height * 0.15 * person.build
    return foot[0] - half, foot[1] - person.height, foot[0] + half, foot[1] + person.height * 0.01


def draw_person(picture: Picture, person: Person, foot: XY, t: float, *, walking: bool, rounded: bool) -> None:
    """``foot``: the point between the feet, px. ``rounded``: the other manner, a capsule for a torso."""
    h, (x, y) = person.height, foot
    swing = math.sin(person.phase + t * 6.0) * (0.09 if walking else 0.01)
    hip, neck, crown = y - 0.47 * h, y - 0.83 * h, y - h
    shade: Colour = tuple(int(value * 0.75) for value in person.coat)  # type: ignore[assignment]  # three
    ellipse(picture, (x, y), (0.16 * h, 0.03 * h), (40, 40, 40))
    leg = 0.075 * h * person.build
    for side in (-1, 1):
        line(
            picture,
            (x + side * 0.045 * h, hip),
            (x + side * 0.05 * h + side * swing * h, y - 0.02 * h),
            person.trousers,
            leg,
        )
        ellipse(picture, (x + side * 0.06 * h + side * swing * h, y - 0.012 * h), (0.045 * h, 0.02 * h), (30, 30, 35))
    wide = 0.115 * h * person.build
    if rounded:
        ellipse(picture, (x, (neck + hip) / 2), (wide * 1.02, (hip - neck) * 0.56), person.coat)
        ellipse(picture, (x - wide * 0.35, (neck + hip) / 2), (wide * 0.5, (hip - neck) * 0.5), shade)
    else:
        polygon(
            picture,
            [
                (x - wide, neck + 0.03 * h),
                (x + wide, neck + 0.03 * h),
                (x + wide * 0.85, hip + 0.03 * h),
                (x - wide * 0.85, hip + 0.03 * h),
            ],
            person.coat,
        )
        polygon(
            picture,
            [
                (x - wide, neck + 0.03 * h),
                (x - wide * 0.3, neck + 0.03 * h),
                (x - wide * 0.3, hip + 0.03 * h),
                (x - wide * 0.85, hip + 0.03 * h),
            ],
            shade,
        )
    for side in (-1, 1):
        hand = (x + side * (wide + 0.02 * h) - side * swing * 0.6 * h, hip + 0.02 * h)
        line(picture, (x + side * wide * 0.95, neck + 0.05 * h), hand, shade if side < 0 else person.coat, 0.05 * h)
        ellipse(picture, hand, (0.022 * h, 0.022 * h), person.skin)
    head = 0.068 * h
    ellipse(picture, (x, crown + head * 1.25), (head * 0.85, head * 1.15), person.skin)
    ellipse(picture, (x, crown + head * 0.95), (head * 0.92, head * 0.9), person.hair, start=180, end=360)
    if person.hat:
        ellipse(picture, (x, crown + head * 0.75), (head * 1.35, head * 0.45), shade)
