"""``/api/v1/events``: grid events, their flow and evidence, and the steps that people take with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from gateway.access.caller import Caller
from gateway.api.alerts import desk_of
from gateway.api.fields import Moment, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.event_states import OPEN
from gateway.events.shown import EventShown, shown_event, shown_events
from gateway.refusals import Refusal
from gateway.storage.tables.events import EventRow

router = APIRouter(tags=["events"])


class EventList(BaseModel):
    items: list[EventShown]
    total: int


class ActionAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    opinion: Annotated[str, plain_text] = Field(
        default="", max_length=2000, description="Needed where a step needs a reason."
    )
    revision: int = Field(ge=1, description="The revision looked at; refused when the event was changed meanwhile.")


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
    overdue: Annotated[bool | None, Query(description="Whether past the end of its clock.")] = None,
    since: Annotated[Moment | None, Query(description="Reported at or after.")] = None,
    until: Annotated[Moment | None, Query(description="Reported before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> EventList:
    """Events in the caller's scope, the newest first."""
    conditions = [caller.visible(EventRow.platform)]
    if state:
        conditions.append(EventRow.state.in_(state))
    if open_ is not None:
        conditions.append(EventRow.state.in_(sorted(OPEN)) if open_ else EventRow.state.not_in(sorted(OPEN)))
    for column, wanted in (
        (EventRow.class_code, class_code),
        (EventRow.camera_code, camera_code),
        (EventRow.grid, grid),
        (EventRow.platform, platform),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    if overdue is not None:
        late = func.coalesce(EventRow.due_at < doors.clock(), False)
        conditions.append(late if overdue else ~late)
    if since is not None:
        conditions.append(EventRow.reported_at >= since)
    if until is not None:
        conditions.append(EventRow.reported_at < until)
    limit = min(limit, doors.settings.retention.alerts_page)
    async with doors.db.reading() as session:
        total = (await session.execute(select(func.count()).select_from(EventRow).where(*conditions))).scalar_one()
        query = select(EventRow).where(*conditions).order_by(EventRow.reported_at.desc(), EventRow.id.desc())
        items = await shown_events(session, list(await session.scalars(query.limit(limit).offset(offset))))
    return EventList(items=items, total=total)


@router.get("/events/{no}")
async def get_event(no: str, caller: Annotated[Caller, Depends(permit("events.read"))], doors: Doors) -> EventShown:
    """One event with its flow and the evidence of all its alerts."""
    async with doors.db.reading() as session:
        row = await session.scalar(select(EventRow).where(EventRow.no == no, caller.visible(EventRow.platform)))
        if row is None:
            raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="no")
        return await shown_event(session, row)


@router.post("/events/{no}/actions/{action}")
async def act_on_event(
    no: str,
    action: str,
    asked: ActionAsked,
    caller: Annotated[Caller, Depends(permit("events.act"))],
    doors: Doors,
) -> EventShown:
    """Take a step: verify, verified, accept, not_accept, cancel, dispatch, sign, return, handle, suspend, resume,
    feedback, check, close, rework, escalate, refuse_escalation, force_close. State and role decide which."""
    return await desk_of(doors).act(caller, no, action, opinion=asked.opinion, revision=asked.revision)
