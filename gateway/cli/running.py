"""How a command runs: its settings, its session, and what it says when it is refused."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.workers.logs import configure_logs

if TYPE_CHECKING:
    from gateway.storage.database import Database

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


BAD_SETTINGS, REFUSED = 2, 1


def load_settings() -> Settings:
    """The settings, or an end with each wrong field named."""
    try:
        settings = Settings()
    except ValidationError as error:
        errors.print("[red]设置有误 The settings are wrong:[/red]")
        for one in error.errors():
            name = ".".join(str(part) for part in one["loc"])
            errors.print(f"  {name}: {one['msg']}  (GATEWAY_{name.replace('.', '__').upper()})", markup=False)
        raise typer.Exit(BAD_SETTINGS) from None
    except ValueError as error:  # gateway.toml is no TOML
        errors.print(f"gateway.toml: {error}", markup=False)
        raise typer.Exit(BAD_SETTINGS) from None
    configure_logs(settings.log_format, process="gateway")
    return settings


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; a refusal is printed in both languages and ends with 1."""
    try:
        asyncio.run(work)
    except Refusal as refusal:
        errors.print(f"{refusal.zh}\n{refusal.en}  [{refusal.reason}]", markup=False, style="red")
        raise typer.Exit(REFUSED) from None


async def with_session(work: Callable[[AsyncSession], Awaitable[None]], settings: Settings | None = None) -> None:
    """Migrate, and do ``work`` in one transaction."""

    async def in_one(db: Database) -> None:
        async with db.transaction() as session:
            await work(session)

    await with_database(in_one, settings or load_settings())


async def with_database(work: Callable[[Database], Awaitable[None]], settings: Settings) -> None:
    """Migrate, and do ``work``."""
    from gateway.grid.platforms import ensure_hub
    from gateway.storage.database import Database
    from gateway.storage.migrations import migrate

    await migrate(settings.database_url)
    db = Database(settings.database_url)
    try:
        async with db.transaction() as session:
            await ensure_hub(session, settings.platform_code, settings.platform_name)
        await work(db)
    finally:
        await db.close()


def new_password() -> str:
    """Asked for twice, or read from standard input."""
    if sys.stdin.isatty():
        first = getpass.getpass("口令 Password: ")
        if first != getpass.getpass("再次输入 Again: "):
            errors.print("两次输入不一致 The two differ.")
            raise typer.Exit(REFUSED)
        return first
    return sys.stdin.readline().rstrip("\n")
