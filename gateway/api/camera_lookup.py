"""Finding the camera that a door is about: within the caller's scope, and of the revision that the caller knows."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow


async def found_camera(session: AsyncSession, caller: Caller | None, code: str, *, held: bool = False) -> CameraRow:
    """The registered camera; refuses one that the caller does not see. Without a ``caller`` any is seen: the scope has
    been judged elsewhere. ``held``: until the transaction ends."""
    query = select(CameraRow).where(CameraRow.code == code, CameraRow.status != "removed")
    if caller is not None:
        query = query.where(caller.visible(CameraRow.platform))
    row = await session.scalar(query.with_for_update(key_share=True) if held else query)
    if row is None:
        raise Refusal("not_found", "camera_unknown", "没有这台摄像机。", "There is no such camera.", field="code")
    return row


def checked_revision(row: CameraRow, revision: int | None) -> None:
    """Refuses a change that was made up against an older state of the record."""
    if revision is not None and row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
