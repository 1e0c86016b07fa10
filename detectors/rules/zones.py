"""Zones: polygons in normalised picture coordinates. Pure geometry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from detectors.observation import Box, Point

Corner = tuple[float, float]
Polygon = tuple[Corner, ...]
"""Corners x, y in 0..1, in order; the last one joins the first."""

WHOLE: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
MOST_CORNERS = 64
SMALLEST_AREA = 1e-4
"""Share of the picture; a zone below it holds nothing."""
_GRID = 64
"""Points along each side of the picture with which a zone is looked at for what exclusions leave of it."""
_COARSE = 16
"""As many, with which it is looked at first: most zones leave much."""
_BOX_GRID = 9


def inside(point: Point, polygon: Polygon) -> bool:
    """Whether a point lies in a polygon, its edge included."""
    within = False
    for (x1, y1), (x2, y2) in _edges(polygon):
        if _on_edge(point, x1, y1, x2, y2):
            return True
        if (y1 > point.y) != (y2 > point.y) and point.x < (x2 - x1) * (point.y - y1) / (y2 - y1) + x1:
            within = not within
    return within


def in_zone(point: Point, polygon: Polygon, exclusions: Sequence[Polygon]) -> bool:
    """In the polygon and in none of the exclusions."""
    return inside(point, polygon) and not any(inside(point, excluded) for excluded in exclusions)


def in_zone_each(points: NDArray[np.float64], polygon: Polygon, exclusions: Sequence[Polygon]) -> NDArray[np.bool_]:
    """``in_zone`` of many points at once (N×2: x, y): thousands of people, against all the corners that a rule may
    have, took seconds one by one."""
    within = _inside_each(points, polygon)
    for excluded in exclusions:
        (left,) = np.nonzero(within)
        within[left] = ~_inside_each(points[left], excluded)
    return within


def touches(box: Box, polygon: Polygon, exclusions: Sequence[Polygon] = ()) -> bool:
    """Whether any part of a box lies in a polygon and in none of the exclusions (a sliver may be missed). What lies
    beyond the polygon is no such part, nor is what reaches out of an exclusion by no more than edges tremble: a
    twentieth of the sides of the box, or of the polygon where that is smaller."""
    bounds = _bounds(polygon)
    part = box.overlap(bounds)
    if part is None:
        return False
    dx = min(box.width / 20, bounds.width / 20, part.width / 2)
    dy = min(box.height / 20, bounds.height / 20, part.height / 2)
    core = Box(part.x1 + dx, part.y1 + dy, part.x2 - dx, part.y2 - dy)
    corners = (Point(x, y) for x, y in polygon if box.x1 <= x <= box.x2 and box.y1 <= y <= box.y2)
    return any(
        inside(point, polygon) and not any(inside(_moved_into(core, point), excluded) for excluded in exclusions)
        for point in chain(corners, _points(part))
    )


def leaves_nothing(polygon: Polygon, exclusions: Sequence[Polygon]) -> bool:
    """Whether exclusions cover a whole zone, so that nothing in it could ever count."""
    return bool(exclusions) and not has_place(polygon, exclusions)


def has_place(polygon: Polygon, exclusions: Sequence[Polygon], where: Callable[[Point], bool] = lambda _: True) -> bool:
    """Whether a zone has a point of which something holds."""
    return any(where(one) for along in (_COARSE, _GRID) for one in _places(polygon, exclusions, along))


def _places(polygon: Polygon, exclusions: Sequence[Polygon], along: int) -> Iterator[Point]:
    """Points all over a zone."""
    points = np.array([(one.x, one.y) for one in _points(_bounds(polygon), along)])
    return (Point(x, y) for x, y in points[in_zone_each(points, polygon, exclusions)].tolist())


def fault(polygon: Polygon) -> tuple[str, str] | None:
    """Why a polygon is no zone (Chinese, English), or None."""
    if len(polygon) < 3:
        return "区域至少需要三个顶点", "a zone has at least three corners"
    if len(polygon) > MOST_CORNERS:
        return f"区域顶点过多（最多 {MOST_CORNERS} 个）", f"a zone has at most {MOST_CORNERS} corners"
    if any(not (0 <= x <= 1 and 0 <= y <= 1) for x, y in polygon):
        return "区域顶点超出画面（坐标应在 0 到 1 之间）", "a corner lies outside the picture (0 to 1)"
    if len(set(polygon)) < len(polygon):
        return "区域有重合的顶点", "two corners are the same"
    if _crosses_itself(polygon):
        return "区域边界自相交", "the outline crosses or touches itself"
    if _area(polygon) < SMALLEST_AREA:
        return "区域面积过小", "the zone is too small"
    return None


def _bounds(polygon: Polygon) -> Box:
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _moved_into(box: Box, point: Point) -> Point:
    return Point(min(box.x2, max(box.x1, point.x)), min(box.y2, max(box.y1, point.y)))


def _points(box: Box, along: int = _BOX_GRID) -> Iterator[Point]:
    for row in range(along):
        for column in range(along):
            x, y = column / (along - 1), row / (along - 1)
            yield Point(box.x1 + x * (box.x2 - box.x1), box.y1 + y * (box.y2 - box.y1))


def _edges(polygon: Polygon) -> list[tuple[Corner, Corner]]:
    return [(polygon[number], polygon[(number + 1) % len(polygon)]) for number in range(len(polygon))]


def _on_edge(point: Point, x1: float, y1: float, x2: float, y2: float) -> bool:
    if abs((x2 - x1) * (point.y - y1) - (y2 - y1) * (point.x - x1)) > 1e-9:
        return False
    return min(x1, x2) <= point.x <= max(x1, x2) and min(y1, y2) <= point.y <= max(y1, y2)


def _inside_each(points: NDArray[np.float64], polygon: Polygon) -> NDArray[np.bool_]:
    """``inside`` of each."""
    x, y = points[:, 0], points[:, 1]
    within, on_edge = np.zeros(len(points), np.bool_), np.zeros(len(points), np.bool_)
    for (x1, y1), (x2, y2) in _edges(polygon):
        along = np.abs((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) <= 1e-9
        along &= (min(x1, x2) <= x) & (x <= max(x1, x2)) & (min(y1, y2) <= y) & (y <= max(y1, y2))
        on_edge |= along
        if y1 != y2:
            within ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return within | on_edge


def _area(polygon: Polygon) -> float:
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in _edges(polygon))) / 2


def _crosses_itself(polygon: Polygon) -> bool:
    last = len(polygon) - 1
    if any(
        _folds_back(polygon[number - 1], polygon[number], polygon[(number + 1) % len(polygon)])
        for number in range(last + 1)
    ):
        return True
    begins = np.array(polygon)
    ends = np.roll(begins, -1, axis=0)
    # Each edge (row) against the beginning and the end of each other one (column).
    begun, ended = _sides(begins, ends, begins), _sides(begins, ends, ends)
    meet = ((begun > 0) != (ended > 0)) & (begun != 0) & (ended != 0)
    meet &= meet.T
    meet |= (begun == 0) & _between(begins, ends, begins)
    meet |= (ended == 0) & _between(begins, ends, ends)
    first, second = np.nonzero(meet | meet.T)
    apart = second - first
    return bool(np.any((apart > 1) & (apart < last)))


def _sides(begins: NDArray[np.float64], ends: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """``_side`` of each edge (row) and each point (column)."""
    along, to = (ends - begins)[:, None, :], points[None, :, :] - begins[:, None, :]
    sides: NDArray[np.float64] = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
    return sides


def _between(begins: NDArray[np.float64], ends: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point (column), if it lies on the line of an edge (row), lies on the edge."""
    low, high = np.minimum(begins, ends)[:, None, :], np.maximum(begins, ends)[:, None, :]
    within: NDArray[np.bool_] = np.all((low <= points[None, :, :]) & (points[None, :, :] <= high), axis=2)
    return within


def _side(p: Corner, q: Corner, r: Corner) -> float:
    """Above 0: r lies left of the line from p to q; 0: on it."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def _folds_back(a: Corner, b: Corner, c: Corner) -> bool:
    """Whether the edge from b to c runs back over the edge from a to b."""
    if _side(a, b, c) != 0:
        return False
    return (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) > 0
