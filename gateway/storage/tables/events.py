"""Alerts and their sightings, grid events and their flow, evidence, the outbox and counters.

``open_key`` (camera, zone and hazard) is unique and set only while an alert or an event is open: the database itself
keeps that there is never a second open one. Codes, names and positions of cameras are copied, not referenced: an event
tells where it was even after its camera has moved or gone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base, RecordMixin

_OPEN = text("closed_at IS NULL")


class EventRow(RecordMixin, Base):
    """A grid event (事件). ``department`` is the platform it was dispatched to; ``responsible`` whose it is by the
    dispatch rules, and why (``gateway.events.responsibility``). What stands from ``seen_at`` to
    ``closed_at`` is owned by ``gateway.events.event_case`` and explained there."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_state_reported_at", "state", "reported_at"),
        Index("ix_events_platform_reported_at", "platform", "reported_at"),
        Index("ix_events_department_reported_at", "department", "reported_at"),
        Index("ix_events_department_class_code", "department", "class_code"),
        # Of a year's events a few are open, and they are what is asked for most.
        Index("ix_events_open", "reported_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    no: Mapped[str] = mapped_column(String(64), unique=True)
    open_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(32))
    hazard: Mapped[str] = mapped_column(String(32))
    class_code: Mapped[str] = mapped_column(String(16), index=True)
    class_name: Mapped[str] = mapped_column(String(64))
    level: Mapped[int]
    warning_colour: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(32))
    camera_code: Mapped[str] = mapped_column(String(20), index=True)
    camera_name: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(100))
    grid: Mapped[str | None] = mapped_column(String(32), index=True)
    lng: Mapped[float | None] = mapped_column(Float)
    lat: Mapped[float | None] = mapped_column(Float)
    address: Mapped[str] = mapped_column(String(200), default="")
    reported_at: Mapped[datetime] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(16), default="camera")
    reported_by: Mapped[str] = mapped_column(String(64), default="system")
    seen_at: Mapped[datetime]
    limit_clock: Mapped[str] = mapped_column(String(16), default="urgent_hour")
    limit_amount: Mapped[float] = mapped_column(Float, default=2.0)
    same_slot: Mapped[bool] = mapped_column(default=False)
    department: Mapped[str | None] = mapped_column(String(32))
    assignee: Mapped[str | None] = mapped_column(String(64))
    clock: Mapped[str] = mapped_column(String(16), default="urgent_hour")
    due_from: Mapped[datetime | None]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    stage: Mapped[str] = mapped_column(String(16), default="")
    timer_at: Mapped[datetime | None] = mapped_column(index=True)
    clock_left: Mapped[float | None] = mapped_column(Float)
    overdue_at: Mapped[datetime | None]
    handle_due_at: Mapped[datetime | None]
    handling_since: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    handled_late: Mapped[bool] = mapped_column(default=False)
    fed_back_by: Mapped[str | None] = mapped_column(String(64))
    suspension_asked: Mapped[bool] = mapped_column(default=False)
    extension_until: Mapped[datetime | None]
    extensions: Mapped[int] = mapped_column(default=0)
    reworks: Mapped[int] = mapped_column(default=0)
    urges: Mapped[int] = mapped_column(default=0)
    urgent: Mapped[bool] = mapped_column(default=False)
    supervised: Mapped[bool] = mapped_column(default=False)
    appeal: Mapped[str] = mapped_column(String(16), default="")
    duplicate_of: Mapped[str | None] = mapped_column(String(64), index=True)
    closed_at: Mapped[datetime | None]
    description: Mapped[str] = mapped_column(Text)
    drill: Mapped[bool] = mapped_column(default=False)
    responsible: Mapped[dict[str, Any] | None]


class EventFlowRow(Base):
    """One step of an event (流转记录). Only ever added."""

    __tablename__ = "event_flow"
    __table_args__ = (UniqueConstraint("event_no", "seq"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    event_no: Mapped[str] = mapped_column(ForeignKey("events.no"))
    seq: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    from_state: Mapped[str | None] = mapped_column(String(32))
    to_state: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32), index=True)
    operator: Mapped[str] = mapped_column(String(64))
    opinion: Mapped[str] = mapped_column(Text, default="")


class AlertRow(RecordMixin, Base):
    """An alert (预警); its id is the one under which it was journalled. ``due_at`` is when it becomes an event unless a
    person attends to it; None once it is decided."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_state_raised_at", "state", "raised_at"),
        Index("ix_alerts_platform_raised_at", "platform", "raised_at"),
    )

    open_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(32))
    hazard: Mapped[str] = mapped_column(String(32))
    class_code: Mapped[str] = mapped_column(String(16))
    class_name: Mapped[str] = mapped_column(String(64))
    camera_code: Mapped[str] = mapped_column(String(20), index=True)
    camera_name: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(100))
    grid: Mapped[str | None] = mapped_column(String(32))
    lng: Mapped[float | None] = mapped_column(Float)
    lat: Mapped[float | None] = mapped_column(Float)
    address: Mapped[str] = mapped_column(String(200), default="")
    hazard_from: Mapped[datetime]
    raised_at: Mapped[datetime] = mapped_column(index=True)
    stored_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(16))
    acknowledge_until: Mapped[datetime]
    assess_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))
    assessed_by: Mapped[str | None] = mapped_column(String(64))
    assessed_at: Mapped[datetime | None] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    score: Mapped[float] = mapped_column(Float)
    sightings: Mapped[int] = mapped_column(default=1)
    why: Mapped[dict[str, Any]]
    event_no: Mapped[str | None] = mapped_column(ForeignKey("events.no"), index=True)
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("alerts.id"), index=True)
    drill: Mapped[bool] = mapped_column(default=False)


class AlertSightingRow(Base):
    """What a camera worker raised, under its id there, and the alert it belongs to: its own, or the open one that it
    extended. This row is what makes an alert that is sent again the same alert."""

    __tablename__ = "alert_sightings"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    platform: Mapped[str] = mapped_column(String(32))
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"), index=True)
    raised_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class EvidenceRow(RecordMixin, Base):
    """An evidence file. ``sighting_id`` is the id its alert was raised under, which may be stored after it; so there
    is no foreign key, and whose evidence it is gets decided when it is read. What a person added has the number of
    its event instead, and who it was."""

    __tablename__ = "evidence"

    sighting_id: Mapped[str | None] = mapped_column(String(36), index=True)
    event_no: Mapped[str | None] = mapped_column(String(64), index=True)
    added_by: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    media_type: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    partial: Mapped[bool] = mapped_column(default=False)
    stored_at: Mapped[datetime]


class CounterRow(Base):
    """Serial numbers, each counted for itself, without gaps."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class OutboxRow(Base):
    """What the outside is told, written in the transaction of the change it tells of. The id is the CloudEvents id and
    the receivers' idempotency key."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(index=True)
    type: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(128), index=True)
    data: Mapped[dict[str, Any]]
