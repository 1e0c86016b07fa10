"""``/api/v1/suppressions``: what officers rejected, what that holds back, and how it is taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.suppressions import undo
from gateway.storage.tables.suppressions import SuppressionRow

router = APIRouter(tags=["alerts"])


class SuppressionShown(BaseModel):
    """``preset``: the view in which it holds; empty: one that nobody stored, null: of a camera never steered. ``box``
    normalised x1, y1, x2, y2; null for a gathering, of which ``people`` were rejected. ``held_back`` counts
    how often it kept an alert from being raised (for fire: raised later)."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    alert_id: str
    camera_code: str
    hazard: str
    zone: str
    preset: str | None
    box: list[float] | None
    people: int
    created_at: datetime
    created_by: str
    until: datetime
    undone_at: datetime | None
    undone_by: str | None
    held_back: int
    last_held_back_at: datetime | None


class SuppressionList(BaseModel):
    items: list[SuppressionShown]
    total: int


@router.get("/suppressions")
async def list_suppressions(
    caller: Annotated[Caller, Depends(permit("alerts.read"))],
    doors: Doors,
    camera_code: Annotated[str | None, Query(max_length=20)] = None,
    in_force: Annotated[bool | None, Query(description="Whether it still holds.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> SuppressionList:
    """Rejections in the caller's scope, the newest first, those that lapsed or were undone too."""
    conditions = [caller.visible(SuppressionRow.platform)]
    if camera_code is not None:
        conditions.append(SuppressionRow.camera_code == camera_code)
    if in_force is not None:
        holds = (SuppressionRow.until > doors.clock()) & SuppressionRow.undone_at.is_(None)
        conditions.append(holds if in_force else ~holds)
    async with doors.db.reading() as session:
        total = await session.scalar(select(func.count()).select_from(SuppressionRow).where(*conditions))
        query = select(SuppressionRow).where(*conditions).order_by(SuppressionRow.created_at.desc())
        rows = await session.scalars(query.limit(limit).offset(offset))
        return SuppressionList(items=[SuppressionShown.model_validate(row) for row in rows], total=total or 0)


@router.post("/suppressions/{suppression_id}/undo")
async def undo_suppression(
    suppression_id: str, caller: Annotated[Caller, Depends(permit("alerts.assess"))], doors: Doors
) -> SuppressionShown:
    """Take a rejection back: the camera's worker judges as ever from now on."""
    async with doors.db.transaction() as session:
        shown = SuppressionShown.model_validate(await undo(session, caller, suppression_id, doors.clock()))
    await doors.cameras_changed(shown.camera_code)
    return shown
