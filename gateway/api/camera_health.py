"""``/api/v1/cameras/{code}/health/…`` and the report over all cameras: what became of their health, with the pictures.

The report tells online rate and picture quality (视频质量诊断) by sub-platform and day, each rate with its numerator
and denominator in seconds; also as a table for a spreadsheet.
"""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from openpyxl import Workbook
from pydantic import BaseModel, Field
from sqlalchemy import select, true

from camera_registry.health import STATES, WORDS, HealthState
from camera_registry.health_report import DayReport, HealthChange, report
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.camera_lookup import found_camera
from gateway.api.camera_shown import words_of
from gateway.api.fields import Moment
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors
from gateway.events.intake import evidence_folder
from gateway.events.local_time import LOCAL_TIME
from gateway.events.suppressions import forget_camera
from gateway.processes.messages import LearnScene
from gateway.refusals import Refusal
from gateway.storage import camera_health
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.camera_health import CameraHealthRow
from gateway.storage.tables.grid import Platform

router = APIRouter(tags=["camera health"])

LONGEST_REPORT = timedelta(days=92)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FAULTS: tuple[HealthState, ...] = ("frozen", "dark", "covered", "blurred", "moved", "clock_skewed")


class ChangeShown(BaseModel):
    """A change of a camera's health. ``picture``: whether the picture that was judged is kept."""

    id: str
    state: str
    reason: str
    detail: str
    detail_en: str
    at: datetime
    picture: bool


class History(BaseModel):
    items: list[ChangeShown]
    total: int


class RateOfSeconds(BaseModel):
    """``value`` is null where the denominator is 0."""

    name: str
    zh: str
    formula: str
    numerator: float = Field(description="Seconds.")
    denominator: float = Field(description="Seconds.")
    value: float | None


class DayShown(BaseModel):
    """One platform's cameras on one day (Asia/Shanghai)."""

    platform: str
    platform_name: str
    day: date
    cameras: int
    rates: list[RateOfSeconds]
    seconds: dict[str, float] = Field(description="Of all cameras together, by state.")
    affected: dict[str, int] = Field(description="Cameras that were in a state at some time of the day.")
    changes: dict[str, int] = Field(description="How often a camera came into a state.")


class ReportShown(BaseModel):
    since: datetime
    until: datetime
    items: list[DayShown]


@router.get("/cameras/{code}/health/history")
async def get_history(
    code: str,
    caller: Annotated[Caller, Depends(permit("cameras.read"))],
    doors: Doors,
    before: Annotated[Moment | None, Query(description="Only changes before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> History:
    """What became of a camera's health, newest first."""
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
        rows, total = await camera_health.history(session, code, before=before, limit=limit)
    return History(items=[_shown(row) for row in rows], total=total)


@router.get(
    "/cameras/{code}/health/history/{change_id}/picture.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "The picture that was judged."}},
)
async def get_picture(
    code: str,
    change_id: str,
    caller: Annotated[Caller, Depends(permit("video.view"))],
    doors: Doors,
    grant: GrantCited,
) -> Response:
    """The evidence of a change. The view is in the audit chain before the picture flows."""
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code)
        query = select(CameraHealthRow).where(CameraHealthRow.id == change_id, CameraHealthRow.camera_code == code)
        change = await session.scalar(query)
        if change is None or change.evidence is None:
            raise Refusal("not_found", "evidence_unknown", "没有这张画面。", "There is no such picture.")
        seen = Viewed("evidence", f"camera_health:{change.id}", code, row.platform)
        await view(session, caller, grant, seen, doors.clock())
    path = EvidenceFiles(evidence_folder(doors.settings), ()).open(change.evidence)
    content = await asyncio.to_thread(path.read_bytes)
    return Response(content, 200, {"Cache-Control": "private, no-store"}, "image/jpeg")


@router.post("/cameras/{code}/health/learn", status_code=204)
async def learn_scene(code: str, caller: Annotated[Caller, Depends(permit("cameras.write"))], doors: Doors) -> None:
    """What the camera sees now is as it should be: its scene is learned anew, so that a view once moved is right. What
    was rejected before, in whatever view, lapses."""
    now = doors.clock()
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code)
        await camera_health.forget_scenes(session, code)
        lapsed = await forget_camera(session, code, now)
        act = audit.Act(caller.username, "camera.learn_scene", f"camera:{code}", row.platform, why=row.name)
        await audit.append(session, act, now)
    doors.tell_camera(code, LearnScene(code))
    if lapsed:
        await doors.cameras_changed(code)


@router.get(
    "/statistics/camera-health",
    response_model=ReportShown,
    responses={200: {"content": {"text/csv": {}, XLSX: {}}, "description": "As JSON, or a table by `form`."}},
)
async def read_report(
    caller: Annotated[Caller, Depends(permit("statistics.read"))],
    doors: Doors,
    since: Annotated[Moment | None, Query(description="Left out: seven days before the end.")] = None,
    until: Annotated[Moment | None, Query(description="Left out: now.")] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    form: Literal["json", "csv", "xlsx"] = "json",
) -> ReportShown | Response:
    """Online rate and picture quality by sub-platform and day, in the caller's scope."""
    now = doors.clock()
    end = min(until or now, now)
    begin = since or end - timedelta(days=7)
    if begin >= end:
        raise Refusal(
            "invalid", "period_empty", "起始时间须早于结束时间。", "A period begins before it ends.", field="since"
        )
    if end - begin > LONGEST_REPORT:
        raise Refusal(
            "invalid",
            "period_too_long",
            f"统计期最长 {LONGEST_REPORT.days} 天。",
            f"A period has at most {LONGEST_REPORT.days} days.",
            field="since",
        )
    visible = caller.visible(CameraHealthRow.platform)
    if platform is not None:
        visible = visible & (CameraHealthRow.platform == platform)
    async with doors.db.reading() as session:
        rows = await camera_health.changes_within(session, begin, end, visible)
        names = {one.code: one.name for one in await session.scalars(select(Platform).where(true()))}
    changes = [HealthChange(row.camera_code, row.platform, row.state, row.reason, row.at) for row in rows]
    days = await asyncio.to_thread(report, changes, begin, end, LOCAL_TIME)
    if form == "json":
        return ReportShown(since=begin, until=end, items=[_day(day, names) for day in days])
    table = _table(days, names)
    name = f"camera-health-{begin.astimezone(LOCAL_TIME):%Y%m%d}-{end.astimezone(LOCAL_TIME):%Y%m%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    content = await asyncio.to_thread(_csv if form == "csv" else _xlsx, table)
    return Response(content, 200, headers, "text/csv; charset=utf-8" if form == "csv" else XLSX)


def _shown(row: CameraHealthRow) -> ChangeShown:
    zh, en = words_of(row.state, row.reason)
    return ChangeShown(
        id=row.id, state=row.state, reason=row.reason, detail=zh, detail_en=en, at=row.at, picture=bool(row.evidence)
    )


def _day(day: DayReport, names: dict[str, str]) -> DayShown:
    return DayShown(
        platform=day.platform,
        platform_name=names.get(day.platform, day.platform),
        day=day.day,
        cameras=day.cameras,
        rates=[
            RateOfSeconds(
                name="online_rate",
                zh="在线率",
                formula="有视频的时长 / 应监测的时长 seconds online / seconds watched",
                numerator=round(day.online, 1),
                denominator=round(day.watched, 1),
                value=day.online_rate,
            ),
            RateOfSeconds(
                name="good_picture_rate",
                zh="图像完好率",
                formula="画面正常的时长 / 有视频的时长 seconds live / seconds online",
                numerator=round(day.good, 1),
                denominator=round(day.online, 1),
                value=day.good_picture_rate,
            ),
        ],
        seconds={state: round(seconds, 1) for state, seconds in sorted(day.seconds.items())},
        affected=dict(sorted(day.affected.items())),
        changes=dict(sorted(day.changes.items())),
    )


Cell = str | int | float | None


def _table(days: tuple[DayReport, ...], names: dict[str, str]) -> list[list[Cell]]:
    head: list[Cell] = ["日期 day", "平台编码 platform", "平台 name", "摄像机 cameras", "在线率 online rate"]
    head += ["在线时长(秒) online s", "监测时长(秒) watched s", "图像完好率 good picture rate", "正常时长(秒) live s"]
    head += [f"{WORDS[state][0].partition('：')[0]} {state} (台 cameras)" for state in STATES]
    rows: list[list[Cell]] = [head]
    for day in days:
        row: list[Cell] = [day.day.isoformat(), day.platform, names.get(day.platform, day.platform), day.cameras]
        row += [_share(day.online_rate), round(day.online), round(day.watched)]
        row += [_share(day.good_picture_rate), round(day.good)]
        rows.append(row + [day.affected.get(state, 0) for state in STATES])
    return rows


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _csv(table: list[list[Cell]]) -> bytes:
    """With the mark that makes spreadsheets read it as UTF-8. A cell never begins a formula."""
    written = io.StringIO()
    csv.writer(written).writerows([[_harmless(cell) for cell in row] for row in table])
    return b"\xef\xbb\xbf" + written.getvalue().encode()


def _xlsx(table: list[list[Cell]]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("视频质量诊断")
    for row in table:
        sheet.append([_harmless(cell) for cell in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell
