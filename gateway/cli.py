"""The command ``gateway``: demo, serve, cameras, models, users, db, tls. Parts are imported when their command runs."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import system_clock
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.workers.logs import configure_logs
from models.cli import app as models_app

app = typer.Typer(
    help="视频与会商网关 Video and conference gateway.", no_args_is_help=True, pretty_exceptions_enable=False
)
users_app = typer.Typer(help="用户 Who may sign in.", no_args_is_help=True)
db_app = typer.Typer(help="数据库 The database.", no_args_is_help=True)
cameras_app = typer.Typer(help="摄像机 Cameras on the network.", no_args_is_help=True)
tables_app = typer.Typer(help="代码表 Code tables.", no_args_is_help=True)
app.add_typer(tables_app, name="tables")
app.add_typer(users_app, name="users")
app.add_typer(db_app, name="db")
app.add_typer(cameras_app, name="cameras")
app.add_typer(models_app, name="models")
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


@app.command()
def serve() -> None:
    """启动服务 Run the service until it is told to end (SIGTERM or Ctrl-C)."""
    from gateway.workers.control.service import serve as run_service

    run(run_service(load_settings()))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP 端口 HTTP port.")] = 8000,
    folder: Annotated[Path, typer.Option(help="演示数据目录 Folder of the demo's data.")] = Path("var/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="清除历次记录 Forget earlier runs.")] = False,
    footage: Annotated[
        Path | None, typer.Option(help="播放该目录中的视频 Show the films of this folder instead of drawn scenes.")
    ] = None,
) -> None:
    """运行演示 Run the whole chain with virtual cameras on this machine."""
    from gateway.workers.demo.run import run_demo

    run(run_demo(port=port, folder=folder, fresh=fresh, footage=footage))


@app.command("try")
def try_rules_on(
    film: Annotated[Path, typer.Argument(help="录像 A film.", exists=True, dir_okay=False)],
    rules: Annotated[
        Path | None, typer.Option(help="规则文件（JSON 列表）Rules, a JSON list; else the first values.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="模型卡 Card of the weights.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON Print all of it as JSON.")] = False,
) -> None:
    """规则试运行 Try rules on recorded footage: what would have been raised, when and why."""
    from gateway.workers.trial.command import print_trial

    settings = load_settings()
    run(print_trial(film, rules, card or settings.inference.weights, settings.rules, as_json=as_json, out=console))


@app.command("shadow")
def show_shadow(most: Annotated[int, typer.Option(min=1, max=500, help="条数 How many.")] = 20) -> None:
    """列出新旧模型的差异 What only the old or only the new weights saw, the newest first."""
    from datetime import datetime

    from gateway.workers.inference.shadow import FOLDER, kept_differences

    kept = list(kept_differences(load_settings().data_folder / FOLDER))
    for facts in kept[:most]:
        when = datetime.fromtimestamp(facts["at"]).astimezone().isoformat(timespec="seconds")
        said = ", ".join(f"{one['seen_by']}: {one['label']} {one['score']:.2f}" for one in facts["differences"])
        console.print(f"{when}  {facts['camera']}  {said}  {facts['picture']}", markup=False)
    console.print(f"共 {len(kept)} 条 kept", markup=False)


@app.command("promote")
def promote_weights(
    card: Annotated[Path | None, typer.Argument(help="模型卡 Card of the new weights; else those in shadow.")] = None,
    back: Annotated[bool, typer.Option("--back", help="撤回 Back to the weights before.")] = False,
) -> None:
    """启用新模型 Put weights in force, from the next start on; a person decides, and the audit chain says who."""
    from detectors.weights import WeightsRefused
    from gateway.access import audit
    from gateway.workers.inference.promotion import promote, refuse_pinned, withdraw

    settings = load_settings()
    chosen = card or settings.inference.shadow

    async def work(session: AsyncSession) -> None:
        refuse_pinned(settings.inference)
        try:
            what = ""
            if back:
                what = "before" if withdraw(settings.data_folder) else ""
            elif chosen is not None:
                what = promote(chosen, settings.data_folder).sha256
        except WeightsRefused as refused:
            raise Refusal("invalid", refused.reason, refused.zh, refused.en, field="card") from refused
        if not what:
            raise Refusal(
                "invalid", "weights_missing", "没有可启用的模型。", "There are no such weights.", field="card"
            )
        act = audit.Act(getpass.getuser(), "weights.promote", f"weights:{what}", settings.platform_code)
        await audit.append(session, act, system_clock())
        console.print(f"下次启动生效 in force from the next start on: {what}", markup=False)

    run(_with_session(work, settings))


@app.command("feedback")
def export_feedback_to(to: Annotated[Path, typer.Argument(help="目录 Folder.")]) -> None:
    """导出误报样本 Write the snapshots of rejected alerts, for `gateway models train --with-feedback`."""
    from gateway.events.feedback import export_feedback
    from gateway.events.intake import evidence_folder
    from gateway.storage.evidence_files import EvidenceFiles

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        files = EvidenceFiles(evidence_folder(settings), ())
        console.print(f"{await export_feedback(session, files, to)} 张 pictures → {to}", markup=False)

    run(_with_session(work, settings))


@app.command("settings")
def print_settings() -> None:
    """列出全部设置 Every setting with its first value and meaning."""
    from gateway.settings_page import settings_page

    typer.echo(settings_page(), nl=False)


@app.command()
def tls(
    names: Annotated[list[str], typer.Argument(help="服务器地址或主机名 Addresses or names of this server.")],
    folder: Annotated[Path, typer.Option(help="目录 Folder.")] = Path("keys"),
) -> None:
    """生成证书 Make a certificate authority of one's own and a server certificate by it."""
    from gateway.certificates import make_certificates

    async def work() -> None:
        made = make_certificates(folder.absolute(), tuple(names), system_clock())
        console.print(f"GATEWAY_HTTP__CERTIFICATE={made.certificate}", markup=False)
        console.print(f"GATEWAY_HTTP__PRIVATE_KEY={made.private_key}", markup=False)
        console.print(f"请在各席位安装 Install on every seat: {made.authority}", markup=False)

    run(work())


@db_app.command("migrate")
def migrate_database() -> None:
    """升级数据库结构 Bring the database up to this version (``serve`` does it too)."""
    from gateway.storage.migrations import head, migrate

    async def work() -> None:
        await migrate(load_settings().database_url)
        console.print(f"revision {head()}")

    run(work())


@db_app.command("check")
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

    run(_with_session(work))


@users_app.command("add")
def add_user(
    username: str,
    role: Annotated[list[str], typer.Option(help="角色，可多次 Role; may be given several times.")],
    name: Annotated[str, typer.Option(help="姓名 Display name.")] = "",
    platform: Annotated[str | None, typer.Option(help="所属平台 Platform.")] = None,
) -> None:
    """添加用户 Add a user; the password is asked for, or read from standard input."""
    from gateway.access import audit, users
    from gateway.access.passwords import Passwords

    settings = load_settings()
    password = _password()

    async def work(session: AsyncSession) -> None:
        new = users.NewUser(username, password, name or username, tuple(role), platform or settings.platform_code)
        await users.create(session, Passwords(), new, by=audit.SYSTEM, now=system_clock())
        console.print(f"{username}: {', '.join(role)}", markup=False)

    run(_with_session(work, settings))


@users_app.command("password")
def change_password(username: str) -> None:
    """重置口令 Give a user a new password."""
    from gateway.access import audit, users
    from gateway.access.passwords import Passwords

    password = _password()

    async def work(session: AsyncSession) -> None:
        await users.set_password(session, Passwords(), username, password, by=audit.SYSTEM, now=system_clock())

    run(_with_session(work))


@users_app.command("disable")
def disable_user(
    username: str, enable: Annotated[bool, typer.Option("--enable", help="恢复 Let in again.")] = False
) -> None:
    """停用用户 Shut a user out at once."""
    from gateway.access import audit, users

    async def work(session: AsyncSession) -> None:
        await users.set_disabled(session, username, not enable, by=audit.SYSTEM, now=system_clock())

    run(_with_session(work))


@users_app.command("list")
def list_users() -> None:
    """列出用户 List the users."""
    from gateway.access import users

    async def work(session: AsyncSession) -> None:
        table = Table("用户名 username", "姓名 name", "角色 roles", "平台 platform", "停用 disabled")
        for user in await users.listed(session):
            roles = ", ".join(str(role) for role in user.roles)
            table.add_row(user.username, user.display_name, roles, user.platform, "✓" if user.disabled else "")
        console.print(table)

    run(_with_session(work))


@cameras_app.command("discover")
def discover_cameras(
    target: Annotated[list[str] | None, typer.Option(help="定向探测 host[:port] Probe these directly.")] = None,
    interface: Annotated[list[str] | None, typer.Option(help="网卡地址 Addresses of interfaces to use.")] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="逐个扫描的地址段 Ranges to sweep: 192.168.1.0/24, from-to.")
    ] = None,
    port: Annotated[list[int] | None, typer.Option(min=1, max=65535, help="扫描端口 Ports to sweep; 80.")] = None,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="每秒地址数 Addresses swept a second.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=0.5, max=30, help="时长 How long to listen.")] = 3.0,
) -> None:
    """搜索摄像机 Find ONVIF devices; nothing is registered. Ctrl-C ends it and shows what was found."""
    from camera_registry.address_policy import AddressPolicy
    from camera_registry.discovery import Discovery, Target, Wanted
    from camera_registry.errors import CameraRefused
    from camera_registry.sweep import SweepRange
    from gateway.discovery_progress import searched

    settings = load_settings()

    async def work() -> None:
        try:
            wanted = Wanted(
                interface,
                tuple(Target.parse(one) for one in target or ()),
                tuple(SweepRange.parse(one, port or (80,)) for one in ranges or ()),
                seconds,
                rate,
            )
            devices = await searched(Discovery(AddressPolicy(settings.cameras.networks)), wanted, errors)
        except CameraRefused as refused:
            raise Refusal("invalid", refused.reason, refused.zh, refused.en, field=refused.field) from None
        table = Table("地址 address", "名称 name", "型号 model", "方式 found by")
        for device in devices:
            table.add_row(device.address, device.name, device.model, ", ".join(device.ways))
        console.print(table)

    run(work())


@tables_app.command("import")
def import_code_table(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON：节假日表或事件分类表 A table.")],
) -> None:
    """导入节假日表或事件分类表 Take a holiday or class table in, whole or not at all."""
    from gateway.code_tables_cli import imported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await imported(session, file, settings, console)

    run(_with_session(work, settings))


@tables_app.command("list")
def list_code_tables() -> None:
    """列出在用的表与缺少的年份 Tables in force, and years without one."""
    from gateway.code_tables_cli import listed

    async def work(session: AsyncSession) -> None:
        await listed(session, console)

    run(_with_session(work))


@cameras_app.command("import")
def import_cameras(
    sheet: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV 或 XLSX CSV or XLSX.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不保存 Check only.")] = False,
) -> None:
    """导入摄像机档案 Put the cameras of a sheet on record; wrong rows are named and left out."""
    from gateway.camera_sheets_cli import imported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await imported(session, sheet, settings, console, dry_run=dry_run)

    run(_with_session(work, settings))


@cameras_app.command("connect")
def connect_cameras(
    user: Annotated[str, typer.Option(help="用户名 Who asks; the password is asked for or read from standard input.")],
    failed: Annotated[bool, typer.Option("--failed", help="只重试上次失败的 Only those that failed.")] = False,
    platform: Annotated[str | None, typer.Option(help="所属平台 Only of this platform.")] = None,
    server: Annotated[str | None, typer.Option(help="网关地址 Address of the running service.")] = None,
    authority: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="根证书 Certificate authority of the service.")
    ] = None,
) -> None:
    """接入摄像机 Connect the cameras on record, by the credential sets of their networks; Ctrl-C ends it."""
    from gateway.connecting_cli import client_of, connected

    settings = load_settings()
    scheme = "http" if settings.http.certificate is None else "https"
    address = server or f"{scheme}://{settings.http.host}:{settings.http.port}"
    password = getpass.getpass("口令 Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    async def work() -> None:
        which = "failed" if failed else "awaiting"
        async with client_of(address, authority) as client:
            if not await connected(client, user, password, console, which=which, platform=platform):
                raise typer.Exit(REFUSED)

    run(work())


@cameras_app.command("export")
def export_cameras(
    sheet: Annotated[Path, typer.Argument(help=".csv 或 .xlsx Ends in .csv or .xlsx.")],
) -> None:
    """导出摄像机档案 Write the records as a sheet that can be imported."""
    from gateway.camera_sheets_cli import exported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await exported(session, sheet, settings.platform_code, console)

    run(_with_session(work, settings))


@cameras_app.command("list")
def list_cameras() -> None:
    """列出摄像机 List the registered cameras and their health."""
    from sqlalchemy import select

    from gateway.storage.tables.cameras import CameraRow

    async def work(session: AsyncSession) -> None:
        table = Table("编码 code", "名称 name", "状态 health", "原因 reason", "自 since (UTC)")
        for row in await session.scalars(
            select(CameraRow).where(CameraRow.status != "removed").order_by(CameraRow.code)
        ):
            table.add_row(row.code, row.name, row.health_state, row.health_reason, f"{row.health_since:%m-%d %H:%M:%S}")
        console.print(table)

    run(_with_session(work))


def _password() -> str:
    if sys.stdin.isatty():
        first = getpass.getpass("口令 Password: ")
        if first != getpass.getpass("再次输入 Again: "):
            errors.print("两次输入不一致 The two differ.")
            raise typer.Exit(REFUSED)
        return first
    return sys.stdin.readline().rstrip("\n")


async def _with_session(work: Callable[[AsyncSession], Awaitable[None]], settings: Settings | None = None) -> None:
    """Migrate, and do ``work`` in one transaction."""
    from gateway.grid.platforms import ensure_hub
    from gateway.storage.database import Database
    from gateway.storage.migrations import migrate

    settings = settings or load_settings()
    await migrate(settings.database_url)
    db = Database(settings.database_url)
    try:
        async with db.transaction() as session:
            await ensure_hub(session, settings.platform_code, settings.platform_name)
        async with db.transaction() as session:
            await work(session)
    finally:
        await db.close()
