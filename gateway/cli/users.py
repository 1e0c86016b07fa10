"""``gateway users``: who may sign in."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.running import console, load_settings, new_password, run, with_session
from gateway.clock import system_clock

app = typer.Typer(help="用户 Who may sign in.", no_args_is_help=True)
Username = Annotated[str, typer.Argument(help="用户名 Username.")]


@app.command("add")
def add_user(
    username: Username,
    role: Annotated[list[str], typer.Option(help="角色，可多次 Role; may be given several times.")],
    name: Annotated[str, typer.Option(help="姓名 Display name.")] = "",
    platform: Annotated[str | None, typer.Option(help="所属平台 Platform.")] = None,
) -> None:
    """添加用户 Add a user; the password is asked for, or read from standard input."""
    from gateway.access import audit, users
    from gateway.access.passwords import Passwords

    settings = load_settings()
    password = new_password()

    async def work(session: AsyncSession) -> None:
        new = users.NewUser(username, password, name or username, tuple(role), platform or settings.platform_code)
        await users.create(session, Passwords(), new, by=audit.SYSTEM, now=system_clock())
        console.print(f"{username}: {', '.join(role)}", markup=False)

    run(with_session(work, settings))


@app.command("password")
def change_password(username: Username) -> None:
    """重置口令 Give a user a new password."""
    from gateway.access import audit, users
    from gateway.access.passwords import Passwords

    password = new_password()

    async def work(session: AsyncSession) -> None:
        await users.set_password(session, Passwords(), username, password, by=audit.SYSTEM, now=system_clock())

    run(with_session(work))


@app.command("disable")
def disable_user(
    username: Username, enable: Annotated[bool, typer.Option("--enable", help="恢复 Let in again.")] = False
) -> None:
    """停用用户 Shut a user out at once."""
    from gateway.access import audit, users

    async def work(session: AsyncSession) -> None:
        await users.set_disabled(session, username, not enable, by=audit.SYSTEM, now=system_clock())

    run(with_session(work))


@app.command("list")
def list_users() -> None:
    """列出用户 List the users."""
    from gateway.access import users

    async def work(session: AsyncSession) -> None:
        table = Table("用户名 username", "姓名 name", "角色 roles", "平台 platform", "停用 disabled")
        for user in await users.listed(session):
            roles = ", ".join(str(role) for role in user.roles)
            table.add_row(user.username, user.display_name, roles, user.platform, "✓" if user.disabled else "")
        console.print(table)

    run(with_session(work))
