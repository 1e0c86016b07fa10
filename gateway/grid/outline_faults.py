"""What is wrong between grids: overlaps, gaps between neighbours, holes within the outline of all. Pure; WGS-84.

Grids are looked at on a plane of metres about their middle, where a county is flat to a thousandth. Areas are taken at
each fault's own latitude. A strip narrower than ``GAP_METRES`` between neighbours is a gap, anything wider that grids
enclose is a hole; what lies outside the outline of all grids is nobody's fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from shapely import Polygon, STRtree
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

SMALLEST_M2 = 1.0
"""Less is the rounding of coordinates with 7 decimals along a border of some kilometres."""
GAP_METRES = 10.0
MOST_POINTS = 200
"""Points of the outline of a fault as it is drawn."""
_BETWEEN = 0.75
"""Share of a gap's edge that grids make up. A nook in the outer border has less, a strip between two grids more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault between grids. ``where``: GeoJSON in WGS-84, small enough to draw."""

    kind: Literal["overlap", "gap", "hole"]
    codes: tuple[str, ...]
    area_m2: float
    where: Mapping[str, Any]
    zh: str
    en: str


def findings(outlines: Mapping[str, BaseGeometry], about: Collection[str]) -> list[Finding]:
    """The faults that touch a grid of ``about``, the largest first. Takes seconds for 5,000 grids: call it in a thread.

    ``outlines``: valid polygons of all grids there are, by code, in degrees.
    """
    codes = sorted(outlines)
    if not codes or not about:
        return []
    plane = _Plane.over([outlines[code] for code in codes])
    grids = np.array([plane.flat(outlines[code]) for code in codes], dtype=object)
    tree = STRtree(grids)
    wanted = frozenset(about)
    found = [*_overlaps(codes, grids, tree, wanted), *_uncovered(codes, grids, tree, wanted)]
    told = [_told(kind, names, shape, plane) for kind, names, shape in found]
    return sorted(told, key=lambda one: (-one.area_m2, one.kind, one.codes))


Kind = Literal["overlap", "gap", "hole"]
_Fault = tuple[Kind, tuple[str, ...], BaseGeometry]


def _overlaps(codes: list[str], grids: Any, tree: STRtree, wanted: frozenset[str]) -> Iterator[_Fault]:
    asked = np.array([number for number, code in enumerate(codes) if code in wanted])
    left, right = tree.query(grids[asked], predicate="intersects")
    left = asked[left]
    # Each pair once: of two that are both asked about, the one found from the smaller number.
    both = np.isin(right, asked)
    once = (left != right) & (~both | (left < right))
    left, right = left[once], right[once]
    common = shapely.intersection(grids[left], grids[right])
    for first, second, shape in zip(left, right, common, strict=True):
        if shape.area >= SMALLEST_M2:
            yield "overlap", tuple(sorted((codes[first], codes[second]))), shape


def _uncovered(codes: list[str], grids: Any, tree: STRtree, wanted: frozenset[str]) -> Iterator[_Fault]:
    covered = shapely.union_all(grids)
    enclosed = [
        Polygon(ring).difference(covered)
        for part in _parts(covered)
        for ring in part.interiors
        if Polygon(ring).area >= SMALLEST_M2
    ]
    reach = GAP_METRES / 2
    for shape in enclosed:
        if shape.area >= SMALLEST_M2:
            kind: Kind = "gap" if shape.buffer(-reach).is_empty else "hole"
            yield from _between(kind, shape, codes, grids, tree, wanted)
    # What widening all grids and narrowing them again closes. Mitred, so that corners come back as they were.
    wider = covered.buffer(reach, join_style="mitre", mitre_limit=5.0)
    closed = wider.buffer(-reach, join_style="mitre", mitre_limit=5.0)
    open_gaps = closed.difference(shapely.union_all([covered, *enclosed]))
    for part in _parts(open_gaps):
        if part.area >= SMALLEST_M2 and _shared(part, covered) >= _BETWEEN:
            yield from _between("gap", part, codes, grids, tree, wanted)


def _between(
    kind: Kind, shape: BaseGeometry, codes: list[str], grids: Any, tree: STRtree, wanted: frozenset[str]
) -> Iterator[_Fault]:
    around = tuple(sorted(codes[number] for number in tree.query(shape.buffer(0.5), predicate="intersects")))
    if wanted.intersection(around) and (kind == "hole" or len(around) > 1):
        yield kind, around, shape


def _shared(gap: Polygon, covered: BaseGeometry) -> float:
    edge = gap.exterior
    return float(edge.intersection(covered.buffer(0.05)).length / edge.length) if edge.length else 0.0


def _parts(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, Polygon) and not part.is_empty]


def _told(kind: Kind, codes: tuple[str, ...], shape: BaseGeometry, plane: _Plane) -> Finding:
    degrees = plane.round(shape)
    area = round(area_m2(degrees), 1)
    names_zh, names_en = "、".join(codes[:6]), ", ".join(codes[:6])
    more_zh, more_en = (f"等 {len(codes)} 个网格", f" and {len(codes) - 6} more") if len(codes) > 6 else ("", "")
    names_zh, names_en = names_zh + more_zh, names_en + more_en
    zh, en = {
        "overlap": (f"网格 {names_zh} 重叠 {area:g} 平方米。", f"Grids {names_en} overlap by {area:g} m²."),
        "gap": (f"网格 {names_zh} 之间有 {area:g} 平方米缝隙。", f"Between {names_en} lies a gap of {area:g} m²."),
        "hole": (
            f"外边界以内有 {area:g} 平方米未被任何网格覆盖，相邻网格：{names_zh}。",
            f"Within the outline {area:g} m² lie in no grid, among {names_en}.",
        ),
    }[kind]
    return Finding(kind, codes, area, mapping(_drawn(shape, plane)), zh, en)


def _drawn(shape: BaseGeometry, plane: _Plane) -> BaseGeometry:
    """The polygons of a fault with few enough points to draw."""
    polygons = [part for part in _parts(shape) if part.area >= SMALLEST_M2 / 10] or _parts(shape)
    shape = shapely.MultiPolygon(polygons) if len(polygons) != 1 else polygons[0]
    for tolerance in (0.0, 0.5, 5.0, 50.0):
        simpler = shape.simplify(tolerance) if tolerance else shape
        if shapely.get_num_coordinates(simpler) <= MOST_POINTS and not simpler.is_empty:
            return plane.round(simpler)
    return plane.round(shape.envelope)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Metres east and north of a point."""

    lng: float
    lat: float

    @classmethod
    def over(cls, outlines: list[BaseGeometry]) -> _Plane:
        west, south, east, north = shapely.total_bounds(outlines)
        return cls((west + east) / 2, (south + north) / 2)

    def flat(self, degrees: BaseGeometry) -> BaseGeometry:
        east, north = metres_per_degree(self.lat)
        return _moved(degrees, lambda xy: (xy - (self.lng, self.lat)) * (east, north))

    def round(self, metres: BaseGeometry) -> BaseGeometry:
        """Back in degrees, with 7 decimals: a centimetre."""
        east, north = metres_per_degree(self.lat)
        return _moved(metres, lambda xy: np.round(xy / (east, north) + (self.lng, self.lat), 7))


def _moved(shape: BaseGeometry, move: Callable[[Any], Any]) -> BaseGeometry:
    return shapely.transform(shape, move)


def metres_per_degree(lat: float) -> tuple[float, float]:
    """East and north, on the WGS-84 ellipsoid: the series of its radii (NIMA TR8350.2), to a centimetre."""
    phi = math.radians(lat)
    east = 111412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    north = 111132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    return east, north


def area_m2(degrees: BaseGeometry) -> float:
    """The area of a shape of at most some kilometres, taken at its own latitude."""
    if degrees.is_empty:
        return 0.0
    east, north = metres_per_degree(float(degrees.centroid.y))
    return float(degrees.area * east * north)
