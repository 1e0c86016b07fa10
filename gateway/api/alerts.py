"""``/api/v1/alerts``: what the detectors say, and what the duty officer makes of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from gateway.access.caller import Caller
from gateway.api.fields import Moment, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.alert_states import AlertState, Verdict
from gateway.events.desk import Assessment, DutyDesk
from gateway.events.shown import AlertShown, EventShown, shown_alert, shown_alerts, shown_events
from gateway.events.similar import similar_cases
from gateway.refusals import Refusal
from gateway.storage.tables.events import AlertRow

router = APIRouter(tags=["alerts"])

AlertId = Annotated[str, Field(max_length=36)]


class AlertList(BaseModel):
    items: list[AlertShown]
    total: int


class SimilarCases(BaseModel):
    items: list[EventShown]
    total: int


class Acknowledgement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    revision: int | None = Field(default=None, ge=1, description="Given: refused when the alert was changed meanwhile.")


class AssessmentAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    reason: Annotated[str, plain_text] = Field(default="", max_length=1000, description="Needed for false_positive.")
    into_alert: AlertId | None = Field(default=None, description="For merged: the alert it is merged into …")
    into_event: str | None = Field(default=None, max_length=64, description="… or the event.")
    revision: int | None = Field(default=None, ge=1)


def desk_of(doors: Services) -> DutyDesk:
    return DutyDesk(doors.announcer, doors.opening, doors.settings.windows)


@router.get("/alerts")
async def list_alerts(
    caller: Annotated[Caller, Depends(permit("alerts.read"))],
    doors: Doors,
    state: Annotated[list[AlertState] | None, Query(description="Repeat for several.")] = None,
    hazard: Annotated[str | None, Query(max_length=32)] = None,
    camera_code: Annotated[str | None, Query(max_length=20)] = None,
    event_no: Annotated[str | None, Query(max_length=64)] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    ended: Annotated[bool | None, Query(description="Whether the hazard is over.")] = None,
    since: Annotated[Moment | None, Query(description="Raised at or after.")] = None,
    until: Annotated[Moment | None, Query(description="Raised before.")] = None,
    order: Literal["newest", "oldest"] = "newest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> AlertList:
    """Alerts in the caller's scope, the newest first."""
    conditions = [caller.visible(AlertRow.platform)]
    if state:
        conditions.append(AlertRow.state.in_(state))
    for column, wanted in (
        (AlertRow.hazard, hazard),
        (AlertRow.camera_code, camera_code),
        (AlertRow.event_no, event_no),
        (AlertRow.platform, platform),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    if ended is not None:
        conditions.append(AlertRow.ended_at.is_not(None) if ended else AlertRow.ended_at.is_(None))
    if since is not None:
        conditions.append(AlertRow.raised_at >= since)
    if until is not None:
        conditions.append(AlertRow.raised_at < until)
    ordering = (
        (AlertRow.raised_at.desc(), AlertRow.id.desc()) if order == "newest" else (AlertRow.raised_at, AlertRow.id)
    )
    limit = min(limit, doors.settings.retention.alerts_page)
    async with doors.db.reading() as session:
        total = (await session.execute(select(func.count()).select_from(AlertRow).where(*conditions))).scalar_one()
        query = select(AlertRow).where(*conditions).order_by(*ordering).limit(limit).offset(offset)
        items = await shown_alerts(session, list(await session.scalars(query)))
    return AlertList(items=items, total=total)


@router.get("/alerts/{alert_id}")
async def get_alert(
    alert_id: str, caller: Annotated[Caller, Depends(permit("alerts.read"))], doors: Doors
) -> AlertShown:
    async with doors.db.reading() as session:
        query = select(AlertRow).where(AlertRow.id == alert_id, caller.visible(AlertRow.platform))
        row = await session.scalar(query)
        if row is None:
            raise Refusal("not_found", "alert_unknown", "没有这条预警。", "There is no such alert.", field="alert_id")
        return await shown_alert(session, row)


@router.get("/alerts/{alert_id}/similar")
async def similar_to_alert(
    alert_id: str, caller: Annotated[Caller, Depends(permit("alerts.read"))], doors: Doors
) -> SimilarCases:
    """Similar cases: events of the same class, within 50 m and 24 h of the alert."""
    async with doors.db.reading() as session:
        query = select(AlertRow).where(AlertRow.id == alert_id, caller.visible(AlertRow.platform))
        row = await session.scalar(query)
        if row is None:
            raise Refusal("not_found", "alert_unknown", "没有这条预警。", "There is no such alert.", field="alert_id")
        items = await shown_events(session, await similar_cases(session, caller, row))
    return SimilarCases(items=items, total=len(items))


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge_alert(
    alert_id: str,
    caller: Annotated[Caller, Depends(permit("alerts.acknowledge"))],
    doors: Doors,
    asked: Acknowledgement | None = None,
) -> AlertShown:
    """Attend to an alert before its window lapses; one assessment window begins."""
    return await desk_of(doors).acknowledge(caller, alert_id, asked.revision if asked else None)


@router.post("/alerts/{alert_id}/assess")
async def assess_alert(
    alert_id: str, asked: AssessmentAsked, caller: Annotated[Caller, Depends(permit("alerts.assess"))], doors: Doors
) -> AlertShown:
    """Judge an alert: `confirmed` opens the event at once, `false_positive` needs a reason, `merged` a target."""
    assessment = Assessment(asked.verdict, asked.reason, asked.into_alert, asked.into_event)
    shown = await desk_of(doors).assess(caller, alert_id, assessment, asked.revision)
    if asked.verdict == "false_positive":
        await doors.cameras_changed(shown.camera_code)  # what was rejected is heeded from now on
    return shown
