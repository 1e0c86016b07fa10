"""Reports of a day, a week or a month, kept as workbooks; and the plans by which they are made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class ReportRow(RecordMixin, Base):
    """A report of ``platform`` and all below it. ``state``: wanted, made or failed (``reason`` says why).

    ``plan_key`` is set and unique where a plan asked for it: no crash makes it twice. ``path`` lies in the data folder.
    """

    __tablename__ = "reports"
    __table_args__ = (
        Index("ix_reports_platform_since", "platform", "since"),
        Index("ix_reports_state", "state"),
    )

    kind: Mapped[str] = mapped_column(String(8))
    since: Mapped[datetime]
    until: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]
    plan_key: Mapped[str | None] = mapped_column(String(100), unique=True)
    state: Mapped[str] = mapped_column(String(8), default="wanted")
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(String(200))
    made_at: Mapped[datetime | None]
    path: Mapped[str | None] = mapped_column(String(200))
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None] = mapped_column(BigInteger)


class ReportPlanRow(RecordMixin, Base):
    """A report that is made by itself: ``minutes`` after the end of each period of its kind."""

    __tablename__ = "report_plans"
    __table_args__ = (UniqueConstraint("platform", "kind"),)

    kind: Mapped[str] = mapped_column(String(8))
    minutes: Mapped[int]
    made_by: Mapped[str] = mapped_column(String(64))
    begins_at: Mapped[datetime]
