"""Wrong logins that devices were sent lately, kept so that a restart of ours never makes a camera lock its account."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base


class WrongLoginsRow(Base):
    """``subject``: ``device:`` and its host, or ``stream:`` and a camera's code. ``times``: seconds since the epoch,
    the oldest first. No login stands here."""

    __tablename__ = "wrong_logins"

    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    times: Mapped[list[Any]]
