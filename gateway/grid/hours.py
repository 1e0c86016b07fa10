"""Hours of duty: days of the week and daily hours in the city's own time. Without days every day, without hours all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from detectors.rules.schedule import CITY_TIME, fault_of_hours
from gateway.refusals import Refusal

MOST_HOURS = 8
Hours = tuple[tuple[str, str], ...]


def in_hours(days: Sequence[int], hours: Hours, at: datetime) -> bool:
    """Whether ``at`` lies in the hours of one of the days (1 Monday … 7 Sunday).

    Hours that run over midnight belong to the day on which they begin: 22:00–06:00 of Friday ends on Saturday.
    """
    local = at.astimezone(CITY_TIME)
    today = local.isoweekday()
    yesterday = (local - timedelta(days=1)).isoweekday()
    if not hours:
        return not days or today in days
    minute = f"{local:%H:%M}"  # HH:MM compares as the time does
    for start, end in hours:
        over_midnight = start > end
        if minute >= start and (over_midnight or minute < end) and (not days or today in days):
            return True
        if over_midnight and minute < end and (not days or yesterday in days):
            return True
    return False


def checked_hours(days: Sequence[int], hours: Sequence[Sequence[str]]) -> tuple[tuple[int, ...], Hours]:
    """Days and hours in order; refuses days that are none, and hours that are none or too many."""
    if any(day not in range(1, 8) for day in days):
        raise Refusal(
            "invalid", "days_invalid", "星期应为 1（周一）至 7（周日）。", "Days are 1 (Monday) to 7.", field="days"
        )
    if len(hours) > MOST_HOURS:
        raise Refusal(
            "invalid", "hours_invalid", f"最多 {MOST_HOURS} 个时段。", f"At most {MOST_HOURS} spans.", field="hours"
        )
    checked = []
    for pair in hours:
        start, end = pair if len(pair) == 2 else ("", "")
        fault = fault_of_hours((start, end))
        if fault is not None:
            raise Refusal("invalid", "hours_invalid", *fault, field="hours")
        checked.append((start, end))
    return tuple(sorted(set(days))), tuple(checked)
