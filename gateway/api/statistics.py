"""``/api/v1/statistics``: figures with the numbers they were made from."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import Moment
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.statistics import Drills, Grouping, Period, groups, summary
from gateway.refusals import Refusal

router = APIRouter(tags=["statistics"])


class RateShown(BaseModel):
    """``value`` is null where the denominator is 0."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    zh: str
    formula: str
    numerator: int
    denominator: int
    value: float | None


class SummaryShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    since: datetime
    until: datetime
    alerts_by_state: dict[str, int]
    alerts_by_hazard: dict[str, int]
    events_by_state: dict[str, int]
    events_by_class: dict[str, int]
    rates: list[RateShown]
    drills: Drills
    drills_left_out: int = Field(description="Alerts and events of drills (演练) that the figures leave out.")


class GroupShown(BaseModel):
    """``key`` is the code of the platform, department, grid or class; empty where an event has none."""

    key: str
    reported: int
    closed: int
    rates: list[RateShown]


class GroupsShown(BaseModel):
    since: datetime
    until: datetime
    by: str
    drills: Drills
    items: list[GroupShown]
    total: int


@router.get("/statistics/summary")
async def read_summary(
    caller: Annotated[Caller, Depends(permit("statistics.read"))],
    doors: Doors,
    since: Annotated[Moment | None, Query(description="Left out: 30 days before the end.")] = None,
    until: Annotated[Moment | None, Query(description="Left out: now.")] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    drills: Annotated[Drills, Query(description="Whether what arose in drills counts.")] = "without",
) -> SummaryShown:
    """Counts and rates of a period in the caller's scope."""
    period = _period(since, until, doors.clock(), platform, drills)
    async with doors.db.reading() as session:
        made = await summary(session, caller, period)
    return SummaryShown(
        since=period.since,
        until=period.until,
        alerts_by_state=made.alerts_by_state,
        alerts_by_hazard=made.alerts_by_hazard,
        events_by_state=made.events_by_state,
        events_by_class=made.events_by_class,
        rates=[RateShown.model_validate(rate) for rate in made.rates],
        drills=drills,
        drills_left_out=made.drills_left_out,
    )


@router.get("/statistics/rates")
async def read_rates(
    caller: Annotated[Caller, Depends(permit("statistics.read"))],
    doors: Doors,
    by: Grouping,
    since: Annotated[Moment | None, Query(description="Left out: 30 days before the end.")] = None,
    until: Annotated[Moment | None, Query(description="Left out: now.")] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    drills: Annotated[Drills, Query(description="Whether what arose in drills counts.")] = "without",
) -> GroupsShown:
    """The rates of a period by platform, department, grid or class, each with what it was made from."""
    period = _period(since, until, doors.clock(), platform, drills)
    async with doors.db.reading() as session:
        made = await groups(session, caller, period, by)
    items = [
        GroupShown(
            key=group.key,
            reported=group.tally.reported,
            closed=group.tally.closed,
            rates=[RateShown.model_validate(rate) for rate in group.rates()],
        )
        for group in made
    ]
    return GroupsShown(since=period.since, until=period.until, by=by, drills=drills, items=items, total=len(items))


def _period(
    since: datetime | None, until: datetime | None, now: datetime, platform: str | None, drills: Drills
) -> Period:
    end = until or now
    begin = since or end - timedelta(days=30)
    if begin >= end:
        raise Refusal(
            "invalid", "period_empty", "起始时间须早于结束时间。", "A period begins before it ends.", field="since"
        )
    return Period(begin, end, now, platform, drills)
