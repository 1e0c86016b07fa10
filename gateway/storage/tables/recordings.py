"""What is wanted of recordings, and what must not be deleted. Which recordings there are, their folders tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class RecordingPlanRow(RecordMixin, Base):
    """When a camera is recorded. ``hours``: daily, pairs of ``HH:MM`` in city time; ``on_demand_until``: besides, until
    then. ``retention_days`` None: as the installation keeps recordings."""

    __tablename__ = "recording_plans"

    camera_code: Mapped[str] = mapped_column(String(20), unique=True)
    hours: Mapped[list[Any]]
    on_demand_until: Mapped[datetime | None]
    retention_days: Mapped[float | None] = mapped_column(Float)
    changed_at: Mapped[datetime]


class RecordingHoldRow(RecordMixin, Base):
    """A recording that is kept until it is let go, whatever its age and however full the disk."""

    __tablename__ = "recording_holds"

    recording_id: Mapped[str] = mapped_column(String(36), unique=True)
    camera_code: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(String(200))
    held_by: Mapped[str] = mapped_column(String(64))
    held_at: Mapped[datetime]
