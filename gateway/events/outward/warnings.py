"""Which events are warnings, and when a warning is sent, updated and cancelled: with the change it tells of.

A red or orange event is told by an ``Alert`` when it opens, by an ``Update`` when what a warning says has changed
(colour, place, whether a person has confirmed it), and by a ``Cancel`` when it ends; each refers to those before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events.event_states import ENDS
from gateway.events.outward import cap
from gateway.events.outward.cap import COLOURS, Earlier, MsgType, WarningFacts
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.tables.outward import WarningRow

_UNCONFIRMED = frozenset({"reported", "verifying"})
MOST = 100
"""Messages of one event; the last one after that is the Cancel."""


def next_message(last: WarningRow | None, facts: str, ended: bool) -> MsgType | None:
    """What is to be sent now, after ``last``; None: nothing that a warning says has changed."""
    if last is None:
        return None if ended else "Alert"
    if last.msg_type == "Cancel":
        return None
    if ended:
        return "Cancel"
    return "Update" if facts != last.facts and last.number < MOST else None


async def follow(session: AsyncSession, events: Sequence[EventRow], at: datetime) -> list[WarningRow]:
    """The warnings that these events, as they are now, call for; written, and answered in order."""
    concerned = {event.no: event for event in events if event.warning_colour in COLOURS}
    earlier: defaultdict[str, list[WarningRow]] = defaultdict(list)
    changed = [event for event in events if event.no in concerned]
    if not changed:
        return []
    query = select(WarningRow).where(WarningRow.event_no.in_(concerned)).order_by(WarningRow.number)
    for row in await session.scalars(query):
        earlier[row.event_no].append(row)
    names: dict[str, str] = {}
    platforms = select(Platform.code, Platform.name).where(Platform.code.in_({event.platform for event in changed}))
    for code, name in await session.execute(platforms):
        names[code] = name
    made: list[WarningRow] = []
    for event in concerned.values():
        before = earlier[event.no]
        said = _said(event)
        msg_type = next_message(before[-1] if before else None, said, event.state in ENDS)
        if msg_type is None:
            continue
        number = len(before) + 1
        identifier = cap.identifier_of(event.id, number)
        references = [Earlier(row.identifier, row.sent) for row in before]
        facts = await _facts(session, event, names.get(event.platform, event.platform))
        made.append(
            WarningRow(
                identifier=identifier,
                platform=event.platform,
                department=event.department,
                event_no=event.no,
                number=number,
                msg_type=msg_type,
                colour=event.warning_colour,
                drill=event.drill,
                facts=said,
                sent=at,
                expires=at + cap.LIFE,
                headline=f"{event.class_name} {facts.place}"[:200],
                document=cap.document(facts, msg_type, identifier, at, references).decode(),
            )
        )
    session.add_all(made)
    await session.flush()
    return made


def _said(event: EventRow) -> str:
    """What a change of is worth an update."""
    confirmed = event.state not in _UNCONFIRMED
    return f"{event.warning_colour}|{event.level}|{confirmed}|{event.lng}|{event.lat}|{event.grid}|{event.class_code}"


async def _facts(session: AsyncSession, event: EventRow, platform_name: str) -> WarningFacts:
    polygon: tuple[tuple[float, float], ...] = ()
    if event.lng is None and event.grid is not None:
        outline = await session.scalar(select(Grid.outline).where(Grid.code == event.grid))
        polygon = cap.ring(outline) if outline else ()
    return WarningFacts(
        event_id=event.id,
        no=event.no,
        platform=event.platform,
        platform_name=platform_name,
        class_code=event.class_code,
        class_name=event.class_name,
        hazard=event.hazard,
        category=event.category,
        colour=event.warning_colour,
        level=event.level,
        state=event.state,
        confirmed=event.state not in _UNCONFIRMED,
        drill=event.drill,
        description=event.description,
        seen_at=event.seen_at,
        place=event.address or event.camera_name or event.grid or event.platform,
        grid=event.grid,
        lng=event.lng,
        lat=event.lat,
        polygon=polygon,
    )
