"""A row in every table that records' owners stand in, all of one platform: what a stranger must learn nothing of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, LargeBinary, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.storage.tables import metadata
from gateway.storage.tables.base import UtcDateTime

OWNER = "town-a"
CAMERA, GRID, EVENT, PLATFORM = "99000000001329999999", "990000000009001", "zqx-event", "zqx-platform"
_RING = [[120.4, 30.2], [120.6, 30.2], [120.6, 30.3], [120.4, 30.2]]
_BY_NAME: dict[str, Any] = {
    "camera_code": CAMERA,
    "event_no": EVENT,
    "grid": GRID,
    "class_code": "90-01",
    "hazard": "fire",
    "state": "open",
    "kind": "person",
    "lng": 120.5,
    "lat": 30.25,
    "media_type": "image/jpeg",
    "department": PLATFORM,
    "clock": "urgent_hour",
    "limit_clock": "urgent_hour",
    "appeal": "",
    "stage": "",
    "warning_colour": "red",
}
"""By a column's name, in whatever table. Filled in even where it might be left empty."""
_BY_TABLE: dict[str, dict[str, Any]] = {
    "platforms": {"code": PLATFORM, "platform": PLATFORM, "parent": OWNER, "kind": "key_community", "division": ""},
    "grids": {
        "code": GRID, "kind": "urban", "division": GRID[:12], "outline": {"type": "Polygon", "coordinates": [_RING]},
    },
    "cameras": {
        "code": CAMERA, "status": "in_use", "stream_url": "rtsp://127.0.0.9/zqx", "encoding": "H264",
        "health_state": "live",
    },
    "events": {"no": EVENT, "state": "accepted", "level": 4, "category": "safety", "department": None},
    "alerts": {"state": "detected", "merged_into": None},
    "evidence": {"kind": "snapshot", "path": "zqx.jpg"},
    "rooms": {"number": "990001"},
    "room_plans": {"class_code": "*", "grid": "*", "mode": "*"},
    "camera_health": {"state": "live"},
    "room_links": {"user_id": None},
    "users": {"roles": ["duty_officer"]},
    "dispatch_rules": {"class_code": "*", "place": "any", "place_code": "", "department": OWNER, "enabled": True},
    "grid_staff": {"post": "grid_manager", "grids": [GRID]},
    "mode_switches": {"state": "approved", "wartime": True, "classes": []},
    "receivers": {"kind": "webhook", "address": "https://127.0.0.9/zqx"},
    "reports": {"kind": "daily", "state": "made", "path": "zqx.xlsx"},
    "viewing_grants": {"scope_kind": "all", "scope_value": ""},
}  # fmt: skip
LEFT_OUT = frozenset({"audit"})
"""The audit chain, whose rows no other row may stand between."""


def owned_tables() -> list[Table]:
    """In the order in which rows may be put in."""
    return [t for t in metadata().sorted_tables if "platform" in t.columns and t.name not in LEFT_OUT]


def id_in(table: str) -> str:
    number = [each.name for each in metadata().sorted_tables].index(table)
    return f"0198f000-0000-7000-8000-0000000{number:05}"


async def put_in(session: AsyncSession, now: datetime) -> None:
    for table in owned_tables():
        await session.execute(insert(table).values({c.name: _value(table, c, now) for c in table.columns}))


def _value(table: Table, column: Column[Any], now: datetime) -> Any:
    name = column.name
    given = _BY_TABLE.get(table.name, {})
    if name in given:
        return given[name]
    if name == "id":
        return id_in(table.name)
    if name == "platform":
        return OWNER
    for key in column.foreign_keys:
        target = key.column
        return id_in(target.table.name) if target.name == "id" else _BY_TABLE[target.table.name][target.name]
    if name == "sighting_id":
        return id_in("alert_sightings")
    if name in _BY_NAME:
        return _BY_NAME[name]
    if column.nullable:
        return now + timedelta(hours=1) if name == "until" else now if name == "since" else None
    return _filled(table, column, now)


def _filled(table: Table, column: Column[Any], now: datetime) -> Any:
    kind = column.type
    if isinstance(kind, (UtcDateTime, DateTime)):
        return now + timedelta(hours=1 if column.name in ("until", "expires_at", "expires") else -1)
    if isinstance(kind, JSON):
        return {} if column.name in ("why", "data", "document", "preset_rules", "fields", "mapping", "summary") else []
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer):
        return 1
    if isinstance(kind, Float):
        return 0.5
    if isinstance(kind, LargeBinary):
        return b"zqx"
    assert isinstance(kind, String), f"{table.name}.{column.name} is of a kind that this does not know"
    return f"zqx-{table.name}-{column.name}"[: kind.length or 40]
