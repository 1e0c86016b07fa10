"""Whose an event is to see: the platform's it belongs to, and the department's it was dispatched to, each with those
above. The hub sees all. Every door, the live stream and the outbox ask here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_

from gateway.access.caller import Caller
from gateway.storage.tables.events import EventRow


def visible_events(caller: Caller) -> ColumnElement[Any]:
    """The condition for a query on ``EventRow``."""
    return or_(caller.visible(EventRow.platform), caller.visible(EventRow.department))


def sees_event(caller: Caller, platform: str, department: str | None) -> bool:
    return caller.sees(platform) or (department is not None and caller.sees(department))
