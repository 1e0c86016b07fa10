"""``/api/v1/dispatch-rules``: whose events are, by class, place and time; who would get one; where no rule fits."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.fields import Moment, one_line
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.api.staff_links import check_grids, check_owner
from gateway.events.classes import ClassTable
from gateway.events.responsibility import ResponsibleShown
from gateway.grid.dispatch import Asked
from gateway.grid.dispatch_gaps import gaps
from gateway.grid.hours import checked_hours
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.dispatch import DispatchRuleRow, GridStaffRow
from gateway.storage.tables.grid import Platform

router = APIRouter(tags=["dispatch"])

Reader = Annotated[Caller, Depends(permit("dispatch.read"))]
Writer = Annotated[Caller, Depends(permit("dispatch.write"))]
MOST_GAPS = 1000


class RuleAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, one_line] = Field(default="", max_length=100)
    platform: str | None = Field(default=None, max_length=32, description="Whose rule; it reaches what lies below.")
    class_code: str = Field(
        default="*", pattern=r"^(\*|[0-9]{2}-(\*|[0-9]{2}))$", description="A class, a group (04-*) or *."
    )
    place: Literal["any", "platform", "grid"] = "any"
    place_code: str = Field(default="", max_length=32, description="The platform's or the grid's code.")
    days: list[int] = Field(default=[], max_length=7, description="1 Monday … 7 Sunday; none: every day.")
    hours: list[tuple[str, str]] = Field(default=[], description="Daily, HH:MM in city time; none: the whole day.")
    department: str = Field(max_length=32, description="The platform that is responsible.")
    staff: str | None = Field(default=None, max_length=36, description="The id of a person of the grid staff.")
    grid_staff: bool = Field(default=False, description="Whoever of the grid's own staff is on duty.")
    priority: int = Field(default=100, ge=1, le=1000, description="Smaller comes first.")
    fallback: bool = Field(default=False, description="Asked only where no other rule fits.")
    enabled: bool = True


class RuleChange(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    revision: int = Field(ge=1)
    name: str | None = None
    class_code: str | None = None
    place: str | None = None
    place_code: str | None = None
    days: list[int] | None = None
    hours: list[tuple[str, str]] | None = None
    department: str | None = None
    staff: str | None = None
    grid_staff: bool | None = None
    priority: int | None = None
    fallback: bool | None = None
    enabled: bool | None = None


class RuleShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    number: int
    platform: str
    name: str
    class_code: str
    place: str
    place_code: str
    days: list[int]
    hours: list[tuple[str, str]]
    department: str
    staff: str | None
    grid_staff: bool
    priority: int
    fallback: bool
    enabled: bool
    changed_at: datetime
    revision: int


class RuleList(BaseModel):
    items: list[RuleShown]
    total: int


class DryRun(BaseModel):
    """Who would get it. ``rules``: numbers of all rules that fit, the deciding one first."""

    responsible: ResponsibleShown
    grid: str | None
    platform: str
    at: datetime
    rules: list[int]


class GapShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    class_code: str
    class_name: str
    platform: str
    grids: list[str] = Field(description="At most 50 of them; none: the platform's places outside every grid.")
    grid_count: int
    when: str = Field(description="always, or at_times where rules have hours")
    basis: str = Field(description="fallback, or hub: not even a fallback fits")
    department: str


class GapList(BaseModel):
    """Classes × grids that only a fallback serves. ``total`` counts pairs of class and grid, out of ``of``."""

    items: list[GapShown]
    total: int
    of: int


@router.get("/dispatch-rules")
async def list_rules(caller: Reader, doors: Doors) -> RuleList:
    """The rules of the caller's scope, and those from above that reach into it, in the order of their numbers."""
    async with doors.db.reading() as session:
        book = await doors.dispatch.current(session)
        rows = await session.scalars(select(DispatchRuleRow).order_by(DispatchRuleRow.number))
        above = set(book.chain(caller.platform))
        items = [RuleShown.model_validate(row) for row in rows if caller.sees(row.platform) or row.platform in above]
    return RuleList(items=items, total=len(items))


@router.get("/dispatch-rules/dry-run")
async def dry_run(
    caller: Reader,
    doors: Doors,
    class_code: Annotated[str, Query(max_length=16)],
    grid: Annotated[str | None, Query(max_length=32)] = None,
    lng: Annotated[float | None, Query(ge=-180, le=180, description="With lat, in place of the grid.")] = None,
    lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    platform: Annotated[str | None, Query(max_length=32, description="Whose event; left out: the grid's.")] = None,
    at: Annotated[Moment | None, Query(description="Left out: now.")] = None,
) -> DryRun:
    """Who would get an event of this class, here and then, and why."""
    moment = at or doors.clock()
    async with doors.db.reading() as session:
        kind = (await doors.books.current(session)).classes.of_code(class_code)
        book = await doors.dispatch.current(session)
        if grid is None and lng is not None and lat is not None:
            hit = await doors.grids.locate(session, lng, lat)
            grid = hit.code if hit is not None and caller.sees(hit.platform) else None
        if grid is not None and (grid not in book.grids or not caller.sees(book.grids[grid])):
            raise Refusal("invalid", "grid_unknown", f"没有网格“{grid}”。", f"There is no grid {grid!r}.", field="grid")
        owner = platform or book.grids.get(grid or "", caller.platform)
        await check_owner(session, caller, owner)
    asked = Asked(kind.code, kind.name, owner, grid, moment)
    found = book.responsible(asked)
    return DryRun(
        responsible=ResponsibleShown.model_validate(found),
        grid=grid,
        platform=owner,
        at=moment,
        rules=[rule.number for rule in book.fitting(asked)],
    )


@router.get("/dispatch-rules/gaps")
async def find_gaps(caller: Reader, doors: Doors) -> GapList:
    """Classes × grids in the caller's scope that only a fallback, or the hub's duty post, serves."""
    async with doors.db.reading() as session:
        classes = (await doors.books.current(session)).classes.classes.values()
        book = await doors.dispatch.current(session)
    grids = sorted(code for code, platform in book.grids.items() if caller.sees(platform))
    kinds = [(one.code, one.name) for one in classes]
    found = await asyncio.to_thread(gaps, book, kinds, grids)
    items = [
        GapShown(
            class_code=one.class_code,
            class_name=one.class_name,
            platform=one.platform,
            grids=list(one.grids[:50]),
            grid_count=len(one.grids),
            when=one.when,
            basis=one.basis,
            department=one.department,
        )
        for one in found[:MOST_GAPS]
    ]
    return GapList(items=items, total=sum(len(one.grids) for one in found), of=len(kinds) * len(grids))


@router.post("/dispatch-rules", status_code=201)
async def add_rule(asked: RuleAsked, caller: Writer, doors: Doors) -> RuleShown:
    async with doors.db.transaction() as session:
        # The hub's row is held, so that two rules never take the same number.
        await session.scalar(select(Platform.id).where(Platform.parent.is_(None)).with_for_update())
        last = (await session.execute(select(func.max(DispatchRuleRow.number)))).scalar_one()
        row = DispatchRuleRow(id=new_id(), number=(last or 0) + 1, platform=asked.platform or caller.platform)
        await _fill(session, caller, row, asked, doors)
        session.add(row)
        return await _kept(session, caller, row, "dispatch_rule.add", doors)


@router.patch("/dispatch-rules/{rule_id}")
async def change_rule(rule_id: str, asked: RuleChange, caller: Writer, doors: Doors) -> RuleShown:
    async with doors.db.transaction() as session:
        row = await _found(session, caller, rule_id, asked.revision)
        said = asked.model_dump(exclude={"revision"}, exclude_unset=True)
        stands: dict[str, Any] = {name: getattr(row, name) for name in RuleAsked.model_fields}
        whole = RuleAsked.model_validate(stands | {k: v for k, v in said.items() if v is not None or k == "staff"})
        await _fill(session, caller, row, whole, doors)
        return await _kept(session, caller, row, "dispatch_rule.change", doors, ", ".join(sorted(said)))


@router.delete("/dispatch-rules/{rule_id}", status_code=204)
async def remove_rule(rule_id: str, revision: Annotated[int, Query(ge=1)], caller: Writer, doors: Doors) -> None:
    async with doors.db.transaction() as session:
        row = await _found(session, caller, rule_id, revision)
        why = f"{row.number} {row.class_code} {row.place} {row.place_code} {row.department}"
        act = audit.Act(caller.username, "dispatch_rule.remove", f"dispatch_rule:{row.id}", row.platform, why=why)
        await audit.append(session, act, doors.clock())
        await session.delete(row)


async def _found(session: AsyncSession, caller: Caller, rule_id: str, revision: int) -> DispatchRuleRow:
    query = select(DispatchRuleRow).where(DispatchRuleRow.id == rule_id, caller.visible(DispatchRuleRow.platform))
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise Refusal("not_found", "dispatch_rule_unknown", "没有这条派遣规则。", "There is no such rule.")
    if row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
    return row


async def _fill(session: AsyncSession, caller: Caller, row: DispatchRuleRow, asked: RuleAsked, doors: Services) -> None:
    """The rule as asked, checked as a whole: a rule that names nothing known would serve nobody."""
    days, hours = checked_hours(asked.days, asked.hours)
    if asked.fallback and (asked.class_code != "*" or asked.place == "grid" or days or hours):
        raise _unfit(
            "fallback", "兜底规则须适用于全部分类和全部时间。", "A fallback is for every class and at all times."
        )
    if asked.staff is not None and asked.grid_staff:
        raise _unfit("staff", "指定人员与“本网格值班人员”只能选一。", "A person or the grid's own staff.")
    if (asked.place == "any") != (asked.place_code == ""):
        raise _unfit("place_code", "请选择平台或网格。", "A place needs the code of a platform or a grid.")
    _known_class((await doors.books.current(session)).classes, asked.class_code)
    with session.no_autoflush:
        await check_owner(session, caller, row.platform)
        if asked.place == "platform":
            await _platform(session, caller, asked.place_code, "place_code")
        elif asked.place == "grid":
            await check_grids(session, caller, [asked.place_code])
        await _platform(session, caller, asked.department, "department")
        if asked.staff is not None:
            staff = await session.get(GridStaffRow, asked.staff)
            if staff is None or not caller.sees(staff.platform):
                raise _unfit("staff", "没有这名网格员。", "There is no such person of the staff.")
    for name, value in asked.model_dump(exclude={"platform", "days", "hours"}).items():
        setattr(row, name, value)
    row.days, row.hours, row.changed_at = list(days), [list(span) for span in hours], doors.clock()


def _known_class(table: ClassTable, pattern: str) -> None:
    if pattern != "*" and not pattern.endswith("-*"):
        table.of_code(pattern)
    elif pattern != "*" and not any(code.startswith(pattern[:-1]) for code in table.classes):
        raise _unfit("class_code", f"没有事件大类“{pattern}”。", f"There is no group of classes {pattern!r}.")


async def _platform(session: AsyncSession, caller: Caller, code: str, field: str) -> None:
    known = await session.scalar(select(Platform.code).where(Platform.code == code))
    if known is None or not caller.sees(code):
        raise _unfit(field, f"没有平台“{code}”，或不在您的管辖范围。", f"No platform {code!r} in your scope.")


async def _kept(
    session: AsyncSession, caller: Caller, row: DispatchRuleRow, what: str, doors: Services, why: str = ""
) -> RuleShown:
    await session.flush()
    told = f"{row.number}: {row.class_code} {row.place} {row.place_code} -> {row.department} {why}".strip()
    await audit.append(
        session, audit.Act(caller.username, what, f"dispatch_rule:{row.id}", row.platform, why=told), doors.clock()
    )
    return RuleShown.model_validate(row)


def _unfit(field: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "dispatch_rule_unfit", zh, en, field=field)
