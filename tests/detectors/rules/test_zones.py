"""Zones: what lies in them, and which outlines are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.geometry import Point as Place
from shapely.geometry import Polygon as Area

from detectors.observation import Box, Detection, Look, Point
from detectors.rules import zones
from detectors.rules.config import CrowdRuleConfig
from detectors.rules.making import make_rule
from detectors.rules.zones import WHOLE, Polygon, fault, in_zone, in_zone_each, inside, leaves_nothing, touches

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


def test_what_lies_in_exclusions_but_for_the_jitter_at_its_edges_touches_nothing() -> None:
    assert not touches(Box(0.1, 0.1, 0.4, 0.4), WHOLE, [LEFT])
    assert not touches(Box(0.1, 0.1, 0.51, 0.4), WHOLE, [LEFT])
    assert touches(Box(0.1, 0.1, 0.7, 0.4), WHOLE, [LEFT])
    assert touches(Box(0.1, 0.1, 0.4, 0.4), WHOLE, [])


def test_an_exclusion_at_the_edge_of_a_zone_takes_out_what_reaches_beyond_both() -> None:
    """A lamp there counted: the part of it that lies outside the zone is in no exclusion."""
    at_the_edge: Polygon = ((0.4, 0.3), (0.5, 0.3), (0.5, 0.7), (0.4, 0.7))
    hardly_drawn_to_it: Polygon = ((0.4, 0.3), (0.497, 0.3), (0.497, 0.7), (0.4, 0.7))
    for excluded in (at_the_edge, hardly_drawn_to_it):
        assert touches(Box(0.42, 0.4, 0.56, 0.6), LEFT)
        assert not touches(Box(0.42, 0.4, 0.56, 0.6), LEFT, [excluded])
        assert touches(Box(0.34, 0.4, 0.56, 0.6), LEFT, [excluded]), "what outgrows it in the zone"
        assert touches(Box(0.42, 0.25, 0.56, 0.6), LEFT, [excluded])
        assert touches(Box(0.45, 0.1, 0.8, 0.2), LEFT, [excluded]), "what only reaches into the zone, elsewhere"


def test_a_fire_is_seen_in_what_exclusions_leave_of_a_zone_smaller_than_itself() -> None:
    gate: Polygon = ((0.4, 0.4), (0.5, 0.4), (0.5, 0.5), (0.4, 0.5))
    lower_part: Polygon = ((0.3, 0.42), (0.6, 0.42), (0.6, 0.6), (0.3, 0.6))
    both_ends = [
        ((0.39, 0.39), (0.44, 0.39), (0.44, 0.51), (0.39, 0.51)),
        ((0.46, 0.39), (0.51, 0.39), (0.51, 0.51), (0.46, 0.51)),
    ]
    for fire in (Box(0.3, 0.3, 0.6, 0.6), Box(0.0, 0.0, 1.0, 1.0)):
        assert touches(fire, gate, [lower_part])
        assert touches(fire, gate, both_ends)
        assert not touches(fire, gate, [WHOLE])


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


@pytest.mark.parametrize(("polygon", "exclusions"), [(U_SHAPE, ()), (U_SHAPE, (LEFT,)), (WHOLE, (U_SHAPE, LEFT))])
def test_many_points_are_told_as_each_of_them_is(polygon: Polygon, exclusions: tuple[Polygon, ...]) -> None:
    points = [(x / 20, y / 20) for x in range(21) for y in range(21)]
    together = in_zone_each(np.array(points), polygon, exclusions).tolist()
    assert together == [in_zone(Point(x, y), polygon, exclusions) for x, y in points]
    assert any(together)
    assert not all(together)
    assert in_zone_each(np.empty((0, 2)), polygon, exclusions).tolist() == []


def test_no_zone_is_gone_through_point_by_point_when_it_is_drawn_nor_a_crowd_when_it_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules with all the corners they may have kept everything else waiting: for 47 s when they were drawn, and for
    two at each look at a dense crowd."""

    def one_by_one(*_: object) -> bool:
        raise AssertionError("one by one")

    monkeypatch.setattr(zones, "inside", one_by_one)
    assert leaves_nothing(LEFT, [WHOLE])
    assert not leaves_nothing(WHOLE, [LEFT])
    rule = make_rule(CrowdRuleConfig(people=2, dwell_seconds=0, polygon=LEFT))
    crowd = tuple(Detection("person", 0.8, Box(x, 0.4, x + 0.05, 0.5)) for x in (0.1, 0.2, 0.3, 0.7))
    _, verdict = rule.step(rule.initial(), Look(1.0, crowd))
    assert (verdict.phase, verdict.why["people"]) == ("firing", 3)
