"""Which days are worked: weekends, the State Council's holidays, and the weekends worked instead (调休). Pure.

Each year's arrangement is a document with a version, imported when it is published each November. A year without one
has weekends only; ``knows`` tells, so that a deadline counted on it can say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

from gateway.refusals import Refusal

MOST_DAYS = 60
"""Days off or worked that one year's table may name; in fact they are about thirty."""
_SATURDAY = 5
PUBLISHED_FROM = 11
"""The month in which the next year's arrangement is published; deadlines soon reach into that year."""


@dataclass(frozen=True, slots=True)
class HolidayTable:
    """One year's arrangement. Its days may reach a month into the years beside it, as New Year's does."""

    year: int
    version: str
    source: str
    holidays: frozenset[date]
    workdays: frozenset[date]


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The tables put together; where two years' tables name the same day, the later year's holds."""

    _worked: Mapping[date, bool] = field(default_factory=dict)
    years: frozenset[int] = frozenset()

    @classmethod
    def of(cls, tables: Iterable[HolidayTable]) -> WorkingDays:
        ordered = sorted(tables, key=lambda table: table.year)
        worked: dict[date, bool] = {}
        for table in ordered:
            worked |= dict.fromkeys(table.holidays, False) | dict.fromkeys(table.workdays, True)
        return cls(worked, frozenset(table.year for table in ordered))

    def is_working(self, day: date) -> bool:
        return self._worked.get(day, day.weekday() < _SATURDAY)

    def knows(self, day: date) -> bool:
        """Whether the year's arrangement is there; if not, only weekends are known."""
        return day.year in self.years

    def missing(self, today: date) -> tuple[int, ...]:
        """The years whose table should be there by ``today`` and is not: this one, and from November on the next,
        whose arrangement is published then."""
        wanted = (today.year, today.year + 1) if today.month >= PUBLISHED_FROM else (today.year,)
        return tuple(year for year in wanted if year not in self.years)


def read_holiday_table(document: object) -> HolidayTable:
    """``{"year", "version", "source", "holidays", "workdays"}``; days are ISO dates or ``first/last``.

    Refuses what is not such a table, a day named twice, and days that lie far from its year.
    """
    if not isinstance(document, dict):
        raise _refused("document", "应为一个对象", "it is not an object")
    year, version = document.get("year"), document.get("version")
    if not isinstance(year, int) or isinstance(year, bool) or not 2000 <= year <= 2200:
        raise _refused("year", "年份应在 2000 至 2200 之间", "the year lies between 2000 and 2200")
    if not isinstance(version, str) or not 1 <= len(version) <= 32:
        raise _refused("version", "应有版本号（最多 32 字）", "a version has 1 to 32 characters")
    holidays, workdays = _days(document, "holidays", year), _days(document, "workdays", year)
    both = set(holidays) & set(workdays)
    if both:
        day = min(both).isoformat()
        raise _refused("workdays", f"{day} 既放假又上班", f"{day} is both off and worked")
    for shifted in workdays:
        if shifted.weekday() < _SATURDAY:
            raise _refused("workdays", f"{shifted} 不是周末，不是调休上班日", f"{shifted} is no weekend")
    if not holidays:
        raise _refused("holidays", "没有放假日", "there is no day off")
    return HolidayTable(year, version, str(document.get("source", ""))[:200], frozenset(holidays), frozenset(workdays))


def _days(document: Mapping[str, object], name: str, year: int) -> list[date]:
    listed = document.get(name)
    if not isinstance(listed, list) or len(listed) > MOST_DAYS:
        raise _refused(name, f"应为日期列表（最多 {MOST_DAYS} 项）", f"it is a list of at most {MOST_DAYS} days")
    days: list[date] = []
    for entry in listed:
        for day in _range(entry, name):
            if not date(year - 1, 12, 1) <= day <= date(year + 1, 1, 31):
                raise _refused(name, f"{day} 不属于 {year} 年", f"{day} does not belong to {year}")
            if day in days:
                raise _refused(name, f"{day} 重复", f"{day} is named twice")
            days.append(day)
            if len(days) > MOST_DAYS:
                raise _refused(name, f"超过 {MOST_DAYS} 天", f"there are more than {MOST_DAYS} days")
    return days


def _range(entry: object, name: str) -> Iterator[date]:
    if not isinstance(entry, str) or len(entry) > 21:
        raise _refused(name, "日期应为文本", "a day is a text")
    first, _, last = entry.partition("/")
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise _refused(name, f"“{entry}”不是日期", f"{entry!r} is not a day") from None
    if not timedelta(0) <= end - begin < timedelta(days=MOST_DAYS):
        raise _refused(name, f"“{entry}”不是有效的起止日期", f"{entry!r} is not a fair range")
    day = begin
    while day <= end:
        yield day
        day += timedelta(days=1)


def _refused(where: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "holiday_table_invalid", f"节假日表有误：{zh}。", f"Holiday table: {en}.", field=where)


@cache
def shipped_holidays() -> tuple[HolidayTable, ...]:
    """The tables that come with the product."""
    folder = files("gateway.events.code_tables")
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("holidays-"))
    return tuple(read_holiday_table(json.loads((folder / name).read_text("utf-8"))) for name in found)
