"""``/api/v1/open311/v2``: events as Open311 GeoReport v2, to be read only, in JSON and XML.

Once the caller has been let in, refusals have the form of that standard and not of RFC 9457. Why a bearer token and no
``api_key``: docs/decisions/0092-open311.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.event_scope import visible_events
from gateway.events.event_states import ENDS
from gateway.events.outward import open311
from gateway.events.outward.open311 import Form
from gateway.refusals import Refusal
from gateway.storage.tables.events import EventFlowRow, EventRow
from gateway.storage.tables.grid import Platform

router = APIRouter(prefix="/open311/v2", tags=["open311"])
SPAN = timedelta(days=90)
"""What is answered without dates, and at most with them (GeoReport v2, GET service requests)."""
MOST = 1000
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string"}} for media in ("application/json", "text/xml")}}
}
Jurisdiction = Annotated[str | None, Query(max_length=100)]


async def reader(caller: Annotated[Caller, Depends(permit("open311.read"))], doors: Doors) -> Caller:
    """One who may read and does not ask too often."""
    wait = doors.open311_attempts.wait(caller.username, time.monotonic())
    if wait:
        raise Refusal(
            "too_many",
            "open311_too_fast",
            f"查询过于频繁，请 {wait:.0f} 秒后再试。",
            f"Too many queries; try again in {wait:.0f} s.",
        )
    return caller


Reader = Annotated[Caller, Depends(reader)]


class _Wrong(Exception):
    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@router.get("/services.{form}", response_class=Response, responses=_ANSWER)
async def services(form: Form, caller: Reader, doors: Doors, jurisdiction_id: Jurisdiction = None) -> Response:
    """The event classes."""
    async with doors.db.reading() as session:
        classes = (await doors.books.current(session)).classes.classes.values()
    try:
        _check_jurisdiction(doors, jurisdiction_id)
    except _Wrong as wrong:
        return _refused(form, wrong)
    return _answer(form, open311.written(form, "services", "service", [*map(open311.service, open311.shown(classes))]))


@router.get("/services/{service_code}.{form}", response_class=Response, responses=_ANSWER)
async def service_definition(
    service_code: str, form: Form, caller: Reader, doors: Doors, jurisdiction_id: Jurisdiction = None
) -> Response:
    """What a class asks for beside the request: nothing."""
    async with doors.db.reading() as session:
        classes = (await doors.books.current(session)).classes.classes.values()
    try:
        _check_jurisdiction(doors, jurisdiction_id)
        found = next((kind for kind in open311.shown(classes) if kind.code == service_code), None)
        if found is None:
            raise _Wrong(404, f"service_code {service_code} was not found")
    except _Wrong as wrong:
        return _refused(form, wrong)
    return _answer(form, open311.definition(form, found))


@router.get("/requests.{form}", response_class=Response, responses=_ANSWER)
async def requests(
    form: Form,
    caller: Reader,
    doors: Doors,
    jurisdiction_id: Jurisdiction = None,
    service_request_id: Annotated[str | None, Query(max_length=4000)] = None,
    service_code: Annotated[str | None, Query(max_length=2000)] = None,
    start_date: Annotated[str | None, Query(max_length=40)] = None,
    end_date: Annotated[str | None, Query(max_length=40)] = None,
    status: Annotated[str | None, Query(max_length=40)] = None,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """The newest first; without numbers those of 90 days, up to ``end_date`` or now."""
    try:
        _check_jurisdiction(doors, jurisdiction_id)
        conditions = _filters(doors, service_request_id, service_code, start_date, end_date, status)
    except _Wrong as wrong:
        return _refused(form, wrong)
    async with doors.db.reading() as session:
        items = await _items(session, caller, conditions, page_size, (page - 1) * page_size)
    return _answer(form, open311.written(form, "service_requests", "request", items))


@router.get("/requests/{service_request_id}.{form}", response_class=Response, responses=_ANSWER)
async def request(
    service_request_id: str, form: Form, caller: Reader, doors: Doors, jurisdiction_id: Jurisdiction = None
) -> Response:
    """One request, as a list of one."""
    try:
        _check_jurisdiction(doors, jurisdiction_id)
        async with doors.db.reading() as session:
            items = await _items(session, caller, [EventRow.no == service_request_id], 1, 0)
        if not items:
            raise _Wrong(404, f"service_request_id {service_request_id} was not found")
    except _Wrong as wrong:
        return _refused(form, wrong)
    return _answer(form, open311.written(form, "service_requests", "request", items))


async def _items(
    session: AsyncSession, caller: Caller, conditions: Sequence[ColumnElement[bool]], limit: int, offset: int
) -> list[open311.Item]:
    query = (
        select(EventRow)
        .where(visible_events(caller), EventRow.drill.is_(False), EventRow.hazard.not_in(open311.LEFT_OUT), *conditions)
        .order_by(EventRow.reported_at.desc(), EventRow.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = list(await session.scalars(query))
    latest = select(EventFlowRow.event_no, func.max(EventFlowRow.at)).where(
        EventFlowRow.event_no.in_([row.no for row in rows])
    )
    updated: dict[str, datetime] = {}
    for no, at in await session.execute(latest.group_by(EventFlowRow.event_no)):
        updated[no] = at
    names = {code: name for code, name in await session.execute(select(Platform.code, Platform.name))}  # noqa: C416 - rows
    return [
        open311.request(row, updated.get(row.no, row.reported_at), names.get(row.department or row.platform, ""))
        for row in rows
    ]


def _filters(
    doors: Services, numbers: str | None, codes: str | None, start: str | None, end: str | None, status: str | None
) -> list[ColumnElement[bool]]:
    if numbers is not None:  # the standard: other filters are overridden then
        return [EventRow.no.in_(_words(numbers))]
    until = _date("end_date", end) or doors.clock()
    since = _date("start_date", start) or until - SPAN
    if since > until or until - since > SPAN:
        raise _Wrong(400, "start_date to end_date must be a span of at most 90 days")
    conditions: list[ColumnElement[bool]] = [EventRow.reported_at >= since, EventRow.reported_at <= until]
    if codes is not None:
        conditions.append(EventRow.class_code.in_(_words(codes)))
    if status is not None:
        wanted = set(_words(status))
        if not wanted <= {"open", "closed"}:
            raise _Wrong(400, "status is open or closed")
        if len(wanted) == 1:
            ended = EventRow.state.in_(ENDS)
            conditions.append(ended if wanted == {"closed"} else ~ended)
    return conditions


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or len(words) > 100:
        raise _Wrong(400, "a list has 1 to 100 values")
    return words


def _date(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A plus sign that was not escaped in the query has come as a blank.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong(400, f"{name} is a date and time in ISO 8601 with its zone") from None


def _check_jurisdiction(doors: Services, given: str | None) -> None:
    wanted = doors.settings.open311.jurisdiction_id
    if wanted and given is None:
        raise _Wrong(400, "jurisdiction_id was not provided")
    if wanted and given != wanted:
        raise _Wrong(404, "jurisdiction_id provided was not found")


def _answer(form: Form, body: bytes) -> Response:
    return Response(body, media_type=open311.MEDIA_TYPES[form])


def _refused(form: Form, wrong: _Wrong) -> Response:
    return Response(
        open311.error(form, wrong.code, wrong.description), wrong.code, media_type=open311.MEDIA_TYPES[form]
    )
