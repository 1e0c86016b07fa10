"""The ground plane of a calibrated camera: picture coordinates to metres, and who stands together there. Pure.

Four points of the picture whose places on the ground are known give the homography (Hartley & Zisserman, §4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from detectors.observation import Point

Place = tuple[float, float]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
LEAST_TRIANGLE = 1e-4
"""Twice the area (of the picture, of square metres) below which three points lie on a line."""


def ground_plane(points: Sequence[tuple[Place, Place]]) -> Matrix | None:
    """The homography of four (picture, ground) pairs, its depth positive on the ground; None where they are not four,
    three lie on a line, or no camera sees them so: some before the horizon and some behind it."""
    if len(points) != 4:
        return None
    for side in range(2):
        for a, b, c in combinations([pair[side] for pair in points], 3):
            if abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) < LEAST_TRIANGLE:
                return None
    rows = []
    for (x, y), (east, north) in points:
        rows += [
            [x, y, 1, 0, 0, 0, -x * east, -y * east, -east],
            [0, 0, 0, x, y, 1, -x * north, -y * north, -north],
        ]
    # No entry is taken to be one: that of the picture's corner is below zero where the horizon lies in the picture.
    plane = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    depths = [float(plane[2] @ (x, y, 1)) for (x, y), _ in points]
    if min(depths) <= 0 <= max(depths):
        return None
    plane /= max(depths, key=abs)
    first, second, third = ((float(a), float(b), float(c)) for a, b, c in plane)
    return first, second, third


def on_ground(point: Point, plane: Matrix) -> Place | None:
    """Metres east and north; None above the horizon, where there is no ground."""
    (a, b, c), (d, e, f), (g, h, i) = plane
    depth = g * point.x + h * point.y + i
    if depth <= 1e-6:
        return None
    return (a * point.x + b * point.y + c) / depth, (d * point.x + e * point.y + f) / depth


def largest_group(places: Sequence[Place], spacing: float) -> frozenset[int]:
    """Indices of the largest group in which each stands within ``spacing`` metres of another of it."""
    east, north = np.array(places, np.float64).reshape(-1, 2).T.copy()
    numbers, largest = np.arange(len(east)), frozenset[int]()
    while numbers.size:
        group, edge, numbers = [], [int(numbers[0])], numbers[1:]
        while edge:
            one = edge.pop()
            group.append(one)
            # All who are left at once: a dense crowd asked pair by pair takes seconds.
            near = (east[numbers] - east[one]) ** 2 + (north[numbers] - north[one]) ** 2 <= spacing**2
            edge += numbers[near].tolist()
            numbers = numbers[~near]
        if len(group) > len(largest):
            largest = frozenset(group)
    return largest
