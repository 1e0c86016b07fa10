"""Import and export of camera records on the command line, straight into the database; a running service goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.address_policy import AddressPolicy
from camera_registry.camera_sheet import read_cameras
from camera_registry.errors import CameraRefused
from gateway.access import audit
from gateway.api.camera_import import Importer, import_cameras
from gateway.api.camera_network import refusal_of
from gateway.api.camera_sheets import records_of, sheet_of
from gateway.clock import system_clock
from gateway.grid.locator import GridLocator
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault

_MOST_FAULTS_SHOWN = 100


async def imported(session: AsyncSession, path: Path, settings: Settings, screen: Console, *, dry_run: bool) -> None:
    """Prints what became of the rows. Refuses, so that nothing is kept, what is no sheet; a dry run keeps nothing."""
    try:
        with screen.status("读取中 reading"):
            content = await asyncio.to_thread(path.read_bytes)
            sheet = await asyncio.to_thread(read_cameras, content, AddressPolicy(settings.cameras.networks))
        with screen.status("保存中 storing"):
            importer = Importer(settings.platform_code, None, settings.cameras.centre_code)
            vault = await asyncio.to_thread(Vault.at, settings.data_folder)
            now = system_clock()
            done = await import_cameras(session, sheet, importer, GridLocator(), vault, now)
    except CameraRefused as refused:
        raise refusal_of(refused, "file") from refused
    faults = Table("行 row", "编码 code", "字段 field", "原因 reason")
    for fault in done.faults[:_MOST_FAULTS_SHOWN]:
        why = f"{fault.zh} {fault.en} [{fault.reason}]"
        faults.add_row(str(fault.row), escape(fault.code), escape(fault.field), escape(why))
    if done.faults:
        screen.print(faults)
    outcomes = [one.outcome for one in done.results]
    said = {name: outcomes.count(name) for name in ("added", "changed", "unchanged")}
    screen.print(
        f"新增 added {said['added']} · 更改 changed {said['changed']} · 未变 unchanged {said['unchanged']}"
        f" · 有误 left out {len(done.faults)}"
    )
    if dry_run:
        await session.rollback()
        return
    act = audit.Act(audit.SYSTEM, "cameras.import", "cameras", settings.platform_code, why=f"{path.name}: {said}")
    await audit.append(session, act, now)


async def exported(session: AsyncSession, path: Path, platform: str, screen: Console) -> None:
    """Every camera that is registered. Refuses a name that ends in neither ``.csv`` nor ``.xlsx``."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("csv", "xlsx"):
        raise Refusal(
            "invalid", "sheet_kind_unknown", "文件名应以 .csv 或 .xlsx 结尾。", "The name ends in .csv or .xlsx.",
            field="sheet",
        )  # fmt: skip
    records = await records_of(session, CameraRow.status != "removed")
    content = await asyncio.to_thread(sheet_of, records, kind)
    await asyncio.to_thread(path.write_bytes, content)
    act = audit.Act(audit.SYSTEM, "cameras.export", "cameras", platform, why=f"{len(records)} cameras, {kind}")
    await audit.append(session, act, system_clock())
    screen.print(f"{path}: {len(records)}", markup=False)
