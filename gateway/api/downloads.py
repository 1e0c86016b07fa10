"""A workbook as a download: written by a thread into a file of its own, sent from there, and gone after."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def workbook(write: Callable[[Path], None], name: str) -> FileResponse:
    """``write`` fills the file; it runs in a thread."""
    path = await asyncio.to_thread(_written, write)
    return FileResponse(
        path,
        media_type=XLSX,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Cache-Control": "no-store",
        },
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _written(write: Callable[[Path], None]) -> Path:
    handle, made = tempfile.mkstemp(suffix=".xlsx", prefix="gateway-")
    os.close(handle)
    path = Path(made)
    try:
        write(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path
