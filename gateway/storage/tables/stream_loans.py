"""Streams lent to readers outside the gateway: who may read which camera over RTSP, until when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class StreamLoanRow(RecordMixin, Base):
    """One reader of one camera. The password is sealed, not hashed: digest authentication needs it as it is."""

    __tablename__ = "stream_loans"
    __table_args__ = (UniqueConstraint("camera_code", "reader"),)

    camera_code: Mapped[str] = mapped_column(String(20), index=True)
    reader: Mapped[str] = mapped_column(String(64))
    username: Mapped[str] = mapped_column(String(64))
    sealed_password: Mapped[str] = mapped_column(Text)
    grant_id: Mapped[str] = mapped_column(ForeignKey("viewing_grants.id"))
    until: Mapped[datetime]
    created_at: Mapped[datetime]
