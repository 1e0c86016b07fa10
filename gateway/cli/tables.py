"""``gateway tables``: holidays and event classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.running import console, load_settings, run, with_session

app = typer.Typer(help="代码表 Code tables.", no_args_is_help=True)


@app.command("import")
def import_code_table(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON：节假日表或事件分类表 A table.")],
) -> None:
    """导入节假日表或事件分类表 Take a holiday or class table in, whole or not at all."""
    from gateway.cli.code_tables import imported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await imported(session, file, settings, console)

    run(with_session(work, settings))


@app.command("list")
def list_code_tables() -> None:
    """列出在用的表与缺少的年份 Tables in force, and years without one."""
    from gateway.cli.code_tables import listed

    async def work(session: AsyncSession) -> None:
        await listed(session, console)

    run(with_session(work))
