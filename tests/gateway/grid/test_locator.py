"""The grid of a point, on both databases and after changes by another process."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, box
from sqlalchemy import delete

from gateway.grid.imports import import_grids
from gateway.grid.locator import GridHit, GridIndex, GridLocator
from gateway.grid.outlines import GridRow
from gateway.grid.platforms import add_sub_platform, ensure_hub
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.grid import Grid

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
DIVISION = "999001001001"
_STEPS, _SIZES = st.integers(0, 6).map(float), st.integers(1, 3).map(float)


def _row(serial: int, west: float, south: float, size: float = 1.0) -> GridRow:
    ring = [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]
    outline = {"type": "Polygon", "coordinates": [ring]}
    return GridRow(serial, f"{DIVISION}{serial:03}", f"第{serial}网格", "urban", DIVISION, "", outline)


async def _store(database: Database, *rows: GridRow) -> None:
    async with database.transaction() as session:
        await import_grids(session, list(rows), platform="hub", visible=None, now=NOW)


async def _at(database: Database, locator: GridLocator, lng: float, lat: float) -> str | None:
    async with database.reading() as session:
        hit = await locator.locate(session, lng, lat)
    return hit.code[-3:] if hit else None


async def test_a_point_is_in_its_grid_or_in_none(database: Database) -> None:
    locator = GridLocator()
    assert await _at(database, locator, 0.5, 0.5) is None
    await _store(database, _row(1, 0, 0), _row(2, 1, 0))
    assert await _at(database, locator, 0.5, 0.5) == "001"
    assert await _at(database, locator, 1.5, 0.5) == "002"
    assert await _at(database, locator, 5, 5) is None


async def test_a_common_border_always_falls_to_the_same_grid(database: Database) -> None:
    await _store(database, _row(2, 1, 0), _row(1, 0, 0), _row(3, 0.9, 0.4, size=0.2))
    assert await _at(database, GridLocator(), 1.0, 0.9) == "001"
    assert await _at(database, GridLocator(), 1.0, 0.5) == "003"  # the smaller grid inside the larger ones


@given(st.lists(st.tuples(_STEPS, _STEPS), max_size=60), st.lists(st.tuples(_STEPS, _STEPS, _SIZES), max_size=12))
@settings(max_examples=150, deadline=None)
def test_many_points_at_once_lie_where_each_lies_alone(
    points: list[tuple[float, float]], squares: list[tuple[float, float, float]]
) -> None:
    """Overlapping grids, common borders and corners: one grid or none, the same in whatever order the grids come."""
    grids = [
        (GridHit(f"{number:02}", "", "hub", ""), box(west, south, west + size, south + size))
        for number, (west, south, size) in enumerate(squares)
    ]
    index, reverse = GridIndex.of(grids), GridIndex.of(grids[::-1])
    alone = [index.at(lng, lat) for lng, lat in points]
    together = index.at_many([lng for lng, _ in points], [lat for _, lat in points])
    assert together == alone == [reverse.at(lng, lat) for lng, lat in points]
    for (lng, lat), hit in zip(points, alone, strict=True):
        around = [(outline.area, grid.code) for grid, outline in grids if outline.intersects(Point(lng, lat))]
        assert (hit.code if hit else None) == (min(around)[1] if around else None)


async def test_every_change_is_seen_by_a_locator_that_did_not_make_it(database: Database) -> None:
    locator = GridLocator()
    await _store(database, _row(1, 0, 0))
    assert await _at(database, locator, 0.5, 0.5) == "001"
    await _store(database, _row(1, 10, 10))
    assert await _at(database, locator, 0.5, 0.5) is None
    assert await _at(database, locator, 10.5, 10.5) == "001"
    async with database.transaction() as session:
        await session.execute(delete(Grid))
    await _store(database, _row(7, 10, 10))
    assert await _at(database, locator, 10.5, 10.5) == "007"


async def test_the_hub_is_made_once_renamed_by_the_settings_and_never_exchanged(database: Database) -> None:
    async with database.transaction() as session:
        assert (await ensure_hub(session, "hub", "枢纽平台")).revision == 1
        renamed = await ensure_hub(session, "hub", "新名称")
        await session.flush()
        assert (renamed.name, renamed.revision) == ("新名称", 2)
    with pytest.raises(Refusal, match="platform_code_changed"):
        async with database.transaction() as session:
            await ensure_hub(session, "another", "枢纽平台")


async def test_a_sub_platform_needs_a_parent_and_a_code_of_its_own(database: Database) -> None:
    async with database.transaction() as session:
        await add_sub_platform(session, "town-1", "镇街", "town", "hub")
    for code, parent, reason in (("town-1", "hub", "platform_code_taken"), ("town-2", "gone", "platform_unknown")):
        with pytest.raises(Refusal, match=reason):
            async with database.transaction() as session:
                await add_sub_platform(session, code, "镇街", "town", parent)
