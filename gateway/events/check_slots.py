"""When a stall may be checked: in the same part of the day in which it was seen (同时段核查). Pure.

A stall of the evening is gone in the morning by itself; a check then proves nothing. The part of the day reaches two
hours to either side of the time of day at which the hazard was seen, in Shanghai.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.events.local_time import LOCAL_TIME

REACH = timedelta(hours=2)


def in_slot(seen_at: datetime, now: datetime) -> bool:
    begin = next_slot(seen_at, now)
    return begin <= now


def next_slot(seen_at: datetime, now: datetime) -> datetime:
    """When the slot begins that holds ``now``, or the next one after it."""
    day = timedelta(days=1)
    seen = seen_at.astimezone(LOCAL_TIME)
    local = now.astimezone(LOCAL_TIME)
    centre = seen.replace(year=local.year, month=local.month, day=local.day) - day
    while centre + REACH < local:
        centre += day
    return (centre - REACH).astimezone(now.tzinfo)
