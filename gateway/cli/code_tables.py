"""``gateway tables``: code tables from the command line, by the rules of the HTTP door."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.clock import system_clock
from gateway.events.books import CityBooks, import_table
from gateway.events.local_time import LOCAL_TIME
from gateway.refusals import Refusal
from gateway.settings import Settings

MOST_BYTES = 1_000_000


async def imported(session: AsyncSession, file: Path, settings: Settings, console: Console) -> None:
    """Take the table in. Refuses what is no JSON, too large, or no such table, and then nothing has changed."""
    document = await asyncio.to_thread(_read, file)
    now = system_clock()
    caller = Caller(
        "", audit.SYSTEM, "", frozenset(), settings.platform_code, None, "", "bearer", now + timedelta(hours=1)
    )
    row = await import_table(session, caller, document, now)
    console.print(f"已导入 imported: {row.kind} {row.name} {row.version}", markup=False)
    await listed(session, console)


async def listed(session: AsyncSession, console: Console) -> None:
    books = await CityBooks().current(session)
    console.print(f"事件分类 event classes: {books.classes.version}", markup=False)
    console.print(f"节假日表 holiday tables: {' '.join(map(str, sorted(books.days.years)))}", markup=False)
    missing = books.days.missing(system_clock().astimezone(LOCAL_TIME).date())
    if missing:
        years = " ".join(map(str, missing))
        console.print(f"缺少 missing: {years}（时限将把节假日算作工作日 holidays count as working days）", markup=False)


def _read(file: Path) -> dict[str, object]:
    try:
        content = file.read_bytes()[: MOST_BYTES + 1]
        document = json.loads(content) if len(content) <= MOST_BYTES else None
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise Refusal(
            "invalid",
            "table_unreadable",
            "文件不是可读取的 JSON 对象（最大 1 MB）。",
            "The file is no JSON object that can be read (at most 1 MB).",
            field="file",
        )
    return document
