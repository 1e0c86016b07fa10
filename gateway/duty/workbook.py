"""Workbooks (XLSX) of several sheets, written row by row: memory does not grow with the rows.

A text that a spreadsheet would take for a formula is written behind an apostrophe; what people typed must never run.
Call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from gateway.events.local_time import LOCAL_TIME

Cell = str | int | float | datetime | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NO_XML = "\ufffe\uffff"
"""What XML 1.0 (2.2) forbids beside control characters; surrogates are in no text that a database keeps."""
LONGEST_CELL = 32_000
"""A cell of XLSX holds 32,767 characters."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, shown in per cent; None where there is nothing to divide by."""

    value: float | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """``widths`` in characters, from the first column on."""

    title: str
    head: Sequence[str]
    rows: Iterable[Sequence[Cell | Share]]
    widths: Sequence[int] = field(default=())
    preface: Sequence[str] = field(default=())
    """Lines above the head."""


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write the sheets in their order."""
    book = Workbook(write_only=True)
    for sheet in sheets:
        page = book.create_sheet(sheet.title)
        for number, width in enumerate(sheet.widths):
            page.column_dimensions[chr(ord("A") + number)].width = width
        page.freeze_panes = f"A{len(sheet.preface) + 2}"
        for line in sheet.preface:
            page.append([guarded(line)])
        head = [WriteOnlyCell(page, text) for text in sheet.head]
        for cell in head:
            cell.font = Font(bold=True)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        page.append(head)
        for row in sheet.rows:
            page.append([_cell(page, value) for value in row])
    book.save(path)


def _cell(page: WriteOnlyWorksheet, value: Cell | Share) -> object:
    if isinstance(value, Share):
        cell = WriteOnlyCell(page, value.value)
        cell.number_format = "0.0%"
        return cell
    if isinstance(value, datetime):
        # Spreadsheets know no zones: the city's time, as a time.
        cell = WriteOnlyCell(page, value.astimezone(LOCAL_TIME).replace(tzinfo=None))
        cell.number_format = "yyyy-mm-dd hh:mm:ss"
        return cell
    return guarded(value) if isinstance(value, str) else value


def guarded(text: str) -> str:
    """The text as a spreadsheet may have it: no formula, no character that XML forbids, not too long."""
    clean = "".join(one for one in text if one in "\n\t" or (ord(one) >= 32 and one not in _NO_XML))[:LONGEST_CELL]
    return f"'{clean}" if clean.startswith(_FORMULA) else clean
