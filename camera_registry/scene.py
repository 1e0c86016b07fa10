"""What a camera sees when all is well, learned: the lasting edges of its scene, and how much of them a picture shows.

A picture is taken as the direction of its edges, cell by cell, without their strength: daylight, dusk and rain change
the strength, not the direction. Averaged over many pictures, what stands stays and what passes cancels out; so a crowd
or a lorry hides a part of the scene, but only another view of the world takes the place of nearly all of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

WIDTH, HEIGHT = 160, 90
"""Pixels of the picture that scenes are compared at, whatever the camera's size."""
CELLS_ACROSS, CELLS_DOWN = 16, 9
EDGE_FLOOR = 10.0
"""Grey levels of gradient below which an edge is noise: such an edge counts less, in proportion."""
TEXTURED = 0.25
"""Mean length of the lasting edges in a cell from which on the cell can tell one scene from another."""
SEEN = 0.3
"""Correlation of edges from which on a cell of the scene is seen."""
FEWEST_CELLS = 8
"""A scene with fewer cells that tell cannot be recognised: a white wall."""
LEARNED_AFTER = 4
"""Pictures after which a scene is known."""
SLOWEST = 1 / 120
"""Share of the newest picture once the scene is old: it follows the sun and the seasons."""

_MAGIC = b"SC01"


def edges(grey: Grey) -> NDArray[np.float32]:
    """The directions of the edges: ``HEIGHT`` x ``WIDTH`` x 2, each vector no longer than 1. ``grey``: 0 to 255."""
    small = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1, ksize=3)
    length = np.sqrt(across**2 + down**2) + EDGE_FLOOR
    return np.dstack([across / length, down / length]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """``mean``: the averaged edges; ``pictures``: how many have been learned."""

    mean: NDArray[np.float32]
    pictures: int

    @classmethod
    def first(cls, seen: NDArray[np.float32]) -> Scene:
        return cls(seen, 1)

    @property
    def known(self) -> bool:
        return self.pictures >= LEARNED_AFTER

    def learned(self, seen: NDArray[np.float32]) -> Scene:
        """With one more picture of it."""
        share = max(1 / (self.pictures + 1), SLOWEST)
        mean: NDArray[np.float32] = (self.mean + (seen - self.mean) * share).astype(np.float32)
        return Scene(mean, self.pictures + 1)

    def seen_in(self, seen: NDArray[np.float32]) -> float | None:
        """The share of the scene's telling cells that the picture shows, 0 to 1; None where too few tell. The rows at
        the top and bottom are left out: there stand the camera's own words, which no turn of the head moves."""
        squared = _dot(self.mean, self.mean)
        strength = _cells(np.sqrt(squared))[1:-1]
        telling = strength >= TEXTURED
        if telling.sum() < FEWEST_CELLS:
            return None
        together = _cells(_dot(self.mean, seen))[1:-1]
        mine = _cells(squared)[1:-1]
        theirs = _cells(_dot(seen, seen))[1:-1]
        alike = together / (np.sqrt(mine * theirs) + 1e-6)
        return float((alike[telling] >= SEEN).mean())

    def packed(self) -> bytes:
        """For the database: 28.8 kB."""
        return (
            _MAGIC + struct.pack("<I", min(self.pictures, 2**31)) + np.round(self.mean * 127).astype(np.int8).tobytes()
        )

    @classmethod
    def unpacked(cls, data: bytes) -> Scene | None:
        """None for what another version has packed: the scene is learned anew."""
        if data[:4] != _MAGIC or len(data) != 8 + HEIGHT * WIDTH * 2:
            return None
        mean = np.asarray(np.frombuffer(data, np.int8, offset=8).reshape(HEIGHT, WIDTH, 2) / 127, np.float32)
        return cls(mean, struct.unpack("<I", data[4:8])[0])


def _dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each two vectors. By numpy's sum over pairs it takes twelve times as long."""
    return one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1]


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over the cells, ``CELLS_DOWN`` x ``CELLS_ACROSS``."""
    return np.asarray(cv2.resize(values, (CELLS_ACROSS, CELLS_DOWN), interpolation=cv2.INTER_AREA), np.float32)
