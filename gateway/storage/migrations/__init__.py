"""Schema migrations by Alembic, run by the service itself: ``await migrate(url)`` brings a database up to this code.

A change of a table needs a revision: ``python -m gateway.storage.migrations "what changes"`` writes it from the
difference between the tables and the migrated schema; a test holds the two together on both databases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.refusals import Refusal
from gateway.storage.database import BUSY_SECONDS, make_private, prepare_sqlite_for_migration, refusal_for

FOLDER = Path(__file__).parent
OTHERS_SECONDS = 60.0
"""How long a service waits for another one's migration of the same file: on a loaded machine one takes many seconds."""
_LOCK = 0x6772_6964  # "grid": two services starting at once migrate one after the other


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def head() -> str:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


async def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest revision, in one transaction; nothing happens where it is there.

    Raises ``Refusal`` ``schema_unknown`` for a database written by a newer version, and those of ``Database``.
    """
    address = make_url(url)
    sqlite = address.get_backend_name() == "sqlite"
    if sqlite and address.database:
        make_private(Path(address.database))
    waiting = {"timeout": BUSY_SECONDS} if sqlite else {"connect_timeout": int(BUSY_SECONDS)}
    engine = create_async_engine(address, connect_args=waiting)
    if sqlite:
        event.listen(engine.sync_engine, "connect", prepare_sqlite_for_migration)
        event.listen(engine.sync_engine, "connect", _wait_for_others)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except OperationalError as error:
        raise refusal_for(error) from error
    except CommandError as error:
        raise Refusal(
            "conflict",
            "schema_unknown",
            "数据库由更新版本的网关写入，请升级网关。",
            "The database was written by a newer version of the gateway; upgrade the gateway.",
        ) from error
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
        if orphans:
            raise RuntimeError(f"a migration left {len(orphans)} rows without the row they belong to")


def _wait_for_others(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(OTHERS_SECONDS * 1000)}").close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
