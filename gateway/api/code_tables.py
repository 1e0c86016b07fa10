"""``/api/v1/code-tables``: event classes and holiday tables, as shipped or as a city imported them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.books import import_table
from gateway.events.local_time import LOCAL_TIME
from gateway.storage.tables.code_tables import CodeTableRow

router = APIRouter(tags=["code tables"])


class CodeTableShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: str
    name: str
    version: str
    changed_at: datetime
    revision: int


class EventClassShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    category: str
    level: int
    warning_colour: str
    clock: str
    amount: float
    hazard: str | None
    condition: str
    close: str
    same_slot: bool


class CodeTables(BaseModel):
    """The classes in force, the years whose working days are known, those whose table is ``missing`` by today, and what
    was imported over the shipped tables."""

    class_version: str
    classes: list[EventClassShown]
    holiday_years: list[int]
    holiday_years_missing: list[int]
    imported: list[CodeTableShown]


@router.get("/code-tables")
async def read_code_tables(caller: Annotated[Caller, Depends(permit("tables.read"))], doors: Doors) -> CodeTables:
    """What events are classed by and what their clocks run on."""
    async with doors.db.reading() as session:
        books = await doors.books.current(session)
        rows = list(await session.scalars(select(CodeTableRow).order_by(CodeTableRow.kind, CodeTableRow.name)))
    classes = [
        EventClassShown(
            code=one.code,
            name=one.name,
            category=one.category,
            level=one.level,
            warning_colour=one.warning_colour,
            clock=one.limit.clock,
            amount=one.limit.amount,
            hazard=one.hazard,
            condition=one.condition,
            close=one.close,
            same_slot=one.same_slot,
        )
        for one in books.classes.classes.values()
    ]
    return CodeTables(
        class_version=books.classes.version,
        classes=classes,
        holiday_years=sorted(books.days.years),
        holiday_years_missing=list(books.days.missing(doors.clock().astimezone(LOCAL_TIME).date())),
        imported=[CodeTableShown.model_validate(row) for row in rows],
    )


@router.post("/code-tables/import")
async def import_code_table(
    document: Annotated[dict[str, Any], Body()],
    caller: Annotated[Caller, Depends(permit("tables.write"))],
    doors: Doors,
) -> CodeTableShown:
    """Take a table in: `{"kind": "holidays", "year": …}` or `{"kind": "event_classes", …}`, whole or not at all."""
    async with doors.db.transaction() as session:
        row = await import_table(session, caller, document, doors.clock())
        return CodeTableShown.model_validate(row)
