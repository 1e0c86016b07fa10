"""``/api/v1/duty``: the duty log, the roster of shifts, and handovers (值班日志、值班表、交接班)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.api.downloads import workbook
from gateway.api.fields import Moment, one_line, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.duty.handover import give, receive, summed_up
from gateway.duty.log import DEEPEST, MOST, Kind, Span, read_log, write_note
from gateway.duty.sheets import write_handover, write_log
from gateway.duty.shifts import Shift, add_shift, remove_shift, roster
from gateway.events.local_time import LOCAL_TIME
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.tables.duty import DutyShiftRow, HandoverRow

router = APIRouter(tags=["duty"])
Reader = Annotated[Caller, Depends(permit("duty.read"))]
Writer = Annotated[Caller, Depends(permit("duty.write"))]
Leader = Annotated[Caller, Depends(permit("duty.roster"))]
Since = Annotated[Moment | None, Query(description="Left out: 24 hours before the end.")]
Until = Annotated[Moment | None, Query(description="Left out: now.")]
Kinds = Annotated[list[Kind] | None, Query(max_length=8, description="Repeat for several; left out: all.")]


class LogEntryShown(BaseModel):
    """``corrects``: the id of the earlier entry that this one puts right; that one stays as it was."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    id: str
    kind: str
    platform: str
    who: str
    zh: str
    en: str
    subject: str
    drill: bool
    corrects: str | None


class Log(BaseModel):
    since: datetime
    until: datetime
    items: list[LogEntryShown]
    more: bool


class NoteAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, plain_text] = Field(max_length=2000)
    corrects: str | None = Field(default=None, max_length=36)


class ShiftShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    username: str
    post: str
    starts_at: datetime
    ends_at: datetime
    made_by: str


class ShiftAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    username: str = Field(min_length=1, max_length=64)
    post: Annotated[str, one_line] = Field(min_length=1, max_length=32)
    starts_at: Moment
    ends_at: Moment


class HandoverShown(BaseModel):
    """``state``: given (waits for the receiver), signed or refused. ``summary`` as it stood when it was given."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    given_by: str
    given_at: datetime
    since: datetime
    remarks: str
    summary: dict[str, Any]
    received_by: str
    state: str
    received_at: datetime | None
    opinion: str


class HandoverAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=64)
    remarks: Annotated[str, plain_text] = Field(default="", max_length=2000)


class Answered(BaseModel):
    model_config = ConfigDict(extra="forbid")

    opinion: Annotated[str, plain_text] = Field(default="", max_length=500)


@router.get("/duty/log")
async def get_log(
    caller: Reader,
    doors: Doors,
    since: Since = None,
    until: Until = None,
    kind: Kinds = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    offset: Annotated[int, Query(ge=0, le=DEEPEST)] = 0,
) -> Log:
    """What happened in the time, by hand and by itself, the newest first."""
    span = _span(since, until, doors.clock())
    async with doors.db.reading() as session:
        found = await read_log(session, caller, span, kind or (), limit + 1, offset)
    items = [LogEntryShown.model_validate(one) for one in found[:limit]]
    return Log(since=span.since, until=span.until, items=items, more=len(found) > limit)


@router.get("/duty/log.xlsx", response_class=FileResponse)
async def download_log(
    caller: Reader, doors: Doors, since: Since = None, until: Until = None, kind: Kinds = None
) -> FileResponse:
    """The same as a workbook, the oldest first, at most 10,000 entries."""
    span = _span(since, until, doors.clock())
    async with doors.db.reading() as session:
        found = await read_log(session, caller, span, kind or (), DEEPEST)
    name = f"值班日志_{span.since.astimezone(LOCAL_TIME):%Y%m%d}.xlsx"
    return await workbook(lambda path: write_log(path, reversed(found), span.since, span.until), name)


@router.post("/duty/log", status_code=201)
async def post_note(asked: NoteAsked, caller: Writer, doors: Doors) -> LogEntryShown:
    """Write an entry. None is ever changed: a correction is a further entry that names the one it puts right."""
    now = doors.clock()
    async with doors.db.transaction() as session:
        row = await write_note(session, caller, asked.text, asked.corrects, now)
    _tell(doors, row.platform, "note")
    return LogEntryShown(
        at=row.at, id=row.id, kind="note", platform=row.platform, who=row.author, zh=row.text, en=row.text, subject="",
        drill=False, corrects=row.corrects,
    )  # fmt: skip


@router.get("/duty/shifts")
async def list_shifts(
    caller: Reader,
    doors: Doors,
    since: Annotated[Moment | None, Query(description="Left out: a day ago.")] = None,
    until: Annotated[Moment | None, Query(description="Left out: a week from now.")] = None,
) -> list[ShiftShown]:
    """The roster of a time."""
    now = doors.clock()
    async with doors.db.reading() as session:
        rows = await roster(session, caller, since or now - timedelta(days=1), until or now + timedelta(days=7))
    return [ShiftShown.model_validate(row) for row in rows]


@router.post("/duty/shifts", status_code=201)
async def post_shift(asked: ShiftAsked, caller: Leader, doors: Doors) -> ShiftShown:
    now = doors.clock()
    async with doors.db.transaction() as session:
        row: DutyShiftRow = await add_shift(session, caller, Shift(**asked.model_dump()), now)
        shown = ShiftShown.model_validate(row)
    _tell(doors, row.platform, "shift")
    return shown


@router.delete("/duty/shifts/{shift_id}", status_code=204)
async def delete_shift(shift_id: str, caller: Leader, doors: Doors) -> None:
    """Take a shift off the roster that is not over."""
    async with doors.db.transaction() as session:
        await remove_shift(session, caller, shift_id, doors.clock())
    _tell(doors, caller.platform, "shift")


@router.get("/duty/summary")
async def get_summary(caller: Reader, doors: Doors) -> dict[str, Any]:
    """What would be handed over now."""
    async with doors.db.reading() as session:
        return await summed_up(session, caller, doors.clock())


@router.get("/duty/handovers")
async def list_handovers(
    caller: Reader, doors: Doors, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[HandoverShown]:
    """The newest first."""
    query = select(HandoverRow).where(caller.visible(HandoverRow.platform)).order_by(HandoverRow.given_at.desc())
    async with doors.db.reading() as session:
        return [HandoverShown.model_validate(row) for row in await session.scalars(query.limit(limit))]


@router.post("/duty/handovers", status_code=201)
async def post_handover(asked: HandoverAsked, caller: Writer, doors: Doors) -> HandoverShown:
    """Hand the shift over: the summary is made and signed by the caller; ``to`` signs for it or refuses."""
    async with doors.db.transaction() as session:
        row = await give(session, caller, asked.to, asked.remarks, doors.clock())
        shown = HandoverShown.model_validate(row)
    _tell(doors, row.platform, "handover")
    return shown


@router.get("/duty/handovers/{handover_id}.xlsx", response_class=FileResponse)
async def download_handover(handover_id: str, caller: Reader, doors: Doors) -> FileResponse:
    """The handover as a workbook, with room for two signatures."""
    query = select(HandoverRow).where(HandoverRow.id == handover_id, caller.visible(HandoverRow.platform))
    async with doors.db.reading() as session:
        row = await session.scalar(query)
    if row is None:
        raise Refusal("not_found", "handover_unknown", "没有这份交班。", "There is no such handover.", field="id")
    name = f"交接班_{row.given_at.astimezone(LOCAL_TIME):%Y%m%d-%H%M}.xlsx"
    return await workbook(lambda path: write_handover(path, row), name)


@router.post("/duty/handovers/{handover_id}/{answer}")
async def answer_handover(
    handover_id: str, answer: str, asked: Answered, caller: Writer, doors: Doors
) -> HandoverShown:
    """``sign`` or ``refuse`` (with a reason), by whom it was given to."""
    async with doors.db.transaction() as session:
        row = await receive(session, caller, handover_id, answer, asked.opinion, doors.clock())
        shown = HandoverShown.model_validate(row)
    _tell(doors, row.platform, "handover")
    return shown


def _tell(doors: Services, platform: str, what: str) -> None:
    doors.live.publish(Notice("duty.changed", platform, {"what": what}))


def _span(since: datetime | None, until: datetime | None, now: datetime) -> Span:
    end = until or now + timedelta(seconds=1)
    return Span(since or end - timedelta(days=1), end)
