"""``gateway cameras``: found, put on record, connected."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.running import REFUSED, console, errors, load_settings, run, with_session
from gateway.refusals import Refusal

app = typer.Typer(help="摄像机 Cameras on the network.", no_args_is_help=True)


@app.command("discover")
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
    from gateway.cli.discovery_progress import searched

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


@app.command("import")
def import_cameras(
    sheet: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV 或 XLSX CSV or XLSX.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不保存 Check only.")] = False,
) -> None:
    """导入摄像机档案 Put the cameras of a sheet on record; wrong rows are named and left out."""
    from gateway.cli.camera_sheets import imported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await imported(session, sheet, settings, console, dry_run=dry_run)

    run(with_session(work, settings))


@app.command("connect")
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
    from gateway.cli.connecting import client_of, connected

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


@app.command("export")
def export_cameras(
    sheet: Annotated[Path, typer.Argument(help=".csv 或 .xlsx Ends in .csv or .xlsx.")],
) -> None:
    """导出摄像机档案 Write the records as a sheet that can be imported."""
    from gateway.cli.camera_sheets import exported

    settings = load_settings()

    async def work(session: AsyncSession) -> None:
        await exported(session, sheet, settings.platform_code, console)

    run(with_session(work, settings))


@app.command("list")
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

    run(with_session(work))
