"""The duty log's own entries, the roster of shifts, and handovers. What the log tells beside is kept where it arose."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base, RecordMixin


class DutyEntryRow(Base):
    """An entry by hand (值班日志). Only ever added: ``corrects`` names the entry that a later one puts right."""

    __tablename__ = "duty_entries"
    __table_args__ = (Index("ix_duty_entries_platform_at", "platform", "at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    corrects: Mapped[str | None] = mapped_column(ForeignKey("duty_entries.id"))


class DutyShiftRow(RecordMixin, Base):
    """Who is on duty (值班表) from ``starts_at`` to ``ends_at``, at which post. ``removed_at``: taken off it."""

    __tablename__ = "duty_shifts"
    __table_args__ = (Index("ix_duty_shifts_platform_starts_at", "platform", "starts_at"),)

    username: Mapped[str] = mapped_column(String(64))
    post: Mapped[str] = mapped_column(String(32))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class HandoverRow(RecordMixin, Base):
    """A handover (交接班): the summary as it stood, signed by who gives; ``state`` given, signed or refused by who
    receives."""

    __tablename__ = "handovers"
    __table_args__ = (Index("ix_handovers_platform_given_at", "platform", "given_at"),)

    given_by: Mapped[str] = mapped_column(String(64))
    given_at: Mapped[datetime]
    since: Mapped[datetime]
    remarks: Mapped[str] = mapped_column(Text)
    summary: Mapped[dict[str, Any]]
    received_by: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="given")
    received_at: Mapped[datetime | None]
    opinion: Mapped[str] = mapped_column(Text, default="")
