"""``/api/v1/cameras/{code}/watching``: how a camera is looked at now, and how often its alerts were right."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import func, select

from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.storage.tables.events import AlertRow

router = APIRouter(tags=["cameras"])

OVER = timedelta(days=30)


class Watching(BaseModel):
    """Rates in looks a second over the last minute, asked 0 where no rule watches; the delay in seconds from a
    picture's arrival to its verdict, null without one in the last minute; all null while no worker pulls the camera.
    ``left_out_share``: of the pictures of the last minute, those that the engine did not look at, because it was away
    or had no time. Alerts are those raised in the last 30 days, drills left out as in the statistics, of which
    ``assessed`` were judged by a person and ``false_positive`` rejected; ``false_share`` is their quotient, null where
    nothing was judged."""

    looks_per_second: float | None
    looks_per_second_asked: float | None
    delay_seconds: float | None
    rate_unmet: bool | None
    left_out_share: float | None
    alerts: int
    assessed: int
    false_positive: int
    false_share: float | None


@router.get("/cameras/{code}/watching")
async def get_watching(code: str, caller: Annotated[Caller, Depends(permit("rules.read"))], doors: Doors) -> Watching:
    """Rate achieved against rate asked, delay, alerts, and the share of false ones."""
    async with doors.db.reading() as session:
        row = await found_camera(session, caller, code)
        recent = [
            AlertRow.camera_code == row.code,
            AlertRow.raised_at >= doors.clock() - OVER,
            AlertRow.drill.is_(False),
        ]
        alerts, assessed = (
            await session.execute(select(func.count(), func.count(AlertRow.assessed_at)).where(*recent))
        ).one()
        false = await session.scalar(
            select(func.count()).select_from(AlertRow).where(*recent, AlertRow.state == "false_positive")
        )
    told = {one.name: one.value for one in doors.extra_metrics() if one.labels.get("camera") == row.code}
    unmet = told.get("gateway_camera_rate_unmet")
    return Watching(
        looks_per_second=told.get("gateway_camera_looks_per_second"),
        looks_per_second_asked=told.get("gateway_camera_looks_per_second_asked"),
        delay_seconds=told.get("gateway_camera_look_delay_seconds"),
        rate_unmet=None if unmet is None else bool(unmet),
        left_out_share=told.get("gateway_camera_looks_unanswered_share"),
        alerts=alerts,
        assessed=assessed,
        false_positive=false or 0,
        false_share=(false or 0) / assessed if assessed else None,
    )
