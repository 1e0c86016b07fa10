"""Event numbers: distinct, without gaps, of the local day, and after a pattern that can be trusted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.events.numbering import EventNumbering
from gateway.storage.database import Database

LATE = datetime(2030, 12, 31, 15, 59, tzinfo=UTC)
NEXT_DAY = datetime(2030, 12, 31, 16, 0, tzinfo=UTC)


async def test_numbers_count_within_a_day_of_the_city_and_begin_anew_with_the_next(sqlite_database: Database) -> None:
    numbering = EventNumbering()
    async with sqlite_database.transaction() as session:
        numbers = [await numbering.next(session, "hub", at) for at in (LATE, LATE, NEXT_DAY)]
    assert numbers == ["hub-20301231-00001", "hub-20301231-00002", "hub-20310101-00001"]


async def test_many_at_once_get_distinct_numbers_without_gaps(database: Database) -> None:
    numbering = EventNumbering("SJ{date}{serial:04d}")

    async def one() -> str:
        async with database.transaction() as session:
            return await numbering.next(session, "hub", LATE)

    numbers = await asyncio.gather(*(one() for _ in range(20)))
    assert sorted(numbers) == [f"SJ20301231{n:04d}" for n in range(1, 21)]


async def test_a_number_is_given_back_when_its_event_does_not_come_about(database: Database) -> None:
    numbering = EventNumbering()
    with pytest.raises(RuntimeError, match="rolled back"):
        async with database.transaction() as session:
            await numbering.next(session, "hub", LATE)
            raise RuntimeError("rolled back")
    async with database.transaction() as session:
        assert await numbering.next(session, "hub", LATE) == "hub-20301231-00001"


@pytest.mark.parametrize("pattern", ["{date}", "{serial}{weather}", "事件{serial}", "{serial:070d}", "E {serial}"])
def test_a_pattern_that_gives_no_distinct_or_no_citable_numbers_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="event number"):
        EventNumbering(pattern)
