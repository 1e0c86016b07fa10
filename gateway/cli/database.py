"""``gateway db``: the database."""

from __future__ import annotations

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.running import console, load_settings, run, with_session
from gateway.refusals import Refusal

app = typer.Typer(help="数据库 The database.", no_args_is_help=True)


@app.command("migrate")
def migrate_database() -> None:
    """升级数据库结构 Bring the database up to this version (``serve`` does it too)."""
    from gateway.storage.migrations import head, migrate

    async def work() -> None:
        await migrate(load_settings().database_url)
        console.print(f"revision {head()}")

    run(work())


@app.command("check")
def check_database() -> None:
    """检查数据库 Reach the database and walk the audit chain."""
    from gateway.access import audit

    async def work(session: AsyncSession) -> None:
        verdict = await audit.verify(session)
        console.print(f"audit rows: {verdict.rows}, holds: {verdict.holds} {verdict.reason or ''}")
        if not verdict.holds:
            raise Refusal(
                "conflict",
                "audit_chain_broken",
                "审计链已被破坏。",
                f"The audit chain is broken at {verdict.broken_at}.",
            )

    run(with_session(work))
