"""A camera's clock: what it says and by whom it is set (ONVIF Core, 8.3), and setting it where that is by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_session import OnvifSession, Unsupported
from camera_registry.soap_call import element, find, text_at
from camera_registry.ws_discovery import printable


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """``offset``: its clock less ours, None where it does not tell it. ``mode``: by hand or by NTP, empty: not told.
    ``zone``: its POSIX time zone. Whom it asks by NTP is told to its administrators alone, and asking would count as a
    wrong login, so it is not asked."""

    offset: timedelta | None
    mode: Literal["manual", "ntp", ""]
    zone: str
    daylight_saving: bool | None


async def read_device_clock(session: OnvifSession) -> DeviceClock:
    """What there is to know of it. Raises ``CameraRefused``."""
    offset = await session.read_clock()
    try:
        told = find(await session.ask("tds", element("tds:GetSystemDateAndTime")), "tds:SystemDateAndTime")
    except Unsupported:
        return DeviceClock(offset, "", "", None)
    mode: Literal["manual", "ntp", ""] = ""
    match text_at(told, "tt:DateTimeType").upper():
        case "NTP":
            mode = "ntp"
        case "MANUAL":
            mode = "manual"
    saving = {"true": True, "1": True, "false": False, "0": False}.get(text_at(told, "tt:DaylightSavings").lower())
    zone = printable(text_at(told, "tt:TimeZone/tt:TZ"))
    return DeviceClock(offset, mode, zone, saving)


async def set_clock(session: OnvifSession) -> timedelta | None:
    """Set it to ours; answers what is left of its offset.

    Time zone and daylight saving stay as they are. Raises ``clock_by_ntp`` where the camera takes its time from a
    server, which would be overruled at once, and ``clock_not_settable``.
    """
    try:
        told = find(await session.ask("tds", element("tds:GetSystemDateAndTime")), "tds:SystemDateAndTime")
        if text_at(told, "tt:DateTimeType").upper() == "NTP":
            raise CameraRefused(reasons.CLOCK_BY_NTP)
        zone = text_at(told, "tt:TimeZone/tt:TZ")
        now = session.now().astimezone(UTC) + timedelta(milliseconds=500)  # it takes whole seconds only
        await session.ask(
            "tds",
            element(
                "tds:SetSystemDateAndTime",
                element("tds:DateTimeType", text="Manual"),
                element("tds:DaylightSavings", text=text_at(told, "tt:DaylightSavings") or "false"),
                element("tds:TimeZone", element("tt:TZ", text=zone)) if zone else None,
                _utc(now),
            ),
        )
    except Unsupported as error:
        raise CameraRefused(reasons.CLOCK_NOT_SETTABLE, detail=str(error)) from error
    return await session.read_clock()


def _utc(now: datetime) -> object:
    return element(
        "tds:UTCDateTime",
        element(
            "tt:Time",
            element("tt:Hour", text=str(now.hour)),
            element("tt:Minute", text=str(now.minute)),
            element("tt:Second", text=str(now.second)),
        ),
        element(
            "tt:Date",
            element("tt:Year", text=str(now.year)),
            element("tt:Month", text=str(now.month)),
            element("tt:Day", text=str(now.day)),
        ),
    )
