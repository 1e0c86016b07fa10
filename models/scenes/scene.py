"""A scene: a street and what happens on it over time, with the boxes of what is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from models.scenes.canvas import Picture
from models.scenes.fire import heat_field, smoke, tongues
from models.scenes.people import Person, draw_person, person_box
from models.scenes.stalls import draw_stall, stall_box
from models.scenes.street import Light, street

SceneKind = Literal["fire", "gathering", "stall", "quiet"]
Pieces = Literal["train", "demo"]

_DIM: dict[Light, float] = {"day": 1.0, "dusk": 0.75, "night": 0.5}


@dataclass(frozen=True, slots=True)
class SceneLabel:
    """One drawn object: class name and box (x1, y1, x2, y2), normalised to the picture."""

    name: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Walker:
    """Somebody who comes in from ``start`` and stands at ``goal`` (feet, px) from ``arrives`` seconds on."""

    person: Person
    start: tuple[float, float]
    goal: tuple[float, float]
    leaves_at: float
    arrives: float

    def foot(self, t: float) -> tuple[float, float]:
        share = float(np.clip((t - self.leaves_at) / max(0.1, self.arrives - self.leaves_at), 0, 1))
        return (
            self.start[0] + (self.goal[0] - self.start[0]) * share,
            self.start[1] + (self.goal[1] - self.start[1]) * share,
        )

    def walking(self, t: float) -> bool:
        return self.leaves_at < t < self.arrives


class Scene:
    """Deterministic for its arguments. Quiet until ``hazard_from`` seconds, then the hazard comes and stays.

    ``size`` is width and height in pixels. ``frame(t)`` draws BGR H×W×3; ``labels(t)`` says what is in it.
    """

    def __init__(
        self,
        kind: SceneKind,
        seed: int,
        *,
        pieces: Pieces,
        size: tuple[int, int] = (1280, 720),
        hazard_from: float = 8.0,
    ) -> None:
        self.kind = kind
        self.hazard_from = hazard_from
        self._width, self._height = size
        self._other_manner = pieces == "demo"
        self._seed = seed
        self._random = np.random.default_rng((seed, 1 if pieces == "demo" else 0))
        random = self._random
        lights: tuple[Light, ...] = ("day", "dusk", "night")
        self._light: Light = lights[int(random.choice(3, p=[0.5, 0.25, 0.25]))]
        if pieces == "demo":
            self._light = "dusk" if kind == "fire" else "day"
        self._dim = _DIM[self._light]
        horizon = 0.36 if kind == "gathering" else float(random.uniform(0.42, 0.55))
        self._background = street(random, self._width, self._height, self._light, horizon=horizon)
        self._ground = self._height * horizon
        self._walkers = self._people()
        self._hazard_foot, self._hazard_size = self._place()
        strength = 2 + 3 * (1 - self._dim)
        self._grain = random.normal(0, strength, (4, self._height, self._width, 3)).astype(np.int8).astype(np.int16)

    def frame(self, t: float) -> Picture:
        """The picture at ``t`` seconds, with the camera's own noise."""
        picture = self._background.copy()
        stall_here = self.kind == "stall" and t >= self.hazard_from
        stall_drawn = False
        for walker in sorted(self._walkers, key=lambda walker: walker.foot(t)[1]):
            if stall_here and not stall_drawn and walker.foot(t)[1] > self._hazard_foot[1]:
                self._draw_stall(picture)
                stall_drawn = True
            draw_person(
                picture, walker.person, walker.foot(t), t, walking=walker.walking(t), rounded=self._other_manner
            )
        if stall_here and not stall_drawn:
            self._draw_stall(picture)
        if self.kind == "fire" and t >= self.hazard_from:
            self._draw_fire(picture, t)
        grain = self._grain[int(t * 25) % len(self._grain)]
        return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)

    def labels(self, t: float) -> tuple[SceneLabel, ...]:
        """What stands in the picture at ``t``, without what is less than a third inside it."""
        found = [self._label("person", person_box(w.person, w.foot(t))) for w in self._walkers]
        if t >= self.hazard_from and self.kind == "stall":
            found.append(self._label("stall", stall_box(self._hazard_foot, self._hazard_size, self._other_manner)))
        if t >= self.hazard_from and self.kind == "fire":
            width, height = self._flame(t)
            x, y = self._hazard_foot
            found.append(self._label("fire", (x - width / 2, y - height, x + width / 2, y)))
            found.append(self._label("smoke", (x - width * 0.9, y - height * 3.2, x + width * 0.9, y - height * 0.7)))
        return tuple(label for label in found if label is not None)

    def _label(self, name: str, box: tuple[float, float, float, float]) -> SceneLabel | None:
        x1, y1, x2, y2 = (
            min(max(value / scale, 0.0), 1.0) for value, scale in zip(box, (self._width, self._height) * 2, strict=True)
        )
        whole = (box[2] - box[0]) * (box[3] - box[1]) / (self._width * self._height)
        return SceneLabel(name, (x1, y1, x2, y2)) if (x2 - x1) * (y2 - y1) > whole / 3 else None

    def _people(self) -> tuple[_Walker, ...]:
        random, scale = self._random, self._height / 720
        if self.kind == "gathering":
            rows, per_row = 3, 8
            walkers = []
            for number in range(rows * per_row):
                row, column = divmod(number, per_row)
                foot_y = (
                    self._ground + (0.28 + 0.24 * row) * (self._height - self._ground) + random.uniform(-8, 8) * scale
                )
                tall = (150 + 28 * row + random.uniform(-12, 12)) * scale
                goal = (
                    self._width * (0.1 + 0.8 * (column + 0.25 * (row % 2)) / (per_row - 0.75))
                    + random.uniform(-18, 18),
                    foot_y,
                )
                side = -120.0 if random.random() < 0.5 else self._width + 120.0
                leaves = self.hazard_from - 3 + float(random.uniform(0, 2.5))
                walkers.append(
                    _Walker(
                        Person.any(random, tall, self._dim),
                        (side, foot_y),
                        goal,
                        leaves,
                        leaves + float(random.uniform(2, 4)),
                    )
                )
            return tuple(walkers)
        walkers = []
        for _ in range(int(random.integers(1, 5))):
            foot_y = self._ground + float(random.uniform(0.15, 0.9)) * (self._height - self._ground)
            tall = (110 + 130 * (foot_y - self._ground) / (self._height - self._ground)) * scale
            start, end = float(random.uniform(0, self._width)), float(random.uniform(0, self._width))
            walkers.append(_Walker(Person.any(random, tall, self._dim), (start, foot_y), (end, foot_y), 0.0, 25.0))
        return tuple(walkers)

    def _place(self) -> tuple[tuple[float, float], float]:
        random = self._random
        depth = float(random.uniform(0.2, 0.7))
        foot = (
            self._width * float(random.uniform(0.2, 0.8)),
            self._ground + depth * (self._height - self._ground),
        )
        return foot, self._height * float(random.uniform(0.26, 0.42))

    def _flame(self, t: float) -> tuple[float, float]:
        """Width and height (px): grows to its full size within six seconds and flickers."""
        grown = 0.35 + 0.65 * min(1.0, (t - self.hazard_from) / 6)
        flicker = 1 + 0.06 * float(np.sin(t * 7.3)) + 0.04 * float(np.sin(t * 13.7))
        return self._hazard_size * 0.62 * grown, self._hazard_size * 0.75 * grown * flicker

    def _draw_fire(self, picture: Picture, t: float) -> None:
        width, height = self._flame(t)
        x, y = self._hazard_foot
        smoke(picture, (x, y - height * 0.6), width * 1.1, height * 2.6, t, self._seed, grey=70 + 110 * self._dim)
        draw = heat_field if self._other_manner else tongues
        draw(picture, self._hazard_foot, width, height, t, self._seed)

    def _draw_stall(self, picture: Picture) -> None:
        draw_stall(picture, self._hazard_foot, self._hazard_size, self._seed, self._dim, tricycle=self._other_manner)
