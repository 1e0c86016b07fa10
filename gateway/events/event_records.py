"""Between an event's row and its case, which have the same fields; and the flow, which is only ever added to."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events.event_case import EventCase
from gateway.events.event_states import ENDS
from gateway.storage.tables.events import EventFlowRow, EventRow

_FIELDS = tuple(field.name for field in fields(EventCase))


def case_of(row: EventRow) -> EventCase:
    return EventCase(**{name: getattr(row, name) for name in _FIELDS})


def case_values(case: EventCase) -> dict[str, Any]:
    return {name: getattr(case, name) for name in _FIELDS}


def set_case(row: EventRow, case: EventCase) -> None:
    """Write back what has changed. An event that has ended makes room for the next one of its place."""
    for name, value in case_values(case).items():
        if getattr(row, name) != value:
            setattr(row, name, value)
    if case.state in ENDS:
        row.open_key = None


async def held_event(session: AsyncSession, no: str) -> EventRow | None:
    """The event of this number, held until the transaction ends."""
    query = select(EventRow).where(EventRow.no == no).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


def first_flow(event: EventRow, operator: str, opinion: str, at: datetime) -> EventFlowRow:
    """The report with which an event's flow begins. It is added after the event has been flushed."""
    return EventFlowRow(
        platform=event.platform,
        event_no=event.no,
        seq=1,
        at=at,
        from_state=None,
        to_state=event.state,
        action="report",
        operator=operator,
        opinion=opinion,
    )


async def add_flow(
    session: AsyncSession,
    event: EventRow,
    from_state: str | None,
    action: str,
    operator: str,
    opinion: str,
    at: datetime,
) -> None:
    """Append a step that has led to the event's present state. The event's row must be held, or new."""
    last = select(func.coalesce(func.max(EventFlowRow.seq), 0)).where(EventFlowRow.event_no == event.no)
    session.add(
        EventFlowRow(
            platform=event.platform,
            event_no=event.no,
            seq=(await session.execute(last)).scalar_one() + 1,
            at=at,
            from_state=from_state,
            to_state=event.state,
            action=action,
            operator=operator,
            opinion=opinion,
        )
    )
    await session.flush()
