"""Which platforms' records a user sees: their own platform's and those below it; at the hub, all."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.storage.tables.grid import Platform


def subtree(parents: Mapping[str, str | None], root: str) -> frozenset[str]:
    """``root`` and every platform below it. A loop in the data ends the walk instead of hanging it."""
    below = {root}
    grew = True
    while grew:
        found = {code for code, parent in parents.items() if parent in below} - below
        below |= found
        grew = bool(found)
    return frozenset(below)


async def visible_platforms(session: AsyncSession, platform: str) -> frozenset[str] | None:
    """The codes in scope for a user of ``platform``; ``None`` where that is the hub: everything."""
    parents = {row.code: row.parent for row in await session.execute(select(Platform.code, Platform.parent))}
    if platform in parents and parents[platform] is None:
        return None
    return subtree(parents, platform)


async def above(session: AsyncSession, platform: str) -> tuple[str, ...]:
    """The platform itself and those above it, up to the hub: whose orders it is under."""
    parents = {row.code: row.parent for row in await session.execute(select(Platform.code, Platform.parent))}
    chain = [platform]
    while (parent := parents.get(chain[-1])) is not None and parent not in chain:
        chain.append(parent)
    return tuple(chain)
