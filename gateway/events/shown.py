"""How alerts, events and evidence are shown: the same form over HTTP, on the live stream and to webhooks.

``shown_alerts`` and ``shown_events`` fetch what belongs to a whole page at once, whatever its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events.responsibility import ResponsibleShown
from gateway.storage.tables.events import AlertRow, AlertSightingRow, EventFlowRow, EventRow, EvidenceRow

WANTING = "snapshot"
"""Of the reasons of an alert: why it was told without its snapshot."""


class EvidenceShown(BaseModel):
    """An evidence file; its bytes are at ``/api/v1/evidence/{id}``. ``partial``: cut short, with its true bounds.
    ``added_by``: the person who added it to the event."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str = Field(description="snapshot, clip, before_photo or after_photo")
    media_type: str
    starts_at: datetime
    ends_at: datetime
    partial: bool
    sha256: str
    size: int
    added_by: str | None = None


class AlertShown(BaseModel):
    """An alert. ``assess_until`` runs from the acknowledgement on; ``ended_at``: its hazard is over. ``why`` says in
    ``snapshot`` why it came without one, until one is there."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    camera_code: str
    camera_name: str
    zone: str
    hazard: str
    class_code: str
    class_name: str
    state: str
    grid: str | None
    lng: float | None
    lat: float | None
    address: str
    hazard_from: datetime
    raised_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    acknowledge_until: datetime
    assess_until: datetime | None
    acknowledged_by: str | None
    assessed_by: str | None
    assessed_at: datetime | None
    reason: str
    score: float
    sightings: int
    event_no: str | None
    merged_into: str | None
    evidence: list[EvidenceShown] = []
    why: dict[str, Any]
    drill: bool
    revision: int


class FlowShown(BaseModel):
    """One step of an event."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    from_state: str | None
    to_state: str
    action: str
    operator: str
    opinion: str


class EventShown(BaseModel):
    """A grid event. ``level`` 1 特别重大 … 4 一般; ``due_at`` ends the clock of its present state, whose ``stage`` is
    running, warned, overdue or supervised, or empty while none runs. ``handle_due_at``: the deadline of the class.
    ``responsible``: whom the dispatch rules name and why; ``department``: whom it was dispatched to.
    ``snapshot_wanting``: why its newest alert came without a snapshot, while the event has none."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    no: str
    platform: str
    state: str
    hazard: str
    class_code: str
    class_name: str
    level: int
    warning_colour: str
    category: str
    camera_code: str
    camera_name: str
    zone: str
    grid: str | None
    lng: float | None
    lat: float | None
    address: str
    reported_at: datetime
    source: str
    reported_by: str
    seen_at: datetime
    responsible: ResponsibleShown | None = None
    department: str | None
    assignee: str | None
    clock: str
    due_at: datetime | None
    stage: str
    overdue_at: datetime | None
    handle_due_at: datetime | None
    handled_at: datetime | None
    handled_late: bool
    suspension_asked: bool
    extension_until: datetime | None
    extensions: int
    reworks: int
    urges: int
    urgent: bool
    supervised: bool
    appeal: str
    duplicate_of: str | None
    duplicates: list[str] = []
    closed_at: datetime | None
    description: str
    alert_ids: list[str] = []
    evidence: list[EvidenceShown] = []
    snapshot_wanting: str | None = Field(None, description="not_written, not_answered or given_up")
    flow: list[FlowShown] = []
    drill: bool
    revision: int


async def shown_alert(session: AsyncSession, row: AlertRow) -> AlertShown:
    return (await shown_alerts(session, [row]))[0]


async def shown_alerts(session: AsyncSession, rows: Sequence[AlertRow]) -> list[AlertShown]:
    """The alerts with their evidence, in the order of ``rows``."""
    evidence = await _evidence_of(session, [row.id for row in rows])
    return [
        AlertShown.model_validate(row).model_copy(
            update={"evidence": evidence[row.id], "why": _why_now(row, evidence[row.id])}
        )
        for row in rows
    ]


def _why_now(row: AlertRow, evidence: Sequence[EvidenceShown]) -> dict[str, Any]:
    """As it was told; that its snapshot is wanting no longer holds once that is there."""
    wanting = all(one.id != row.id for one in evidence)
    return {key: value for key, value in row.why.items() if wanting or key != WANTING}


async def shown_event(session: AsyncSession, row: EventRow) -> EventShown:
    return (await shown_events(session, [row]))[0]


async def shown_events(session: AsyncSession, rows: Sequence[EventRow]) -> list[EventShown]:
    """The events with flow, alerts and all evidence of these, in the order of ``rows``."""
    numbers = [row.no for row in rows]
    alerts: defaultdict[str, list[str]] = defaultdict(list)
    why: dict[str, str | None] = {}
    linked = select(AlertRow.event_no, AlertRow.id, AlertRow.why[WANTING].as_string()).where(
        AlertRow.event_no.in_(numbers)
    )
    for no, alert_id, wanting in await session.execute(linked.order_by(AlertRow.raised_at, AlertRow.id)):
        alerts[no or ""].append(alert_id)
        why[alert_id] = wanting
    evidence = await _evidence_of(session, [alert_id for ids in alerts.values() for alert_id in ids])
    joined = {no: _joined(alerts[no], evidence) for no in numbers}
    added: defaultdict[str, list[EvidenceShown]] = defaultdict(list)
    photos = (
        select(EvidenceRow).where(EvidenceRow.event_no.in_(numbers)).order_by(EvidenceRow.stored_at, EvidenceRow.id)
    )
    for photo in await session.scalars(photos):
        added[photo.event_no or ""].append(EvidenceShown.model_validate(photo))
    duplicates: defaultdict[str, list[str]] = defaultdict(list)
    merged = select(EventRow.duplicate_of, EventRow.no).where(EventRow.duplicate_of.in_(numbers)).order_by(EventRow.no)
    for original, no in await session.execute(merged):
        duplicates[original or ""].append(no)
    flow: defaultdict[str, list[FlowShown]] = defaultdict(list)
    steps = select(EventFlowRow).where(EventFlowRow.event_no.in_(numbers)).order_by(EventFlowRow.seq)
    for step in await session.scalars(steps):
        flow[step.event_no].append(FlowShown.model_validate(step))
    return [
        EventShown.model_validate(row).model_copy(
            update={
                "alert_ids": alerts[row.no],
                "evidence": joined[row.no] + added[row.no],
                "snapshot_wanting": _wanting(joined[row.no], [why[alert_id] for alert_id in alerts[row.no]]),
                "duplicates": duplicates[row.no],
                "flow": flow[row.no],
            }
        )
        for row in rows
    ]


def _joined(alert_ids: Iterable[str], evidence: Mapping[str, list[EvidenceShown]]) -> list[EvidenceShown]:
    return [item for alert_id in alert_ids for item in evidence[alert_id]]


def _wanting(evidence: Iterable[EvidenceShown], why: Sequence[str | None]) -> str | None:
    """``why``: of its alerts, the newest last."""
    return why[-1] if why and all(one.kind != "snapshot" for one in evidence) else None


async def _evidence_of(session: AsyncSession, alert_ids: Sequence[str]) -> defaultdict[str, list[EvidenceShown]]:
    found: defaultdict[str, list[EvidenceShown]] = defaultdict(list)
    if not alert_ids:
        return found
    query = (
        select(AlertSightingRow.alert_id, EvidenceRow)
        .join(EvidenceRow, EvidenceRow.sighting_id == AlertSightingRow.id)
        .where(AlertSightingRow.alert_id.in_(alert_ids))
        .order_by(EvidenceRow.starts_at, EvidenceRow.id)
    )
    for alert_id, row in await session.execute(query):
        found[alert_id].append(EvidenceShown.model_validate(row))
    return found
