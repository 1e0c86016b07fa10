"""What a detector saw: boxes on one picture at one time. The only thing rules ever look at.

Coordinates are normalised to the picture: x to the right, y down, both in 0..1, origin at the upper left corner.
Times are wall-clock seconds since the epoch (UTC), the arrival of the frame at the gateway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the picture, normalised."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box by its upper left and lower right corner, normalised."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        return max(0.0, self.y2 - self.y1)

    @property
    def area(self) -> float:
        """Share of the picture that the box covers."""
        return self.width * self.height

    @property
    def centre(self) -> Point:
        return Point((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    @property
    def foot(self) -> Point:
        """Middle of the lower edge: where a standing person or a stall touches the ground."""
        return Point((self.x1 + self.x2) / 2, self.y2)

    def intersection(self, other: Box) -> float:
        """Share of the picture that both boxes cover."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return width * height if width > 0 and height > 0 else 0.0

    def overlap(self, other: Box) -> Box | None:
        """What both boxes cover; it may be a line or a point. None: they do not meet."""
        x1, y1 = max(self.x1, other.x1), max(self.y1, other.y1)
        x2, y2 = min(self.x2, other.x2), min(self.y2, other.y2)
        return Box(x1, y1, x2, y2) if x1 <= x2 and y1 <= y2 else None

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        both = self.intersection(other)
        union = self.area + other.area - both
        return both / union if union > 0 else 0.0


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all of ``boxes``, of which there is at least one."""
    return Box(
        min(box.x1 for box in boxes),
        min(box.y1 for box in boxes),
        max(box.x2 for box in boxes),
        max(box.y2 for box in boxes),
    )


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: a class of the weights' card (``person``, ``fire``, ``smoke``, ``stall``), its score 0..1 and box."""

    label: str
    score: float
    box: Box
    closer: float | None = None
    """Best score of the same hazard in a crop round the box at the picture's full size; None: not looked at closer."""
    stir: float | None = None
    """How much the box's pixels changed since the look before (see ``detectors.stir``), 0..1; None: not known."""
    appearance: tuple[int, ...] = ()
    """What it looks like (see ``detectors.appearance``); empty: not known."""
    judged: float | None = None
    """How likely this hazard is there, says the judge of the second look; None: nobody judged. What it doubts has
    lowered the score already (see ``detectors.doubt``)."""


@dataclass(frozen=True, slots=True)
class Look:
    """One picture of one camera, as the detector saw it at ``at`` (seconds since the epoch), and the sha256 and name of
    the weights by which it saw."""

    at: float
    detections: tuple[Detection, ...]
    weights: str = ""
    model: str = ""
