"""What has become of each camera's health, change by change; and what its scene looks like when all is well."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base


class CameraHealthRow(Base):
    """From ``at`` on the camera was in ``state``, until its next row. Rows are only ever added.

    ``evidence``: path of the picture that was judged, relative to the evidence folder; None where none was.
    """

    __tablename__ = "camera_health"
    __table_args__ = (Index("ix_camera_health_camera_code_at", "camera_code", "at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    camera_code: Mapped[str] = mapped_column(String(20))
    platform: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(index=True)
    evidence: Mapped[str | None] = mapped_column(String(200))


class CameraSceneRow(Base):
    """A camera's learned scene at a preset (``""``: it has none, or stands at none we know). ``scene`` is
    ``camera_registry.scene.Scene`` packed."""

    __tablename__ = "camera_scenes"
    __table_args__ = (UniqueConstraint("camera_code", "preset"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    camera_code: Mapped[str] = mapped_column(String(20))
    preset: Mapped[str] = mapped_column(String(64))
    scene: Mapped[bytes] = mapped_column(LargeBinary)
    learned_at: Mapped[datetime]
