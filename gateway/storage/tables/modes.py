"""Switches between peace and wartime, and drills; and the log of what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base, RecordMixin


class ModeSwitchRow(RecordMixin, Base):
    """A switch (平战转换, 演练) over its ``platform`` and all below it, for ``classes`` or, where empty, all.

    ``state``: asked, approved, refused, withdrawn, ended or lapsed; in force from ``since`` to ``until`` while
    approved. ``warned_at``: its end has been announced.
    """

    __tablename__ = "mode_switches"
    __table_args__ = (Index("ix_mode_switches_state_until", "state", "until"),)

    wartime: Mapped[bool]
    drill: Mapped[bool]
    classes: Mapped[list[Any]]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(64))
    since: Mapped[datetime | None]
    until: Mapped[datetime]
    warned_at: Mapped[datetime | None]


class ModeLogRow(Base):
    """One thing that happened to a switch. Only ever added."""

    __tablename__ = "mode_log"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    switch_id: Mapped[str] = mapped_column(ForeignKey("mode_switches.id"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(String(16))
    operator: Mapped[str] = mapped_column(String(64))
    opinion: Mapped[str] = mapped_column(Text, default="")
