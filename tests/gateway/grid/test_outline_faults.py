"""What is wrong between grids is found, measured and drawn; what is right raises nothing."""

from __future__ import annotations

import random

import pytest
from shapely import Polygon, box, voronoi_polygons
from shapely.geometry import MultiPoint, shape
from shapely.geometry.base import BaseGeometry

from gateway.grid.outline_faults import Finding, area_m2, findings, metres_per_degree

LNG, LAT = 120.5, 30.25
EAST, NORTH = metres_per_degree(LAT)


def metres(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """A box in metres about the test's place, in degrees."""
    return box(LNG + west / EAST, LAT + south / NORTH, LNG + east / EAST, LAT + north / NORTH)


def found(outlines: dict[str, BaseGeometry], about: set[str] | None = None) -> list[Finding]:
    return findings(outlines, about if about is not None else set(outlines))


def test_neighbours_that_share_a_border_are_right() -> None:
    assert found({"A": metres(0, 0, 100, 100), "B": metres(100, 0, 200, 100), "C": metres(0, 100, 200, 200)}) == []
    assert found({}) == []
    assert found({"A": metres(0, 0, 100, 100), "far": metres(500, 0, 600, 100)}) == []


def test_an_overlap_is_named_measured_and_drawn() -> None:
    (one,) = found({"A": metres(0, 0, 100, 100), "B": metres(80, 0, 200, 100), "C": metres(0, 100, 200, 200)})
    assert (one.kind, one.codes) == ("overlap", ("A", "B"))
    assert one.area_m2 == pytest.approx(2000, rel=0.001)
    assert shape(dict(one.where)).symmetric_difference(metres(80, 0, 100, 100)).area * EAST * NORTH < 1
    assert "A" in one.zh
    assert "2000" in one.zh
    assert "overlap" in one.en


def test_a_strip_between_neighbours_is_a_gap_and_a_wide_one_is_none() -> None:
    (gap,) = found({"A": metres(0, 0, 100, 100), "B": metres(104, 0, 200, 100)})
    assert (gap.kind, gap.codes) == ("gap", ("A", "B"))
    assert gap.area_m2 == pytest.approx(400, rel=0.01)
    assert found({"A": metres(0, 0, 100, 100), "B": metres(120, 0, 200, 100)}) == []


def test_what_grids_enclose_without_covering_is_a_hole_or_where_it_is_narrow_a_gap() -> None:
    ring = metres(0, 0, 300, 300).difference(metres(100, 100, 200, 200))
    (hole,) = found({"A": ring})
    assert (hole.kind, hole.codes) == ("hole", ("A",))
    assert hole.area_m2 == pytest.approx(10_000, rel=0.001)
    assert found({"A": ring, "B": metres(100, 100, 200, 200)}) == []
    (slit,) = found({"A": ring, "B": metres(103, 100, 200, 200)})
    assert (slit.kind, slit.codes) == ("gap", ("A", "B"))
    assert slit.area_m2 == pytest.approx(300, rel=0.01)


def test_only_faults_of_grids_that_are_asked_about_are_told() -> None:
    city = {"A": metres(0, 0, 100, 100), "B": metres(80, 0, 200, 100), "C": metres(190, 0, 300, 100)}
    assert [one.codes for one in found(city, {"C"})] == [("B", "C")]
    assert [one.codes for one in found(city, {"A"})] == [("A", "B")]
    assert found(city, set()) == []


def test_the_nooks_of_an_outer_border_are_no_gaps() -> None:
    steps = {f"S{n}": metres(n * 50, n * 50, n * 50 + 50, 400) for n in range(6)}
    steps |= {"tooth": Polygon([(LNG - 9 / EAST, LAT), (LNG, LAT), (LNG, LAT + 50 / NORTH)])}
    assert found(steps) == []


def test_a_city_of_irregular_grids_has_just_the_faults_that_were_made_in_it() -> None:
    chance = random.Random(11)
    points = MultiPoint([(chance.random() * 0.1, chance.random() * 0.1) for _ in range(300)])
    whole = box(0, 0, 0.1, 0.1)
    cells = [cell.intersection(whole) for cell in voronoi_polygons(points, extend_to=whole).geoms]
    city: dict[str, BaseGeometry] = {f"G{n:03}": cell for n, cell in enumerate(cells)}
    assert found(city) == []
    inner = [code for code, cell in city.items() if whole.buffer(-0.02).contains(cell)]
    gone, grown = inner[0], inner[40]
    hole = city.pop(gone)
    city[grown] = city[grown].buffer(0.0005)
    told = found(city)
    (missing,) = [one for one in told if one.kind == "hole"]
    assert missing.area_m2 == pytest.approx(area_m2(hole), rel=0.01)
    assert all(grown in one.codes for one in told if one.kind == "overlap")
    assert {one.kind for one in told} == {"hole", "overlap"}


def test_areas_are_those_of_the_ellipsoid() -> None:
    # One minute of arc at 30° N: 1608.1 m × 1847.5 m on WGS-84.
    assert area_m2(box(120, 30, 120 + 1 / 60, 30 + 1 / 60)) == pytest.approx(1608.1 * 1847.5, rel=0.001)
