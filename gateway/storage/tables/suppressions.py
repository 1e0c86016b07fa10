"""What officers rejected and what that holds back. Rows are never deleted: lapsed and undone ones stay listed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class SuppressionRow(RecordMixin, Base):
    """A rejection (误报抑制) of one alert: a place and an appearance in a camera's view, until it lapses or is undone.

    ``preset``: that view, as in ``CameraRow``. ``box`` normalised x1, y1, x2, y2, or None; ``held_back``: how often it
    kept an alert from being raised."""

    __tablename__ = "suppressions"
    __table_args__ = (Index("ix_suppressions_camera_code_until", "camera_code", "until"),)

    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"), unique=True)
    camera_code: Mapped[str] = mapped_column(String(20))
    hazard: Mapped[str] = mapped_column(String(32))
    zone: Mapped[str] = mapped_column(String(100))
    preset: Mapped[str | None] = mapped_column(String(64))
    box: Mapped[list[Any] | None]
    appearance: Mapped[list[Any]]
    people: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None] = mapped_column(String(64))
    held_back: Mapped[int] = mapped_column(default=0)
    last_held_back_at: Mapped[datetime | None]
