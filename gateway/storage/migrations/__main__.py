"""Writes the next revision: ``python -m gateway.storage.migrations "what changes"``.

Compares the tables with an SQLite that has been migrated up to now. Read what it wrote before committing it, and run
``ruff format`` over it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.storage.migrations import FOLDER, alembic_config, migrate


def _write(connection: Connection, message: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    number = len(list((FOLDER / "versions").glob("[0-9]*.py"))) + 1
    command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")


async def main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'now.db'}"
        await migrate(url)
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            await connection.run_sync(_write, message)
        await engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m gateway.storage.migrations "what changes"')
    asyncio.run(main(sys.argv[1]))
