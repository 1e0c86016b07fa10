"""An officer's rejection becomes a local suppression at once: that place and appearance in that camera's view, for a
while.

What it may do is the rules' business (``detectors.suppression``): for fire it only asks for more proof. Here it is
made, listed, undone, and what it holds back is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.storage.tables.events import AlertRow, AlertSightingRow
from gateway.storage.tables.suppressions import SuppressionRow

LASTS: Mapping[str, timedelta] = {
    "fire": timedelta(hours=24),
    "crowd": timedelta(hours=24),
    "stall": timedelta(days=7),
}
"""How long a rejection holds; for fire no longer than a day."""


async def suppress(session: AsyncSession, alert: AlertRow, by: str, now: datetime) -> SuppressionRow | None:
    """Made of what the alert says it was made of; None where that names neither a place nor a number of people (an
    alert of an older version), or one that is over was seen in a view that nobody stored: the camera may have been
    turned since. A second rejection of one alert adds nothing."""
    lasts = LASTS.get(alert.hazard)
    box, people = alert.why.get("box"), alert.why.get("people")
    has_place = isinstance(box, list) and len(box) == 4 and bool(alert.why.get("appearance"))
    if lasts is None or not (has_place or (alert.hazard == "crowd" and isinstance(people, int))):
        return None
    preset = _preset_of(alert.why.get("view", ""))
    if preset == "" and alert.ended_at is not None:
        return None
    if await session.scalar(select(SuppressionRow.id).where(SuppressionRow.alert_id == alert.id)) is not None:
        return None
    row = SuppressionRow(
        platform=alert.platform,
        alert_id=alert.id,
        camera_code=alert.camera_code,
        hazard=alert.hazard,
        zone=alert.zone,
        preset=preset,
        box=list(box) if has_place and isinstance(box, list) else None,
        appearance=list(alert.why.get("appearance") or ()),
        people=people if isinstance(people, int) else 0,
        created_at=now,
        created_by=by,
        until=now + lasts,
    )
    session.add(row)
    await session.flush()
    return row


async def in_force(session: AsyncSession, codes: Sequence[str], now: datetime) -> dict[str, list[dict[str, Any]]]:
    """By camera, as its worker is told."""
    query = select(SuppressionRow).where(SuppressionRow.until > now, SuppressionRow.undone_at.is_(None))
    query = query.where(SuppressionRow.camera_code.in_(codes))
    rows = list(await session.scalars(query.order_by(SuppressionRow.created_at.desc()).limit(10_000)))
    sighted = select(AlertSightingRow.alert_id, AlertSightingRow.id)
    sighted = sighted.where(AlertSightingRow.alert_id.in_([row.alert_id for row in rows]))
    raised: dict[str, list[str]] = defaultdict(list)
    for alert_id, sighting_id in await session.execute(sighted):
        raised[alert_id].append(sighting_id)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.camera_code, []).append(
            {
                "id": row.id,
                "hazard": row.hazard,
                "zone": row.zone,
                "view": view_of(row.preset),
                "until": row.until.timestamp(),
                "box": row.box,
                "appearance": row.appearance,
                "people": row.people,
                "alerts": raised[row.alert_id],
            }
        )
    return found


def view_of(preset: str | None) -> str | None:
    """A view as rejections name it (``detectors.suppression``), of the preset as records do."""
    return "" if preset is None else preset or None


async def forget_unstored(session: AsyncSession, code: str, now: datetime) -> None:
    """What was rejected in a view that nobody stored lapses with it: once turned, the camera does not know it again."""
    await _lapse(session, code, now, SuppressionRow.preset == "")


async def forget_preset(session: AsyncSession, code: str, preset: str, now: datetime) -> bool:
    """The preset is gone, or shows another view by now; answers whether a rejection lapsed with it."""
    return await _lapse(session, code, now, SuppressionRow.preset == preset)


async def forget_camera(session: AsyncSession, code: str, now: datetime) -> bool:
    """The camera was moved: it shows other places in the same boxes. Answers whether a rejection lapsed with that."""
    return await _lapse(session, code, now)


async def forget_gatherings(
    session: AsyncSession, code: str, preset: str | None, zones: Collection[str], now: datetime
) -> None:
    """These zones were drawn anew in this view. A rejected gathering has no place but its zone."""
    where = SuppressionRow.preset.is_(None) if preset is None else SuppressionRow.preset == preset
    await _lapse(session, code, now, where, SuppressionRow.hazard == "crowd", SuppressionRow.zone.in_(zones))


async def _lapse(session: AsyncSession, code: str, now: datetime, *which: ColumnElement[bool]) -> bool:
    held = select(SuppressionRow).where(SuppressionRow.camera_code == code, SuppressionRow.until > now, *which)
    rows = list(await session.scalars(held.with_for_update()))
    for row in rows:
        row.until = now
    await session.flush()
    return bool(rows)


async def undo(session: AsyncSession, caller: Caller, suppression_id: str, now: datetime) -> SuppressionRow:
    """Take a rejection back. One that has lapsed or was undone already stays as it is."""
    query = select(SuppressionRow).where(SuppressionRow.id == suppression_id, caller.visible(SuppressionRow.platform))
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise Refusal(
            "not_found", "suppression_unknown", "没有这条误报抑制。", "There is no such suppression.", field="id"
        )
    if row.undone_at is None and row.until > now:
        row.undone_at, row.undone_by = now, caller.username
        await session.flush()
        act = audit.Act(caller.username, "suppression.undo", f"suppression:{row.id}", row.platform)
        await audit.append(session, act, now)
    return row


async def note_held_back(session: AsyncSession, suppression_id: str, camera_code: str, at: float) -> None:
    """A rule would have fired but for this rejection. Said at most once a minute by a camera's worker."""
    await session.execute(
        update(SuppressionRow)
        .where(SuppressionRow.id == suppression_id, SuppressionRow.camera_code == camera_code)
        .values(held_back=SuppressionRow.held_back + 1, last_held_back_at=datetime.fromtimestamp(at, UTC))
    )


def _preset_of(view: object) -> str | None:
    """The view of an alert, which its worker names as its order does, as a camera's record names it."""
    if view is None:
        return ""
    return str(view)[:64] or None
