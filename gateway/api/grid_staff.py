"""``/api/v1/grid-staff``: the grid staff (网格员). Phone numbers are masked, but at a door of their own, audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.fields import Moment, one_line
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.api.staff_links import check_links, check_owner, names_of
from gateway.grid.dispatch_book import staff_of
from gateway.grid.hours import checked_hours
from gateway.grid.staff_records import (
    MOST_GRIDS,
    Leave,
    checked_phone,
    masked,
    phone_of,
    seal_phone,
)
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.dispatch import DispatchRuleRow, GridStaffRow

router = APIRouter(tags=["grid staff"])

Reader = Annotated[Caller, Depends(permit("staff.read"))]
Writer = Annotated[Caller, Depends(permit("staff.write"))]
Post = Literal["grid_manager", "fulltime_grid_member", "micro_grid_informant"]
Name = Annotated[str, one_line, Field(min_length=1, max_length=100)]
Grids = Annotated[list[Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,32}$")]], Field(max_length=MOST_GRIDS)]
Hours = Annotated[list[tuple[str, str]], Field(description="Daily, HH:MM in city time; none: the whole day.")]
Days = Annotated[list[int], Field(max_length=7, description="1 Monday … 7 Sunday; none: every day.")]


class StaffAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Name
    post: Post = "fulltime_grid_member"
    platform: str | None = Field(default=None, max_length=32, description="Whose record; left out: the caller's.")
    username: str | None = Field(default=None, max_length=64, description="The account they sign in with.")
    grids: Grids = []
    days: Days = []
    hours: Hours = []
    phone: SecretStr | None = Field(default=None, max_length=32)
    leave_from: Moment | None = None
    leave_until: Moment | None = Field(default=None, description="Left out: until further notice.")
    replacement: str | None = Field(default=None, max_length=36, description="The id of whoever stands in.")
    note: Annotated[str, one_line] = Field(default="", max_length=200)


class StaffChange(BaseModel):
    """What is left out stays; null takes a phone, an account, a leave or a replacement away."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    revision: int = Field(ge=1)
    name: Name | None = None
    post: Post | None = None
    platform: str | None = Field(default=None, max_length=32)
    username: str | None = Field(default=None, max_length=64)
    grids: Grids | None = None
    days: Days | None = None
    hours: Hours | None = None
    phone: SecretStr | None = Field(default=None, max_length=32)
    leave_from: Moment | None = None
    leave_until: Moment | None = None
    replacement: str | None = Field(default=None, max_length=36)
    note: Annotated[str, one_line] | None = Field(default=None, max_length=200)


class StaffShown(BaseModel):
    """``phone`` is masked; whole at ``/grid-staff/{id}/phone``. ``on_duty`` and ``on_leave``: now."""

    id: str
    platform: str
    name: str
    post: str
    username: str | None
    grids: list[str]
    days: list[int]
    hours: list[tuple[str, str]]
    phone: str | None
    leave_from: datetime | None
    leave_until: datetime | None
    replacement: str | None
    replacement_name: str | None
    on_duty: bool
    on_leave: bool
    note: str
    changed_at: datetime
    revision: int


class StaffList(BaseModel):
    items: list[StaffShown]
    total: int


class PhoneShown(BaseModel):
    phone: str | None


@router.get("/grid-staff")
async def list_staff(
    caller: Reader,
    doors: Doors,
    grid: Annotated[str | None, Query(pattern=r"^[0-9A-Za-z-]{1,32}$")] = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    post: Annotated[Post | None, Query()] = None,
    on_leave: Annotated[bool | None, Query(description="Whether on leave now.")] = None,
    name: Annotated[str | None, Query(max_length=100, description="Part of a name or an account.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> StaffList:
    """The staff in the caller's scope, by name."""
    row, now = GridStaffRow, doors.clock()
    conditions = [caller.visible(row.platform)]
    if grid is not None:
        conditions.append(cast(row.grids, String).like(f'%"{grid}"%'))
    if platform is not None:
        conditions.append(row.platform == platform)
    if post is not None:
        conditions.append(row.post == post)
    if name is not None:
        conditions.append(or_(row.name.contains(name, autoescape=True), row.username.contains(name, autoescape=True)))
    if on_leave is not None:
        away = (row.leave_from <= now) & (row.leave_until.is_(None) | (row.leave_until > now))
        conditions.append(away if on_leave else ~func.coalesce(away, False))
    async with doors.db.reading() as session:
        total = (await session.execute(select(func.count()).select_from(row).where(*conditions))).scalar_one()
        query = select(row).where(*conditions).order_by(row.name, row.id).limit(limit).offset(offset)
        rows = list(await session.scalars(query))
        names = await names_of(session, {one.replacement for one in rows if one.replacement})
    return StaffList(items=[_shown(one, doors, names) for one in rows], total=total)


@router.post("/grid-staff", status_code=201)
async def add_staff(asked: StaffAsked, caller: Writer, doors: Doors) -> StaffShown:
    async with doors.db.transaction() as session:
        row = GridStaffRow(id=new_id(), platform=asked.platform or caller.platform)
        await _fill(session, caller, row, asked.model_dump(exclude={"platform"}), doors)
        session.add(row)
        return await _kept(session, caller, row, "staff.add", doors)


@router.get("/grid-staff/{staff_id}")
async def get_staff(staff_id: str, caller: Reader, doors: Doors) -> StaffShown:
    async with doors.db.reading() as session:
        row = await _found(session, caller, staff_id)
        return _shown(row, doors, await names_of(session, {row.replacement or ""}))


@router.get("/grid-staff/{staff_id}/phone")
async def read_phone(
    staff_id: str, caller: Annotated[Caller, Depends(permit("staff.phone"))], doors: Doors
) -> PhoneShown:
    """The whole number. That it was read is in the audit chain."""
    async with doors.db.transaction() as session:
        row = await _found(session, caller, staff_id)
        phone = phone_of(row, doors.vault)
        act = audit.Act(caller.username, "staff.phone", f"grid_staff:{row.id}", row.platform, why=row.name)
        await audit.append(session, act, doors.clock())
    return PhoneShown(phone=phone)


@router.patch("/grid-staff/{staff_id}")
async def change_staff(staff_id: str, asked: StaffChange, caller: Writer, doors: Doors) -> StaffShown:
    async with doors.db.transaction() as session:
        row = await _found(session, caller, staff_id, asked.revision, hold=True)
        nullable = {"username", "phone", "leave_from", "leave_until", "replacement"}
        said = asked.model_dump(exclude={"revision"}, exclude_unset=True)
        await _fill(session, caller, row, {k: v for k, v in said.items() if v is not None or k in nullable}, doors)
        return await _kept(session, caller, row, "staff.change", doors, ", ".join(sorted(said)))


@router.delete("/grid-staff/{staff_id}", status_code=204)
async def remove_staff(staff_id: str, revision: Annotated[int, Query(ge=1)], caller: Writer, doors: Doors) -> None:
    """Refused while a dispatch rule names them or they stand in for another."""
    async with doors.db.transaction() as session:
        row = await _found(session, caller, staff_id, revision, hold=True)
        rule = await session.scalar(select(DispatchRuleRow.number).where(DispatchRuleRow.staff == row.id).limit(1))
        other = await session.scalar(select(GridStaffRow.name).where(GridStaffRow.replacement == row.id).limit(1))
        if rule is not None or other is not None:
            zh = f"派遣规则 {rule} 指定了此人" if rule is not None else f"此人正为{other}顶岗"
            en = f"dispatch rule {rule} names them" if rule is not None else f"they stand in for {other}"
            raise Refusal("conflict", "staff_in_use", f"{zh}，不能删除。", f"Not deleted: {en}.")
        act = audit.Act(caller.username, "staff.remove", f"grid_staff:{row.id}", row.platform, why=row.name)
        await audit.append(session, act, doors.clock())
        await session.delete(row)


async def _fill(
    session: AsyncSession, caller: Caller, row: GridStaffRow, said: Mapping[str, Any], doors: Services
) -> None:
    """Put what was said into the row, checked as a whole."""
    values = dict(said)
    if "phone" in values:
        phone = values.pop("phone")
        seal_phone(row, checked_phone(phone.get_secret_value()) if phone else None, doors.vault)
    for name, value in values.items():
        setattr(row, name, value)
    days, hours = checked_hours(row.days, row.hours)
    row.days, row.hours = list(days), [list(span) for span in hours]
    row.grids = sorted(set(row.grids))
    row.changed_at = doors.clock()
    Leave(row.leave_from, row.leave_until).check()
    with session.no_autoflush:
        await check_owner(session, caller, row.platform)
        await check_links(session, caller, row)


async def _kept(
    session: AsyncSession, caller: Caller, row: GridStaffRow, what: str, doors: Services, why: str = ""
) -> StaffShown:
    await session.flush()
    names = await names_of(session, {row.replacement or ""})
    act = audit.Act(caller.username, what, f"grid_staff:{row.id}", row.platform, why=f"{row.name} {why}".strip())
    await audit.append(session, act, doors.clock())
    return _shown(row, doors, names)


async def _found(
    session: AsyncSession, caller: Caller, staff_id: str, revision: int | None = None, *, hold: bool = False
) -> GridStaffRow:
    query = select(GridStaffRow).where(GridStaffRow.id == staff_id, caller.visible(GridStaffRow.platform))
    row = await session.scalar(query.with_for_update() if hold else query)
    if row is None:
        raise Refusal("not_found", "staff_unknown", "没有这名网格员。", "There is no such person.", field="staff_id")
    if revision is not None and row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
    return row


def _shown(row: GridStaffRow, doors: Services, names: Mapping[str, str]) -> StaffShown:
    now, phone, staff = doors.clock(), phone_of(row, doors.vault), staff_of(row)
    return StaffShown(
        id=row.id,
        platform=row.platform,
        name=row.name,
        post=row.post,
        username=row.username,
        grids=[str(code) for code in row.grids],
        days=[int(day) for day in row.days],
        hours=[(start, end) for start, end in row.hours],
        phone=masked(phone) if phone else None,
        leave_from=row.leave_from,
        leave_until=row.leave_until,
        replacement=row.replacement,
        replacement_name=names.get(row.replacement or ""),
        on_duty=staff.on_duty(now),
        on_leave=staff.on_leave(now),
        note=row.note,
        changed_at=row.changed_at,
        revision=row.revision,
    )
