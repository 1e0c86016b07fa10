"""A sheet of the grid staff: its columns, each row checked by itself. Pure.

A person is known again by their account or, without one, by platform and name, so importing twice changes nothing. An
empty cell says nothing. What is told of a faulty row never repeats a phone number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.grid.hours import Hours, checked_hours
from gateway.grid.staff_records import MOST_GRIDS, POST_NAMES, checked_phone
from gateway.refusals import Refusal

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "name": "姓名", "post": "岗位", "platform": "所属平台", "grids": "网格", "username": "账号", "phone": "电话",
        "days": "值班日", "hours": "值班时段", "note": "备注",
    }
)  # fmt: skip
"""Field → its heading; a sheet may use either, in any order. Only the name must be there."""
_LONGEST = {"name": 100, "username": 64, "platform": 32, "note": 200}
_SEPARATOR = re.compile(r"[\s、,，;；/]+")
_WEEKDAYS = {word: day for day, word in enumerate("一二三四五六日", 1)} | {"天": 7}
_CODE = re.compile(r"[0-9A-Za-z-]{1,32}")


@dataclass(frozen=True, slots=True)
class StaffLine:
    """A row that is right by itself. None: the cell is empty or its column not there."""

    row: int
    name: str
    post: str | None = None
    platform: str | None = None
    grids: tuple[str, ...] | None = None
    username: str | None = None
    phone: str | None = None
    days: tuple[int, ...] | None = None
    hours: Hours | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class StaffFault:
    """A row that is left out, and why. ``code``: the name that stands in it."""

    row: int
    code: str
    field: str
    reason: str
    zh: str
    en: str


def read_staff(rows: Iterable[tuple[int, Sequence[str]]]) -> tuple[list[StaffLine | StaffFault], tuple[str, ...]]:
    """The rows below the heading, and the headings that mean nothing here. Refuses a sheet without names."""
    numbered = iter(rows)
    _, head = next(numbered, (0, ()))
    by_heading = {heading: name for name, heading in COLUMNS.items()} | {name: name for name in COLUMNS}
    columns: dict[int, str] = {}
    ignored: list[str] = []
    for place, heading in enumerate(head):
        name = by_heading.get("".join(heading.split()).lower())
        if name is None or name in columns.values():
            ignored += [heading[:40]] if heading else []
        else:
            columns[place] = name
    if "name" not in columns.values():
        raise Refusal(
            "invalid", "sheet_without_columns", "表格中没有“姓名”一列。", "The sheet has no column 姓名.", field="file"
        )
    return list(_lines(numbered, columns)), tuple(ignored)


def _lines(rows: Iterator[tuple[int, Sequence[str]]], columns: Mapping[int, str]) -> Iterator[StaffLine | StaffFault]:
    seen: dict[tuple[str, str], int] = {}
    for number, cells in rows:
        said = {name: cells[place] for place, name in columns.items() if place < len(cells) and cells[place]}
        name = said.get("name", "")[:100]
        try:
            line = _line(number, said)
            key = ("@", line.username) if line.username else (line.platform or "", line.name)
            first = seen.setdefault(key, number)
            if first != number:
                raise _wrong("name", "twice_in_file", f"与第 {first} 行重复。", f"The same as in row {first}.")
        except Refusal as refusal:
            field = (refusal.field or "").partition(".")[0]
            yield StaffFault(number, name, field, refusal.reason, refusal.zh, refusal.en)
        else:
            yield line


def _line(number: int, said: Mapping[str, str]) -> StaffLine:
    for field, most in _LONGEST.items():
        text = said.get(field, "")
        if len(text) > most or not text.isprintable():
            raise _wrong(field, "text_invalid", f"应为至多 {most} 字的一行。", f"A line of at most {most} characters.")
    if not said.get("name"):
        raise _wrong("name", "name_missing", "请填写姓名。", "A name is needed.")
    days, hours = checked_hours(_days(said.get("days", "")), _hours(said.get("hours", "")))
    return StaffLine(
        row=number,
        name=said["name"],
        post=_post(said["post"]) if "post" in said else None,
        platform=said.get("platform"),
        grids=_grids(said["grids"]) if "grids" in said else None,
        username=said.get("username"),
        phone=checked_phone(said["phone"]) if "phone" in said else None,
        days=days if "days" in said else None,
        hours=hours if "hours" in said else None,
        note=said.get("note"),
    )


def _post(text: str) -> str:
    by_word = {word: post for post, word in POST_NAMES.items()}
    post = by_word.get(text, text)
    if post not in POST_NAMES:
        listed = "、".join(POST_NAMES.values())
        raise _wrong("post", "post_unknown", f"岗位应为{listed}之一。", f"A post is one of {', '.join(POST_NAMES)}.")
    return post


def _grids(text: str) -> tuple[str, ...]:
    codes = tuple(sorted({code for code in _SEPARATOR.split(text) if code}))
    if len(codes) > MOST_GRIDS or any(_CODE.fullmatch(code) is None for code in codes):
        raise _wrong(
            "grids", "grids_invalid", f"应为至多 {MOST_GRIDS} 个网格编码。", f"At most {MOST_GRIDS} codes of grids."
        )
    return codes


def _days(text: str) -> list[int]:
    """``1-5``, ``1、3、5``, ``周一至周五``, ``周六、周日``."""
    found: list[int] = []
    for part in _SEPARATOR.split(text.replace("星期", "周")):
        if not part:
            continue
        first, _, last = part.replace("至", "-").replace("—", "-").partition("-")
        begin, end = _day(first), _day(last or first)
        found += range(begin, end + 1) if begin <= end else [*range(begin, 8), *range(1, end + 1)]
    return found


def _day(text: str) -> int:
    word = text.strip().removeprefix("周")
    if word in _WEEKDAYS:
        return _WEEKDAYS[word]
    if word.isascii() and word.isdigit() and len(word) == 1:
        return int(word)  # what is no day is refused with the rest
    raise _wrong("days", "days_invalid", "值班日如：周一至周五、1-5。", "Days are written 1-5 or 周一至周五.")


def _hours(text: str) -> list[list[str]]:
    """``08:00-12:00、14:00-18:00``."""
    spans = [part for part in re.split(r"[\s、,，;；]+", text) if part]
    return [[time.strip() for time in re.split(r"[-–—~至]", span, maxsplit=1)] for span in spans]


def _wrong(field: str, reason: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", reason, zh, en, field=field)
