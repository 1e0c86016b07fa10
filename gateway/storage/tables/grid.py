"""The hub and its sub-platforms, and the grids that an event belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class Platform(RecordMixin, Base):
    """The hub or a sub-platform; ``code`` is what other records carry as their owning ``platform``.

    ``parent`` is the code of the platform above; only the hub has none. A platform owns its own record. ``division``:
    its division code (GB/T 2260 and below: 6, 9 or 12 digits), or empty.
    """

    __tablename__ = "platforms"

    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    parent: Mapped[str | None] = mapped_column(String(32), index=True)
    division: Mapped[str] = mapped_column(String(12), default="", server_default="")


class Grid(RecordMixin, Base):
    """A grid: its code, whose it is, and its outline as GeoJSON (Polygon or MultiPolygon, WGS-84 lng/lat)."""

    __tablename__ = "grids"

    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(16))
    division: Mapped[str] = mapped_column(String(16), index=True)
    outline: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
