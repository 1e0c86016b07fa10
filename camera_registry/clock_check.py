"""A camera's clock read with one small question that needs no login (ONVIF Core, 8.3: GetSystemDateAndTime, PRE_AUTH).

The clock of a registered camera is asked for again and again, so this goes without descriptions of services and without
a session of its own: one bounded request, its answer parsed with no entity resolved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_transport import parsed, post

_QUESTION = (
    b'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    b'<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
)
_TT = "{http://www.onvif.org/ver10/schema}"


async def clock_offset(http: aiohttp.ClientSession, address: str, clock: Callable[[], datetime]) -> timedelta:
    """The camera's clock less ours, to the second. ``address`` was allowed by the policy before.

    Raises ``CameraRefused``: why it does not answer, or ``clock_unknown`` where it tells no time to strangers.
    """
    asked_at = clock()
    response, content = await post(http, address, _QUESTION)
    halfway = asked_at + (clock() - asked_at) / 2
    if response.status != 200:
        raise CameraRefused(reasons.CLOCK_UNKNOWN, detail=f"HTTP {response.status}")
    shown = utc_told(parsed(content))
    if shown is None:
        raise CameraRefused(reasons.CLOCK_UNKNOWN)
    return shown - halfway


def utc_told(answer: Any) -> datetime | None:
    """The UTC of a GetSystemDateAndTimeResponse; None where it tells none, or one that cannot be."""
    told = answer.find(f".//{_TT}UTCDateTime")
    if told is None:
        return None
    parts = [told.findtext(f"{_TT}Date/{_TT}{name}") for name in ("Year", "Month", "Day")]
    parts += [told.findtext(f"{_TT}Time/{_TT}{name}") for name in ("Hour", "Minute", "Second")]
    try:
        year, month, day, hour, minute, second = (int(part or "") for part in parts)
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return at if 1970 <= at.year < 2100 else None  # a camera with an empty battery begins in 1970
