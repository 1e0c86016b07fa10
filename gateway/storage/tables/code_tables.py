"""Code tables that a city keeps: event classes, holiday tables. Data with a version, never an enum in code."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class CodeTableRow(RecordMixin, Base):
    """One table as it was imported; ``name`` tells tables of one kind apart, as the year does holiday tables."""

    __tablename__ = "code_tables"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(32), default="")
    version: Mapped[str] = mapped_column(String(32))
    document: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
