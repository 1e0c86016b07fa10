"""Zones: what lies in them, and which outlines are none."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.geometry import Point as Place
from shapely.geometry import Polygon as Area

from detectors.observation import Box, Point
from detectors.rules.zones import WHOLE, Polygon, covered, fault, in_zone, inside, leaves_nothing, touches

LEFT: Polygon = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
U_SHAPE: Polygon = ((0.1, 0.1), (0.3, 0.1), (0.3, 0.6), (0.6, 0.6), (0.6, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))


def test_the_edge_and_the_corners_belong_to_a_zone() -> None:
    assert inside(Point(0.5, 0.3), LEFT)
    assert inside(Point(0.0, 0.0), LEFT)
    assert inside(Point(1.0, 1.0), WHOLE)
    assert not inside(Point(0.5001, 0.3), LEFT)


def test_what_lies_between_the_arms_of_a_zone_is_outside() -> None:
    assert not inside(Point(0.45, 0.3), U_SHAPE)
    assert inside(Point(0.2, 0.3), U_SHAPE)


def test_exclusions_are_cut_out() -> None:
    assert not in_zone(Point(0.2, 0.2), WHOLE, [LEFT])
    assert in_zone(Point(0.8, 0.2), WHOLE, [LEFT])


def test_a_box_that_reaches_into_a_zone_touches_it() -> None:
    assert touches(Box(0.4, 0.4, 0.8, 0.8), LEFT)
    assert not touches(Box(0.6, 0.4, 0.8, 0.8), LEFT)


def test_a_box_larger_than_a_zone_touches_it() -> None:
    assert touches(Box(0, 0, 1, 1), ((0.51, 0.51), (0.53, 0.51), (0.52, 0.53)))


def test_only_what_lies_wholly_in_exclusions_is_covered() -> None:
    assert covered(Box(0.1, 0.1, 0.4, 0.4), [LEFT])
    assert covered(Box(0.1, 0.1, 0.51, 0.4), [LEFT])
    assert not covered(Box(0.1, 0.1, 0.7, 0.4), [LEFT])
    assert not covered(Box(0.1, 0.1, 0.4, 0.4), [])


def test_a_zone_under_its_exclusions_has_nothing_left() -> None:
    assert leaves_nothing(LEFT, [WHOLE])
    assert leaves_nothing(WHOLE, [LEFT, ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))])
    assert not leaves_nothing(WHOLE, [LEFT])
    assert not leaves_nothing(WHOLE, [])


@pytest.mark.parametrize(
    "outline",
    [WHOLE, LEFT, U_SHAPE, ((0.1, 0.1), (0.2, 0.1), (0.15, 0.3)), ((0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1))],
)
def test_ordinary_outlines_are_zones(outline: Polygon) -> None:
    assert fault(outline) is None


@pytest.mark.parametrize(
    ("outline", "word"),
    [
        ((), "three corners"),
        (((0.1, 0.1), (0.9, 0.9)), "three corners"),
        (((0.1, 0.1), (1.2, 0.1), (0.5, 0.9)), "outside"),
        (((0.1, float("nan")), (0.9, 0.1), (0.5, 0.9)), "outside"),
        (((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)), "crosses"),
        (((0.1, 0.1), (0.9, 0.1), (0.5, 0.1)), "crosses"),
        (((0.1, 0.1), (0.9, 0.1), (0.5, 0.1), (0.5, 0.9)), "crosses"),
        (((0.1, 0.1), (0.9, 0.1), (0.1, 0.1), (0.5, 0.9)), "the same"),
        (((0.1, 0.1), (0.105, 0.1), (0.1, 0.105)), "small"),
        (tuple((number / 100, 0.5 - number / 1000) for number in range(65)), "64"),
    ],
)
def test_what_is_no_zone_says_why_in_both_languages(outline: Polygon, word: str) -> None:
    why = fault(outline)
    assert why is not None
    assert why[0]
    assert word in why[1]


# Sixteenths are exact in binary: where outlines touch they truly touch.
corner = st.tuples(st.integers(0, 16), st.integers(0, 16)).map(lambda xy: (xy[0] / 16, xy[1] / 16))


@given(st.lists(corner, min_size=3, max_size=7, unique=True).map(tuple))
def test_the_outlines_refused_are_those_that_geometry_calls_invalid(outline: Polygon) -> None:
    assert (fault(outline) is None) == (Area(outline).is_valid and Area(outline).area >= 1e-4)


@given(st.lists(corner, min_size=3, max_size=7, unique=True).map(tuple), st.floats(0, 1), st.floats(0, 1))
def test_inside_agrees_with_geometry(outline: Polygon, x: float, y: float) -> None:
    area = Area(outline)
    assume(fault(outline) is None)
    assume(area.exterior.distance(Place(x, y)) > 1e-6)
    assert inside(Point(x, y), outline) == area.contains(Place(x, y))
