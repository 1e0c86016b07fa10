"""``/api/v1/events``: grid events, their flow and evidence, and the steps that people take with them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from gateway.access.caller import Caller
from gateway.api.fields import Moment, one_line, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.event_desk import EventDesk, Report, StepAsked
from gateway.events.event_scope import visible_events
from gateway.events.shown import EventShown, shown_event, shown_events
from gateway.events.similar import similar_cases
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.events import EventRow

router = APIRouter(tags=["events"])


MOST_COUNTED = 10_000
"""Events that a list counts: nobody pages further, and to count a year of them costs more than to show a page."""


class EventList(BaseModel):
    """``total`` counts up to 10,000; there are more where ``more`` says so."""

    items: list[EventShown]
    total: int
    more: bool = False


class ActionAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    opinion: Annotated[str, plain_text] = Field(
        default="", max_length=2000, description="Needed where a step needs a reason."
    )
    revision: int = Field(ge=1, description="The revision looked at; refused when the event was changed meanwhile.")
    department: str | None = Field(default=None, max_length=32, description="For dispatch: the responsible platform.")
    assignee: str | None = Field(default=None, max_length=64, description="For dispatch, verify: who sees to it.")
    until: Moment | None = Field(default=None, description="For ask_extension: the deadline asked for.")
    duplicate_of: str | None = Field(default=None, max_length=64, description="For merge_duplicate: the event's no.")


class EventReported(BaseModel):
    """An event as somebody saw it or was told of it by phone."""

    model_config = ConfigDict(extra="forbid")

    report_id: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="A UUID of the sender's: sent again, it is the same event.",
    )
    class_code: str = Field(max_length=16)
    description: Annotated[str, plain_text] = Field(min_length=1, max_length=2000)
    source: Literal["desk", "phone", "grid_staff"] = "desk"
    address: Annotated[str, one_line] = Field(default="", max_length=200)
    lng: float | None = Field(default=None, ge=-180, le=180, description="WGS-84; with lat it tells the grid.")
    lat: float | None = Field(default=None, ge=-90, le=90)
    seen_at: Moment | None = Field(default=None, description="When it was seen; left out: now.")
    urgent: bool = False


def event_desk_of(doors: Services) -> EventDesk:
    return EventDesk(doors.announcer, doors.opening)


@router.get("/events")
async def list_events(
    caller: Annotated[Caller, Depends(permit("events.read"))],
    doors: Doors,
    state: Annotated[list[str] | None, Query(max_length=20, description="Repeat for several.")] = None,
    open_: Annotated[bool | None, Query(alias="open", description="Whether still open.")] = None,
    class_code: Annotated[str | None, Query(max_length=16)] = None,
    camera_code: Annotated[str | None, Query(max_length=20)] = None,
    grid: Annotated[str | None, Query(max_length=32)] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    department: Annotated[str | None, Query(max_length=32, description="Whom it was dispatched to.")] = None,
    overdue: Annotated[bool | None, Query(description="Whether past the end of its clock.")] = None,
    drill: Annotated[bool | None, Query(description="Whether it arose in a drill (演练).")] = None,
    since: Annotated[Moment | None, Query(description="Reported at or after.")] = None,
    until: Annotated[Moment | None, Query(description="Reported before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> EventList:
    """Events in the caller's scope, the newest first."""
    conditions = [visible_events(caller)]
    if state:
        conditions.append(EventRow.state.in_(state))
    if open_ is not None:
        conditions.append(EventRow.closed_at.is_(None) if open_ else EventRow.closed_at.is_not(None))
    for column, wanted in (
        (EventRow.class_code, class_code),
        (EventRow.camera_code, camera_code),
        (EventRow.grid, grid),
        (EventRow.platform, platform),
        (EventRow.department, department),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    if overdue is not None:
        late = func.coalesce(EventRow.due_at < doors.clock(), False)
        conditions.append(late if overdue else ~late)
    if drill is not None:
        conditions.append(EventRow.drill.is_(drill))
    if since is not None:
        conditions.append(EventRow.reported_at >= since)
    if until is not None:
        conditions.append(EventRow.reported_at < until)
    limit = min(limit, doors.settings.retention.alerts_page)
    async with doors.db.reading() as session:
        counted = select(EventRow.id).where(*conditions).limit(MOST_COUNTED + 1).subquery()
        total = (await session.execute(select(func.count()).select_from(counted))).scalar_one()
        query = select(EventRow).where(*conditions).order_by(EventRow.reported_at.desc(), EventRow.id.desc())
        items = await shown_events(session, list(await session.scalars(query.limit(limit).offset(offset))))
    return EventList(items=items, total=min(total, MOST_COUNTED), more=total > MOST_COUNTED)


@router.get("/events/{no}")
async def get_event(no: str, caller: Annotated[Caller, Depends(permit("events.read"))], doors: Doors) -> EventShown:
    """One event with its flow and the evidence of all its alerts."""
    async with doors.db.reading() as session:
        row = await session.scalar(select(EventRow).where(EventRow.no == no, visible_events(caller)))
        if row is None:
            raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="no")
        return await shown_event(session, row)


@router.post("/events", status_code=201)
async def report_event(
    asked: EventReported, caller: Annotated[Caller, Depends(permit("events.report"))], doors: Doors
) -> EventShown:
    """Report an event by hand; it belongs to the caller's platform and lies in the grid at its point."""
    if (asked.lng is None) != (asked.lat is None):
        raise Refusal(
            "invalid",
            "point_incomplete",
            "经度与纬度须同时给出。",
            "Longitude and latitude go together.",
            field="lat" if asked.lat is None else "lng",
        )
    grid = None
    if asked.lng is not None and asked.lat is not None:
        async with doors.db.reading() as session:
            hit = await doors.grids.locate(session, asked.lng, asked.lat)
            grid = hit.code if hit else None
    values = asked.model_dump(exclude={"report_id"})
    report = Report(report_id=asked.report_id or new_id(), grid=grid, **values)
    return await event_desk_of(doors).report(caller, report)


@router.get("/events/{no}/similar")
async def similar_events(no: str, caller: Annotated[Caller, Depends(permit("events.read"))], doors: Doors) -> EventList:
    """Similar cases: the same class, within 50 m and 24 h."""
    async with doors.db.reading() as session:
        row = await session.scalar(select(EventRow).where(EventRow.no == no, visible_events(caller)))
        if row is None:
            raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="no")
        items = await shown_events(session, await similar_cases(session, caller, row))
    return EventList(items=items, total=len(items))


@router.post("/events/{no}/actions/{action}")
async def act_on_event(
    no: str,
    action: str,
    asked: ActionAsked,
    caller: Annotated[Caller, Depends(permit("events.act"))],
    doors: Doors,
) -> EventShown:
    """Take a step; state, role, deadline and evidence decide which. Verify, accept, dispatch, sign, handle, feedback,
    check, close and their opposites; suspension, extension and appeal asked for and decided; urge, supervise, note."""
    step = StepAsked(**asked.model_dump())
    return await event_desk_of(doors).act(caller, no, action, step)
