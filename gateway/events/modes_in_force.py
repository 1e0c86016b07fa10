"""The one reader of the modes: whoever marks or changes something by the mode asks the ``Modes`` that it answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.scopes import visible_platforms
from gateway.events.mode import InForce, Modes
from gateway.storage.tables.modes import ModeSwitchRow


async def modes_in_force(session: AsyncSession, now: datetime) -> Modes:
    """The switches that hold at ``now``; read once in a transaction."""
    known: Modes | None = session.info.get(Modes)
    if known is not None and known.now == now:
        return known
    query = select(ModeSwitchRow).where(ModeSwitchRow.state == "approved", ModeSwitchRow.until > now)
    found = []
    for row in await session.scalars(query):
        scope = await visible_platforms(session, row.platform)
        since = row.since or row.asked_at
        found.append(InForce(row.wartime, row.drill, since, row.until, scope, frozenset(row.classes)))
    modes = session.info[Modes] = Modes(now, tuple(found))
    return modes
