"""The grid of a point, on both databases and after changes by another process."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from gateway.grid.imports import import_grids
from gateway.grid.locator import GridLocator
from gateway.grid.outlines import GridRow
from gateway.grid.platforms import add_sub_platform, ensure_hub
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.grid import Grid

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
DIVISION = "999001001001"


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
