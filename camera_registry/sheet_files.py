"""CSV and XLSX as rows of texts, and back. Files come from anywhere: their size, rows, columns and cells are bounded.

A CSV is read as UTF-8, or as GB 18030, in which spreadsheets of this country save. A cell that a spreadsheet would take
for a formula is written behind an apostrophe, and read without it.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from camera_registry import reasons, workbook_reader
from camera_registry.errors import CameraRefused
from camera_registry.workbook_reader import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS

READ_SECONDS = 60.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[str, ...]


def read_sheet(content: bytes) -> Iterator[tuple[int, Row]]:
    """Number, counted as a spreadsheet does from 1, and cells of each row that is not empty.

    Raises ``CameraRefused`` with field ``file``: ``sheet_unreadable``, ``sheet_too_large``.
    """
    rows = _xlsx(content) if content.startswith(b"PK\x03\x04") else _csv(content)
    filled = 0
    for number, row in enumerate(rows, 1):
        if number > 4 * MOST_ROWS:  # a workbook may name a row a million rows below the one before
            raise CameraRefused(reasons.SHEET_TOO_LARGE, field="file")
        cells = tuple(_plain(cell) for cell in row[:MOST_COLUMNS])
        while cells and not cells[-1]:
            cells = cells[:-1]
        if not cells:
            continue
        filled += 1
        if filled > MOST_ROWS + 1:
            raise CameraRefused(reasons.SHEET_TOO_LARGE, field="file")
        yield number, cells


def written_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """UTF-8 with a byte order mark, by which spreadsheets know it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_guarded(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def written_xlsx(rows: Iterable[Sequence[str]], title: str) -> bytes:
    """One sheet of texts, so that no spreadsheet rounds a code of 20 digits; its first row is bold and stays."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, row in enumerate(rows):
        if number:
            sheet.append([_guarded(cell) for cell in row])
            continue
        head = [WriteOnlyCell(sheet, cell) for cell in row]
        for cell in head:
            cell.font = Font(bold=True)
        sheet.append(head)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _csv(content: bytes) -> Iterator[Sequence[str]]:
    if b"\x00" in content:
        raise CameraRefused(reasons.SHEET_UNREADABLE, field="file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise CameraRefused(reasons.SHEET_UNREADABLE, field="file") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            yield next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            raise CameraRefused(reasons.SHEET_UNREADABLE, field="file", detail=f"line {lines.line_num}") from error


def _xlsx(content: bytes) -> Iterator[Sequence[str]]:
    """Read by ``workbook_reader``, in a process of its own."""
    reader = [sys.executable, "-m", workbook_reader.__name__]
    try:
        read = subprocess.run(reader, input=content, capture_output=True, timeout=READ_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CameraRefused(reasons.SHEET_TOO_LARGE, field="file", detail="out of time") from error
    if read.returncode == workbook_reader.TOO_LARGE or read.returncode < 0:  # < 0: it died of its limits
        raise CameraRefused(reasons.SHEET_TOO_LARGE, field="file")
    if read.returncode != 0:
        raise CameraRefused(reasons.SHEET_UNREADABLE, field="file")
    for line in read.stdout.splitlines():
        yield json.loads(line)


def _plain(cell: str) -> str:
    text = cell.strip()
    if len(text) > 1 and text[0] == "'" and text[1] in _FORMULA:
        text = text[1:]
    return text[: LONGEST_CELL + 1]


def _guarded(cell: str) -> str:
    if not cell.startswith(_FORMULA) or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
