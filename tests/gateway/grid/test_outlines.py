"""Grids from GeoJSON: what is wrong with a row is said with its row, and nothing wrong gets in."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.grid import outlines
from gateway.grid.outlines import GridRow, RowFault, read_features
from gateway.refusals import Refusal

DIVISION = "999001001001"
SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
METRES = [[[500000, 3000000], [500100, 3000000], [500100, 3000100], [500000, 3000000]]]
SWAPPED = [[[30.0, 120.0], [30.1, 120.0], [30.1, 120.1], [30.0, 120.0]]]
BOW_TIE = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]


def _read(geometry: object = None, **properties: object) -> GridRow | RowFault:
    named = {"code": f"{DIVISION}001", "name": "第一网格", **properties}
    feature = {
        "type": "Feature",
        "properties": named,
        "geometry": geometry or {"type": "Polygon", "coordinates": SQUARE},
    }
    (row,) = read_features({"type": "FeatureCollection", "features": [feature]})
    return row


def test_a_good_row_is_read_with_its_division() -> None:
    row = _read(kind="rural", platform="town-1")
    assert isinstance(row, GridRow)
    assert (row.code, row.division, row.kind, row.platform) == (f"{DIVISION}001", DIVISION, "rural", "town-1")


def test_a_hole_and_several_parts_are_fine() -> None:
    hole = [[[0.2, 0.2], [0.2, 0.4], [0.4, 0.4], [0.4, 0.2], [0.2, 0.2]]]
    assert isinstance(_read({"type": "Polygon", "coordinates": SQUARE + hole}), GridRow)
    parts = [SQUARE, [[[2, 0], [3, 0], [3, 1], [2, 0]]]]
    assert isinstance(_read({"type": "MultiPolygon", "coordinates": parts}), GridRow)


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Polygon", "coordinates": BOW_TIE}, "outline_crosses_itself"),
        ({"type": "MultiPolygon", "coordinates": [SQUARE, SQUARE]}, "outline_crosses_itself"),
        ({"type": "Point", "coordinates": [0, 0]}, "outline_not_a_polygon"),
        ({"type": "Polygon"}, "outline_unreadable"),
        ({"type": "Polygon", "coordinates": []}, "outline_empty"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}, "outline_unreadable"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}, "outline_unreadable"),
        ({"type": "Polygon", "coordinates": METRES}, "outline_not_in_degrees"),
        ({"type": "Polygon", "coordinates": SWAPPED}, "outline_axes_swapped"),
        ({"type": "Polygon", "coordinates": [[[math.nan, 0], [1, 0], [1, 1], [math.nan, 0]]]}, None),
        ("nothing", "outline_not_a_polygon"),
    ],
)  # fmt: skip
def test_an_outline_that_is_none_is_named(geometry: object, reason: str | None) -> None:
    row = _read(geometry)
    assert isinstance(row, RowFault)
    assert row.field == "geometry"
    assert reason is None or row.reason == reason


@pytest.mark.parametrize(
    ("properties", "field", "reason"),
    [
        ({"code": ""}, "code", "code_invalid"),
        ({"code": "99900100100100"}, "code", "code_invalid"),
        ({"code": "999001001000001"}, "code", "grid_straight_under_town"),
        ({"code": "９９９００１００１００１００１"}, "code", "code_invalid"),
        ({"name": ""}, "name", "name_invalid"),
        ({"name": "第\x00一"}, "name", "name_invalid"),
        ({"name": "\ud800"}, "name", "name_invalid"),
        ({"kind": "village"}, "kind", "kind_unknown"),
    ],
)
def test_a_wrong_property_is_named(properties: dict[str, object], field: str, reason: str) -> None:
    row = _read(**properties)
    assert isinstance(row, RowFault)
    assert (row.row, row.field, row.reason) == (1, field, reason)


def test_a_city_may_have_its_own_code_pattern() -> None:
    feature = {"properties": {"code": "G-7", "name": "n"}, "geometry": {"type": "Polygon", "coordinates": SQUARE}}
    (row,) = read_features({"type": "FeatureCollection", "features": [feature]}, re.compile(r"G-\d+"))
    assert isinstance(row, GridRow)


def test_too_many_rows_are_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "MOST_ROWS", 2)
    with pytest.raises(Refusal, match="too_many_rows"):
        list(read_features({"type": "FeatureCollection", "features": [{}] * 3}))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON | st.fixed_dictionaries({"properties": JSON, "geometry": JSON}), max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_feature_is_a_fault_and_never_a_crash(features: list[Any]) -> None:
    rows = list(read_features({"type": "FeatureCollection", "features": features}))
    assert [row.row for row in rows] == list(range(1, len(features) + 1))


@given(st.sampled_from(["Polygon", "MultiPolygon"]), JSON)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_as_coordinates_is_a_fault_and_never_a_crash(kind: str, coordinates: Any) -> None:
    assert isinstance(_read({"type": kind, "coordinates": coordinates}), RowFault)
