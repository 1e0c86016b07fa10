"""The audit chain holds under many writers and shows every way of tampering with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from gateway.access import audit
from gateway.storage.database import Database

AT = datetime(2030, 1, 7, 9, 0, 0, 123456, tzinfo=UTC)


async def _append(database: Database, number: int) -> int:
    async with database.transaction() as session:
        act = audit.Act("zhiban1", "view.live", f"camera:{number}", "hub", why="值班巡查", grant="g")
        return await audit.append(session, act, AT)


async def _tamper(database: Database, statement: str) -> audit.Verdict:
    async with database.transaction() as session:
        await session.execute(text(statement))
    async with database.reading() as session:
        return await audit.verify(session)


async def test_an_empty_chain_holds(database: Database) -> None:
    async with database.reading() as session:
        assert await audit.verify(session) == audit.Verdict(0)


async def test_many_writers_at_once_make_one_chain_without_a_gap(database: Database) -> None:
    numbers = await asyncio.gather(*(_append(database, n) for n in range(25)))
    assert sorted(numbers) == list(range(1, 26))
    async with database.reading() as session:
        assert await audit.verify(session) == audit.Verdict(25)


async def test_a_change_that_fails_leaves_no_row_and_no_gap(database: Database) -> None:
    await _append(database, 1)
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await audit.append(session, audit.Act("a", "b", "c", "hub"), AT)
            raise RuntimeError("the change failed")
    assert await _append(database, 2) == 2
    async with database.reading() as session:
        assert (await audit.verify(session)).holds


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE audit SET who = 'zhiban2' WHERE seq = 3", 3, "row_changed"),
        ("UPDATE audit SET why = '' WHERE seq = 1", 1, "row_changed"),
        ("UPDATE audit SET grant_id = NULL WHERE seq = 5", 5, "row_changed"),
        ("UPDATE audit SET platform = 'town-1' WHERE seq = 2", 2, "row_changed"),
        ("DELETE FROM audit WHERE seq = 3", 3, "row_missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "row_missing"),
        ("DELETE FROM audit WHERE seq = 5", 5, "tail_cut"),
        ("DELETE FROM audit", 1, "tail_cut"),
        ("UPDATE audit SET previous_hash = hash WHERE seq = 4", 4, "link_broken"),
        ("UPDATE audit_head SET seq = 4", 6, "tail_cut"),
    ],
)
async def test_tampering_shows_where_it_was_done(
    database: Database, statement: str, broken_at: int, reason: str
) -> None:
    for number in range(5):
        await _append(database, number)
    verdict = await _tamper(database, statement)
    assert (verdict.holds, verdict.broken_at, verdict.reason) == (False, broken_at, reason)


async def test_a_page_is_filtered_and_counts_all(database: Database) -> None:
    for number in range(5):
        await _append(database, number)
    async with database.transaction() as session:
        await audit.append(session, audit.Act("anquan", "user.create", "user:x", "hub"), AT)
    async with database.reading() as session:
        views = await audit.page(session, what="view.", limit=2)
        assert ([row.seq for row in views.items], views.total) == ([5, 4], 5)
        assert (await audit.page(session, who="anquan")).total == 1
        assert (await audit.page(session, target="camera:3")).total == 1
        assert (await audit.page(session, what="%")).total == 0
