"""Daily hours in which a rule is on, in the city's own time (Asia/Shanghai, UTC+8 the whole year since 1991)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from math import inf

CITY_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")
Hours = tuple[str, str]
"""From and to as ``HH:MM``; 24:00 is the end of the day; a later from than to runs over midnight."""

_DAY = 24 * 60
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def fault_of_hours(hours: Hours) -> tuple[str, str] | None:
    """Why a pair of times is no hours (Chinese, English), or None."""
    start, end = hours
    if not (_TIME.fullmatch(start) and _TIME.fullmatch(end)):
        return f"时间应写作 HH:MM，而不是 {start}–{end}", f"times are written HH:MM, not {start} to {end}"
    if start == "24:00":
        return "开始时间应为 00:00 到 23:59", "hours begin between 00:00 and 23:59"
    if start == end:
        return f"开始与结束时间相同：{start}", f"hours begin and end at the same time, {start}"
    return None


def is_on(hours: tuple[Hours, ...], at: float) -> bool:
    """Whether ``at`` (seconds since the epoch) lies in one of the hours; without any, always."""
    if not hours:
        return True
    local = datetime.fromtimestamp(at, UTC).astimezone(CITY_TIME)
    minute = local.hour * 60 + local.minute
    return any(_within(_minutes(start), _minutes(end), minute) for start, end in hours)


def seconds_off(hours: tuple[Hours, ...], start: float, end: float) -> float:
    """How many of the seconds from ``start`` to ``end`` (since the epoch) lie in none of the hours. The city's days are
    all alike: of whole ones, years where a clock was wrong, one is counted."""
    days = max(0, int((end - start) // (60 * _DAY)))
    rest = start + days * 60 * _DAY
    return _counted_off(hours, rest, end) + (days * _counted_off(hours, rest, rest + 60 * _DAY) if days else 0.0)


def _counted_off(hours: tuple[Hours, ...], start: float, end: float) -> float:
    off = 0.0
    while start < end:
        following = min(end, (start // 60 + 1) * 60)  # hours begin and end at whole minutes
        off += 0.0 if is_on(hours, start) else following - start
        start = following
    return off


def longest_on(hours: tuple[Hours, ...]) -> float:
    """Seconds for which a rule is on at a stretch, at most; infinite where it is never off."""
    on = [any(_within(_minutes(start), _minutes(end), minute) for start, end in hours) for minute in range(_DAY)]
    if not hours or all(on):
        return inf
    longest = run = 0
    for minute in range(2 * _DAY):  # twice round: hours may run over midnight
        run = run + 1 if on[minute % _DAY] else 0
        longest = max(longest, run)
    return longest * 60.0


def _within(start: int, end: int, minute: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
