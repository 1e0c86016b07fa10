"""Who is responsible: the grid staff (网格员), and the rules by which events go to departments and staff."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class GridStaffRow(RecordMixin, Base):
    """A person of the grid staff. ``post``: ``grid_manager``, ``fulltime_grid_member`` or ``micro_grid_informant``.

    ``grids``: codes of the grids they see to. ``days`` (1 Monday … 7) and ``hours`` (pairs of ``HH:MM`` in city time):
    when they are on duty; empty: always. ``sealed_phone`` is sealed under the row's id. On leave from ``leave_from``
    until ``leave_until`` (None: until further notice); ``replacement`` is the id of whoever stands in meanwhile.
    ``username``: the account they sign in with, if any.
    """

    __tablename__ = "grid_staff"

    name: Mapped[str] = mapped_column(String(100))
    username: Mapped[str | None] = mapped_column(String(64), unique=True)
    post: Mapped[str] = mapped_column(String(32))
    grids: Mapped[list[Any]]
    days: Mapped[list[Any]]
    hours: Mapped[list[Any]]
    sealed_phone: Mapped[str | None] = mapped_column(Text)
    leave_from: Mapped[datetime | None]
    leave_until: Mapped[datetime | None]
    replacement: Mapped[str | None] = mapped_column(String(36), index=True)
    note: Mapped[str] = mapped_column(String(200), default="", server_default="")
    changed_at: Mapped[datetime]


class DispatchRuleRow(RecordMixin, Base):
    """Events of a class, in a place, at a time: whose they are. Read by ``gateway.grid.dispatch``.

    ``class_code``: a class, all of a group (``04-*``) or ``*``. ``place``: ``any``, ``platform`` (``place_code`` and
    all below it) or ``grid`` (that one). ``staff``: a person's id; ``grid_staff``: whoever of the grid's own is on
    duty. ``fallback``: asked only where no other rule fits.
    """

    __tablename__ = "dispatch_rules"

    number: Mapped[int] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    class_code: Mapped[str] = mapped_column(String(16))
    place: Mapped[str] = mapped_column(String(16))
    place_code: Mapped[str] = mapped_column(String(32), default="", index=True)
    days: Mapped[list[Any]]
    hours: Mapped[list[Any]]
    department: Mapped[str] = mapped_column(String(32), index=True)
    staff: Mapped[str | None] = mapped_column(String(36), index=True)
    grid_staff: Mapped[bool] = mapped_column(default=False, server_default=false())
    priority: Mapped[int] = mapped_column(default=100)
    fallback: Mapped[bool] = mapped_column(default=False, server_default=false())
    enabled: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime]
