"""Transactions: whole or not at all, waiting their turn, and clear about what failed."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.storage.tables.access import User
from gateway.storage.tables.grid import Grid, Platform

if TYPE_CHECKING:
    from tests.gateway.conftest import PostgresServer


def _platform(code: str) -> Platform:
    return Platform(platform=code, code=code, name="镇街", kind="town", parent="hub")


async def test_a_failed_block_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            session.add(_platform("town-1"))
            await session.flush()
            raise RuntimeError("in the middle")
    async with database.reading() as session:
        assert await session.scalar(select(Platform).where(Platform.code == "town-1")) is None


async def test_a_revision_counts_itself_and_a_stale_one_is_refused(database: Database) -> None:
    async with database.transaction() as session:
        session.add(_platform("town-1"))
    async with database.reading() as session:
        mine = (await session.scalars(select(Platform).where(Platform.code == "town-1"))).one()
    assert mine.revision == 1
    async with database.transaction() as session:
        theirs = (await session.scalars(select(Platform).where(Platform.code == "town-1"))).one()
        theirs.name = "先改的"
    assert theirs.revision == 2
    with pytest.raises(Refusal, match="revision_stale"):
        async with database.transaction() as session:
            mine.name = "后改的"
            session.add(mine)
    async with database.reading() as session:
        assert (await session.scalars(select(Platform.name).where(Platform.code == "town-1"))).one() == "先改的"


async def test_many_writers_take_turns_and_all_succeed(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as session:
            session.add(_platform(f"town-{number}"))

    await asyncio.gather(*(write(n) for n in range(30)))
    async with database.reading() as session:
        assert len(list(await session.scalars(select(Platform).where(Platform.kind == "town")))) == 30


async def test_times_come_back_aware_in_utc_whatever_zone_they_had(database: Database) -> None:
    at = datetime(2030, 5, 1, 8, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    async with database.transaction() as session:
        session.add(
            Grid(platform="hub", code="1", name="n", kind="urban", division="d", outline={"类": [1]}, changed_at=at)
        )
    async with database.reading() as session:
        grid = (await session.scalars(select(Grid))).one()
    assert grid.changed_at == at
    assert grid.changed_at.tzinfo is UTC
    assert grid.outline == {"类": [1]}


async def test_a_time_without_a_zone_is_a_defect_and_is_not_stored(database: Database) -> None:
    with pytest.raises(Exception, match="without a zone"):
        async with database.transaction() as session:
            naive = datetime(2030, 1, 1)  # noqa: DTZ001 - the defect under test
            session.add(Grid(platform="h", code="1", name="", kind="", division="", outline={}, changed_at=naive))


async def test_a_reader_waits_for_no_writer(database: Database) -> None:
    async with database.transaction() as writing:
        writing.add(_platform("town-1"))
        await writing.flush()
        async with asyncio.timeout(30), database.reading() as session:
            assert await session.scalar(select(Platform).where(Platform.code == "town-1")) is None


async def test_a_block_cancelled_at_any_moment_leaves_nothing_and_holds_up_nobody(database: Database) -> None:
    async def write(code: str, lingers: float) -> None:
        async with database.transaction() as session:
            session.add(_platform(code))
            await session.flush()
            await session.execute(select(Platform))
            await asyncio.sleep(lingers)

    for number in range(12):
        task = asyncio.create_task(write(f"cancelled-{number}", lingers=60))
        await asyncio.sleep(number * 0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(30):
        await write("town-1", lingers=0)
    async with database.reading() as session:
        codes = set(await session.scalars(select(Platform.code)))
    assert codes == {"hub", "town-1"}


async def test_sqlite_held_by_another_process_is_reported_as_busy(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.storage.database.BUSY_SECONDS", 0.2)
    other = Database(str(sqlite_database.engine.url))
    impatient = Database(str(sqlite_database.engine.url))
    async with other.transaction() as session:
        session.add(_platform("town-1"))
        await session.flush()
        with pytest.raises(Refusal, match="database_busy"):
            async with impatient.transaction() as second:
                second.add(_platform("town-2"))
    await other.close()
    await impatient.close()


async def test_a_database_that_is_read_and_takes_no_writes_says_so(database: Database) -> None:
    """A standby after a switch-over was an internal error, and nobody knew that all writes failed for the same."""
    read_only = "PRAGMA query_only = ON" if database.kind == "sqlite" else "SET TRANSACTION READ ONLY"
    with pytest.raises(Refusal, match="database_read_only") as refused:
        async with database.transaction() as session:
            await session.execute(text(read_only))
            session.add(_platform("town-1"))
    assert refused.value.kind == "unavailable"
    await database.check()


async def test_sqlite_checks_foreign_keys(sqlite_database: Database) -> None:
    async with sqlite_database.reading() as session:
        assert (await session.execute(text("PRAGMA foreign_keys"))).scalar_one() == 1
        assert (await session.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"


async def test_an_sqlite_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").mkdir()
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'gateway.db'}")
    with pytest.raises(Refusal, match="database_unavailable"):
        await database.check()
    await database.close()
    await asyncio.sleep(0.1)  # the driver's thread says goodbye to the loop after a failed opening


async def test_a_postgresql_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://gateway@/nothing?host={tmp_path}")
    async with asyncio.timeout(10):
        with pytest.raises(Refusal, match="database_unavailable"):
            await database.check()
    await database.close()


@pytest.mark.integration
async def test_after_postgresql_threw_us_out_the_next_transaction_works(
    postgres_database: Database, postgres_server: Any
) -> None:
    out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway' AND pid <> pg_backend_pid()"
    with pytest.raises(Refusal, match="database_unavailable"):
        async with postgres_database.transaction() as session:
            session.add(_platform("town-1"))
            await session.flush()
            postgres_server.run(out)
            await session.execute(text("SELECT 1"))
    async with postgres_database.transaction() as session:
        session.add(_platform("town-1"))
    postgres_server.run(out)
    async with postgres_database.reading() as session:
        assert await session.scalar(select(Platform.code).where(Platform.code == "town-1")) == "town-1"


@pytest.mark.integration
async def test_what_postgresql_cannot_store_is_refused_as_invalid(postgres_database: Database) -> None:
    for code in ("nul\x00", "x" * 33):
        with pytest.raises(Refusal, match="value_not_storable") as refused:
            async with postgres_database.transaction() as session:
                session.add(_platform(code))
        assert refused.value.kind == "invalid"


async def test_an_sqlite_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a file"):
        Database("sqlite+aiosqlite:///:memory:")


async def test_every_record_has_an_owner_and_a_sortable_id(database: Database) -> None:
    async with database.transaction() as session:
        for number in range(3):
            session.add(_platform(f"town-{number}"))
            await session.flush()
    async with database.reading() as session:
        rows = list(await session.scalars(select(Platform).where(Platform.kind == "town").order_by(Platform.id)))
    assert [row.code for row in rows] == ["town-0", "town-1", "town-2"]
    assert all(len(row.id) == 36 and row.id[14] == "7" for row in rows)
    assert User.__table__.c.platform.nullable is False


async def test_an_sqlite_is_for_its_user_alone_in_a_folder_open_to_all(tmp_path: Path) -> None:
    await asyncio.to_thread(tmp_path.chmod, 0o755)
    url = f"sqlite+aiosqlite:///{tmp_path / 'gateway.db'}"
    await migrate(url)
    database = Database(url)
    async with database.transaction() as session:
        session.add(_platform("town-1"))
        await session.flush()
        modes = {file.name: file.stat().st_mode & 0o777 for file in os.scandir(tmp_path)}
    await database.close()
    assert modes == dict.fromkeys(("gateway.db", "gateway.db-wal", "gateway.db-shm"), 0o600)


async def test_an_error_for_the_log_holds_no_value_of_its_statement(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            session.add(_platform("a-secret"))
            await session.flush()
            session.add(_platform("a-secret"))
            await session.flush()
    assert "parameters hidden" in str(caught.value)
    assert database.kind != "sqlite" or "a-secret" not in str(caught.value)


@pytest.mark.integration
async def test_a_postgresql_that_vanishes_from_the_network_is_found_out_in_seconds(
    postgres_server: PostgresServer,
) -> None:
    """A commit on its way when the host went waited for a quarter of an hour, and all alerts of the city behind it."""
    async with asyncio.timeout(30):
        copying: set[asyncio.Task[None]] = set()

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_unix_connection(postgres_server.folder / ".s.PGSQL.5432")
            copying.update({asyncio.create_task(copy(reader, there[1])), asyncio.create_task(copy(there[0], writer))})

        over_tcp = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        port = over_tcp.sockets[0].getsockname()[1]
        database = Database(f"postgresql+psycopg://gateway@127.0.0.1:{port}/migrated")
        async with database.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            with socket.socket(fileno=os.dup(raw.driver_connection.fileno())) as held:
                limit = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                alive = held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                idle = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        await database.close()
        over_tcp.close()
        await asyncio.gather(*copying)
    assert 0 < limit <= 15_000
    assert alive
    assert idle <= 10
