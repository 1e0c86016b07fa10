"""Emergency rooms and who was in them. Rows are never deleted: attendance belongs to the minutes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class RoomRow(RecordMixin, Base):
    """A room: ``state`` is ``open`` or ``ended``."""

    __tablename__ = "rooms"

    title: Mapped[str] = mapped_column(String(100))
    event_no: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="open")
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_rooms_state_created_at", "state", "created_at"),)


class RoomMemberRow(RecordMixin, Base):
    """A member: a person's browser or a camera, and then the grant under which it was brought in.

    ``state`` follows what the room worker reports.
    """

    __tablename__ = "room_members"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(100))
    username: Mapped[str | None] = mapped_column(String(64))
    camera_code: Mapped[str | None] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(16), default="joined")
    reason: Mapped[str | None] = mapped_column(String(200))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
