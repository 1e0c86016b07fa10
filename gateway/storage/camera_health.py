"""The history of the cameras' health in the database: each change kept, and read as changes or as time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from gateway.storage.tables.camera_health import CameraHealthRow, CameraSceneRow
from gateway.storage.tables.cameras import CameraRow

UNWATCHED = frozenset({"stopped", "removed", "awaiting"})
"""Reasons for which nobody looked: such time counts in no rate."""


def change_of(row: CameraRow, evidence: str | None = None) -> CameraHealthRow:
    """The camera's present state as a line of its history; to be added in the transaction that changed it."""
    return CameraHealthRow(
        camera_code=row.code,
        platform=row.platform,
        state=row.health_state,
        reason=row.health_reason,
        at=row.health_since,
        evidence=evidence,
    )


async def history(
    session: AsyncSession, code: str, *, before: datetime | None, limit: int
) -> tuple[list[CameraHealthRow], int]:
    """A camera's changes, newest first, and how many there are in all."""
    mine = CameraHealthRow.camera_code == code
    total = (await session.execute(select(func.count()).select_from(CameraHealthRow).where(mine))).scalar_one()
    query = select(CameraHealthRow).where(mine)
    if before is not None:
        query = query.where(CameraHealthRow.at < before)
    query = query.order_by(CameraHealthRow.at.desc(), CameraHealthRow.id.desc()).limit(limit)
    return list(await session.scalars(query)), total


async def changes_within(
    session: AsyncSession, since: datetime, until: datetime, visible: ColumnElement[bool]
) -> list[CameraHealthRow]:
    """Every visible change of the period and, of each camera, the last one before it; by camera and time."""
    last = (
        select(CameraHealthRow.camera_code, func.max(CameraHealthRow.at).label("at"))
        .where(CameraHealthRow.at < since, visible)
        .group_by(CameraHealthRow.camera_code)
        .subquery()
    )
    before = select(CameraHealthRow).join(
        last, (CameraHealthRow.camera_code == last.c.camera_code) & (CameraHealthRow.at == last.c.at)
    )
    within = select(CameraHealthRow).where(CameraHealthRow.at >= since, CameraHealthRow.at < until, visible)
    found = [*await session.scalars(before), *await session.scalars(within)]
    return sorted(found, key=lambda row: (row.camera_code, row.at, row.id))


async def forget_before(session: AsyncSession, at: datetime) -> list[str]:
    """Remove what is older, but of each camera its last line before ``at``; answers the evidence that may go too."""
    later = aliased(CameraHealthRow)
    followed = select(later.id).where(
        later.camera_code == CameraHealthRow.camera_code, later.at < at, later.at > CameraHealthRow.at
    )
    old = (CameraHealthRow.at < at, followed.exists())
    evidence = await session.scalars(select(CameraHealthRow.evidence).where(*old))
    paths = [path for path in evidence if path is not None]
    await session.execute(delete(CameraHealthRow).where(*old))
    return paths


async def scenes(session: AsyncSession, codes: Iterable[str]) -> dict[str, dict[str, bytes]]:
    """The learned scenes of these cameras, by code and preset."""
    query = select(CameraSceneRow).where(CameraSceneRow.camera_code.in_(list(codes)))
    found: dict[str, dict[str, bytes]] = {}
    for row in await session.scalars(query):
        found.setdefault(row.camera_code, {})[row.preset] = row.scene
    return found


async def keep_scene(session: AsyncSession, code: str, preset: str, scene: bytes, at: datetime) -> None:
    """The newest of a preset is the one that holds."""
    query = select(CameraSceneRow).where(CameraSceneRow.camera_code == code, CameraSceneRow.preset == preset)
    row = await session.scalar(query)
    if row is None:
        session.add(CameraSceneRow(camera_code=code, preset=preset, scene=scene, learned_at=at))
    else:
        row.scene, row.learned_at = scene, at


async def forget_scenes(session: AsyncSession, code: str, preset: str | None = None) -> None:
    """They are to be learned anew; ``preset`` None: all of them."""
    mine = CameraSceneRow.camera_code == code
    which = (mine,) if preset is None else (mine, CameraSceneRow.preset == preset)
    await session.execute(delete(CameraSceneRow).where(*which))
