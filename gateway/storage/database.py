"""The one way to the database: short transactions on SQLite (WAL) or PostgreSQL, with typed refusals when it fails.

SQLite takes its write lock at the start of a writing transaction (``BEGIN IMMEDIATE``): a read that later turns into a
write could otherwise fail half-way with no chance to wait. Writers of this process queue on a lock in order, because
SQLite's own waiting is polling and unfair.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm.exc import StaleDataError

from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

BUSY_SECONDS = 5.0
STATEMENT_SECONDS = 20.0
GONE_SECONDS = 10
"""Seconds after which a PostgreSQL that acknowledges nothing on a connection is gone: a host that was switched off, or
a firewall that forgot, sends no reset, and Linux by itself waits for a quarter of an hour."""
POOL_SIZE = 8

# libpq's names; a local socket takes none of them. Keepalives find out while an answer is waited for, and nothing of
# ours is on its way.
_TCP_LIMITS = {
    "tcp_user_timeout": GONE_SECONDS * 1000,
    "keepalives_idle": GONE_SECONDS // 2,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

# PostgreSQL: lock not available, deadlock, serialisation failure, statement cancelled by its time limit.
BUSY_STATES = {"55P03", "40P01", "40001", "57014"}
READ_ONLY_STATE = "25006"


class Database:
    """A pool of connections. ``transaction()`` writes, ``reading()`` only reads; both end when the block ends."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self.kind = address.get_backend_name()
        self.engine: AsyncEngine
        if self.kind == "sqlite":
            if not address.database or address.database == ":memory:":
                raise ValueError("the database must be a file: an SQLite in memory is another one on each connection")
            make_private(Path(address.database))
            self.engine = create_async_engine(
                address,
                pool_size=POOL_SIZE,
                pool_timeout=BUSY_SECONDS,
                hide_parameters=True,  # an error's text goes into the log, and parameters may be secrets
                connect_args={"timeout": BUSY_SECONDS},
            )
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            # A plan fits the values that are asked: one for all walks a year of events for a department with a few.
            options = (
                f"-c timezone=UTC -c plan_cache_mode=force_custom_plan"
                f" -c statement_timeout={int(STATEMENT_SECONDS * 1000)}"
                f" -c lock_timeout={int(BUSY_SECONDS * 1000)} -c idle_in_transaction_session_timeout=60000"
            )
            self.engine = create_async_engine(
                address,
                pool_size=POOL_SIZE,
                pool_timeout=BUSY_SECONDS,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"connect_timeout": int(BUSY_SECONDS), "options": options, **_TCP_LIMITS},
            )
        self._readers = self.engine.execution_options(sqlite_begin="BEGIN")
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A writing transaction: committed when the block ends well, rolled back as a whole when it does not.

        Never open one inside another. Raises ``Refusal`` ``database_busy``, ``database_unavailable``,
        ``database_full``, ``database_read_only`` or ``revision_stale``; an ``IntegrityError`` is left to the caller,
        who knows what it means.
        """
        async with self._turn(), self._session(self.engine) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads and holds up no writer."""
        async with self._session(self._readers) as session:
            yield session

    async def check(self) -> None:
        """One round trip; raises the refusal that an operator should see."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self.kind != "sqlite":
            yield
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._writing.acquire()
        except TimeoutError as error:
            raise _busy() from error
        try:
            yield
        finally:
            self._writing.release()

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except StaleDataError as error:
            raise Refusal(
                "conflict",
                "revision_stale",
                "记录已被他人修改，请刷新后重试。",
                "The record was changed meanwhile; fetch it again and retry.",
                field="revision",
            ) from error
        except DataError as error:
            # A NUL in a text, a number or a text too large: the databases differ in what they take.
            raise Refusal(
                "invalid",
                "value_not_storable",
                "有的值过长、过大或含有无法保存的字符。",
                "A value is too long, too large or holds characters that cannot be stored.",
            ) from error
        except (OperationalError, InterfaceError, InternalError, PoolTimeoutError) as error:
            if isinstance(error, InternalError) and _state(error) != READ_ONLY_STATE:
                raise
            refusal = refusal_for(error)
            log.warning("database_failed", reason=refusal.reason, error=type(error).__name__, cause=_cause(error))
            raise refusal from error


def make_private(path: Path) -> None:
    """Make an SQLite's file for this user alone, whatever folder it lies in; its WAL takes the same mode.

    A file that is there keeps its mode, and what cannot be made is told by SQLite when it is opened.
    """
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def refusal_for(error: Exception) -> Refusal:
    """What an operator is told about a failed statement or connection."""
    cause = _cause(error)
    state = _state(error)
    if "database is locked" in cause or "database table is locked" in cause or state in BUSY_STATES:
        return _busy()
    if isinstance(error, PoolTimeoutError):
        return _busy()
    if "disk is full" in cause or "No space left" in cause or state == "53100":
        return Refusal(
            "unavailable",
            "database_full",
            "数据库所在磁盘已满，请清理磁盘空间。",
            "The disk of the database is full; free some space.",
        )
    if "readonly database" in cause or state == READ_ONLY_STATE:
        return Refusal(
            "unavailable",
            "database_read_only",
            "数据库只读，无法写入：请检查是否连到备库，或磁盘、文件权限是否只读。",
            "The database takes no writes: check whether it is a standby, or its disk or file is read-only.",
        )
    return Refusal(
        "unavailable",
        "database_unavailable",
        "数据库无法访问，请检查数据库服务与地址。",
        "The database cannot be reached; check the database service and its address.",
    )


def _busy() -> Refusal:
    return Refusal(
        "unavailable", "database_busy", "数据库繁忙，请稍后重试。", "The database is busy; try again shortly."
    )


def _state(error: Exception) -> str | None:
    """PostgreSQL's five characters for what failed."""
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


def _cause(error: Exception) -> str:
    """The driver's first line, without the statement and its parameters, which may hold secrets."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(origin).partition("\n")[0][:200]


def _prepare_sqlite(connection: Any, record: object) -> None:
    prepare_sqlite_for_migration(connection, record)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def prepare_sqlite_for_migration(connection: Any, _record: object) -> None:
    """All but the foreign keys: a migration puts a new table in an old one's place, which they would punish."""
    connection.isolation_level = None  # the driver must not open transactions of its own
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a stored alert lets the journal forget it: it must be on disk
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))
