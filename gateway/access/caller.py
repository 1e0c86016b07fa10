"""Who is calling: the value that the guard hands to every door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import InstrumentedAttribute

from gateway.access.permissions import PERMISSIONS

SessionKind = Literal["bearer", "cookie"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user. ``platforms``: codes whose records are shown to the user; ``None`` is the hub, which sees all.

    ``csrf_token`` is what a cookie session must send with each write; a bearer session has none.
    """

    user_id: str
    username: str
    display_name: str
    roles: frozenset[str]
    platform: str
    platforms: frozenset[str] | None
    session_id: str
    kind: SessionKind
    expires_at: datetime
    csrf_token: str | None = None
    room: str | None = None
    """A guest's session knows this room alone."""

    def may(self, permission: str) -> bool:
        return not self.roles.isdisjoint(PERMISSIONS[permission])

    def sees(self, platform: str) -> bool:
        """Whether records of that platform are in this caller's scope."""
        return self.platforms is None or platform in self.platforms

    def visible(
        self, platform_column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None]
    ) -> ColumnElement[Any]:
        """The condition for a query: ``select(Camera).where(caller.visible(Camera.platform))``."""
        return true() if self.platforms is None else platform_column.in_(sorted(self.platforms))
