"""Code tables over HTTP and from the command line: a year without holidays is told of, and mended by an import."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from rich.console import Console

from gateway.api.services import Services
from gateway.cli.code_tables import imported
from gateway.events.holiday_watch import HolidayWatch
from gateway.refusals import Refusal

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]


def table(year: int) -> dict[str, Any]:
    return {
        "kind": "holidays",
        "year": year,
        "version": "1",
        "holidays": [f"{year}-10-01/{year}-10-07"],
        "workdays": [],
    }


async def test_a_year_without_holidays_is_told_of_until_its_table_is_there(
    client_as: ClientAs, services: Services, clock: ManualClock, tmp_path: Path
) -> None:
    clock.now = datetime(2026, 11, 20, tzinfo=UTC)
    admin = await client_as("system_admin")
    watch = HolidayWatch(services.db, services.books, clock)
    assert await watch.look() == (2027,)
    assert [one.value for one in watch.samples()] == [1.0]
    assert (await admin.get("/api/v1/code-tables")).json()["holiday_years_missing"] == [2027]
    for fault in ({"workdays": ["2027-10-01"]}, {"holidays": []}, {"kind": "lunar"}):
        answer = await admin.post("/api/v1/code-tables/import", json=table(2027) | fault)
        assert answer.status_code == 422
    assert (await admin.get("/api/v1/code-tables")).json()["holiday_years_missing"] == [2027]

    file = tmp_path / "2027.json"
    file.write_text(json.dumps(table(2027)), "utf-8")
    async with services.db.transaction() as session:
        await imported(session, file, services.settings, Console(quiet=True))
    assert (await admin.get("/api/v1/code-tables")).json()["holiday_years_missing"] == []
    assert await watch.look() == ()


async def test_a_file_that_is_no_table_changes_nothing(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    for content, reason in (("[]", "table_unreadable"), ("{", "table_unreadable"), ("{}", "table_kind_unknown")):
        file.write_text(content, "utf-8")
        async with services.db.transaction() as session:
            with pytest.raises(Refusal, match=reason):
                await imported(session, file, services.settings, Console(quiet=True))
