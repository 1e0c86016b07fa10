"""The tables and the migrations say the same, on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.refusals import Refusal
from gateway.storage.migrations import head, migrate
from gateway.storage.tables import metadata

if TYPE_CHECKING:
    from tests.gateway.conftest import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'deep' / 'gateway.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty()


def _difference(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata()))


async def test_a_migrated_database_has_exactly_the_tables_of_the_code(empty_url: str) -> None:
    await migrate(empty_url)
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(_difference) == []
    await engine.dispose()


async def test_migrating_again_and_at_once_changes_nothing(empty_url: str) -> None:
    await asyncio.gather(migrate(empty_url), migrate(empty_url))
    await migrate(empty_url)
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == head()
    await engine.dispose()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(empty_url: str) -> None:
    await migrate(empty_url)
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refusal, match="schema_unknown"):
        await migrate(empty_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == "9999"
    await engine.dispose()
