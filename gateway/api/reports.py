"""``/api/v1/reports``: daily, weekly and monthly reports as workbooks, on demand and by plan (日报、周报、月报)."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.downloads import XLSX
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.duty.report_keeper import ask_report, reports_folder
from gateway.duty.report_periods import NAMES, ReportKind, period_of
from gateway.events.local_time import LOCAL_TIME
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.tables.reports import ReportPlanRow, ReportRow

router = APIRouter(tags=["reports"])
Reader = Annotated[Caller, Depends(permit("reports.read"))]
Asker = Annotated[Caller, Depends(permit("reports.ask"))]
Planner = Annotated[Caller, Depends(permit("reports.plan"))]


class ReportShown(BaseModel):
    """``state``: wanted, made (then it can be downloaded) or failed, for ``reason``."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    kind: str
    since: datetime
    until: datetime
    asked_by: str
    asked_at: datetime
    state: str
    reason: str | None
    made_at: datetime | None
    sha256: str | None
    size: int | None


class ReportAsked(BaseModel):
    """The period of the kind that holds ``day`` (Asia/Shanghai)."""

    model_config = ConfigDict(extra="forbid")

    kind: ReportKind
    day: date = Field(ge=date(2000, 1, 1), le=date(2200, 12, 31))
    platform: str | None = Field(default=None, max_length=32, description="Left out: the caller's own.")


class PlanShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    kind: str
    minutes: int
    made_by: str
    begins_at: datetime


class PlanAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: ReportKind
    minutes: int = Field(default=30, ge=0, le=1440, description="How long after the period's end it is made.")


@router.get("/reports")
async def list_reports(
    caller: Reader,
    doors: Doors,
    kind: Annotated[ReportKind | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[ReportShown]:
    """The newest first."""
    query = select(ReportRow).where(caller.visible(ReportRow.platform))
    if kind is not None:
        query = query.where(ReportRow.kind == kind)
    async with doors.db.reading() as session:
        rows = await session.scalars(query.order_by(ReportRow.asked_at.desc(), ReportRow.id.desc()).limit(limit))
        return [ReportShown.model_validate(row) for row in rows]


@router.post("/reports", status_code=202)
async def post_report(asked: ReportAsked, caller: Asker, doors: Doors) -> ReportShown:
    """Ask for a report; it is made beside, and told of on the live stream (`duty.changed`)."""
    period = period_of(asked.kind, asked.day)
    async with doors.db.transaction() as session:
        row = await ask_report(session, caller, asked.platform or caller.platform, period, doors.clock())
        shown = ReportShown.model_validate(row)
    doors.live.publish(Notice("duty.changed", row.platform, {"what": "report", "id": row.id, "state": row.state}))
    doors.report_asked()
    return shown


@router.get("/reports/{report_id}.xlsx", response_class=FileResponse)
async def download_report(report_id: str, caller: Reader, doors: Doors) -> FileResponse:
    query = select(ReportRow).where(ReportRow.id == report_id, caller.visible(ReportRow.platform))
    async with doors.db.transaction() as session:
        row = await session.scalar(query)
        if row is None or row.path is None:
            raise Refusal(
                "not_found", "report_unknown", "没有这份报表，或尚未生成。", "There is no such report yet.", field="id"
            )
        path: Path = reports_folder(doors.settings.data_folder) / row.path
        if not await asyncio.to_thread(path.is_file):
            raise Refusal("not_found", "report_gone", "报表文件已不在。", "The report's file is gone.", field="id")
        act = audit.Act(caller.username, "report.download", f"report:{row.id}", row.platform)
        await audit.append(session, act, doors.clock())
    name = f"{NAMES[row.kind]}_{row.platform}_{row.since.astimezone(LOCAL_TIME):%Y%m%d}.xlsx"
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return FileResponse(
        path, media_type=XLSX, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"}
    )


@router.get("/report-plans")
async def list_plans(caller: Reader, doors: Doors) -> list[PlanShown]:
    query = select(ReportPlanRow).where(caller.visible(ReportPlanRow.platform))
    async with doors.db.reading() as session:
        rows = await session.scalars(query.order_by(ReportPlanRow.platform, ReportPlanRow.kind))
        return [PlanShown.model_validate(row) for row in rows]


@router.put("/report-plans")
async def put_plan(asked: PlanAsked, caller: Planner, doors: Doors) -> PlanShown:
    """From now on a report of the caller's platform is made after each period of this kind."""
    now = doors.clock()
    query = select(ReportPlanRow).where(ReportPlanRow.platform == caller.platform, ReportPlanRow.kind == asked.kind)
    async with doors.db.transaction() as session:
        row = await session.scalar(query.with_for_update())
        if row is None:
            row = ReportPlanRow(platform=caller.platform, kind=asked.kind, begins_at=now)
            session.add(row)
        row.minutes, row.made_by = asked.minutes, caller.username
        await session.flush()
        act = audit.Act(caller.username, "report.plan", f"plan:{row.id}", row.platform, f"{row.kind} +{row.minutes}")
        await audit.append(session, act, now)
        shown = PlanShown.model_validate(row)
    doors.report_asked()
    return shown


@router.delete("/report-plans/{plan_id}", status_code=204)
async def delete_plan(plan_id: str, caller: Planner, doors: Doors) -> None:
    query = select(ReportPlanRow).where(ReportPlanRow.id == plan_id, caller.visible(ReportPlanRow.platform))
    async with doors.db.transaction() as session:
        row = await session.scalar(query)
        if row is None:
            raise Refusal("not_found", "plan_unknown", "没有这一计划。", "There is no such plan.", field="id")
        await session.delete(row)
        await session.flush()
        act = audit.Act(caller.username, "report.unplan", f"plan:{plan_id}", row.platform, row.kind)
        await audit.append(session, act, doors.clock())
