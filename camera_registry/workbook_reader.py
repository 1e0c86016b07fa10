"""An XLSX read in a process of its own: ``python -m camera_registry.workbook_reader < book > rows``.

A workbook of 10,000 rows took 3.5 s under the interpreter's lock with openpyxl and takes 0.2 s here (calamine). It is a
process because a small hostile file can ask any reader for terabytes (two cells, a million rows apart): memory and
processor time end here, and the service goes on. Rows come out as JSON lists, one a line, cells as texts, an empty row
as ``[]``; the exit status says what was wrong.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

MOST_ROWS = 20_000
MOST_COLUMNS = 64
LONGEST_CELL = 2_000
MOST_UNPACKED = 256_000_000
"""Bytes a workbook may unpack to: 10,000 full rows take about 20 million."""
MOST_PARTS = 2_000
MOST_TEXT = 20_000_000
"""Characters of all cells together: many cells may name one long text."""
MEMORY = 1 << 30
PROCESSOR_SECONDS = 30
TOO_LARGE, UNREADABLE = 3, 4


class TooLarge(Exception):
    """More than a sheet of cameras may hold."""


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        for row in rows(content):
            sys.stdout.write(json.dumps(row, ensure_ascii=True) + "\n")
    except (TooLarge, MemoryError):
        return TOO_LARGE
    except Exception:  # noqa: BLE001 - the libraries end in whatever a broken part makes of it
        return UNREADABLE
    return 0


def rows(content: bytes) -> Iterator[list[str]]:
    """Of the first sheet, from its first row on. Raises ``TooLarge``."""
    from python_calamine import CalamineWorkbook  # after the limits were set

    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        parts = packed.infolist()
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise TooLarge
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    if sheet.end is None:
        return
    if sheet.end[0] >= 4 * MOST_ROWS:  # a workbook may name a row a million rows below the one before
        raise TooLarge
    left = MOST_TEXT
    skipped = min(sheet.start[1], MOST_COLUMNS) if sheet.start is not None else 0
    for row in sheet.iter_rows():  # from the first row on, but from the first column that is used
        cells = [""] * skipped + [text_of(value) for value in row[: MOST_COLUMNS - skipped]]
        while cells and not cells[-1]:
            cells.pop()
        left -= sum(map(len, cells))
        if left < 0:
            raise TooLarge
        yield cells


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)[: LONGEST_CELL + 1]


if __name__ == "__main__":
    sys.exit(main())
