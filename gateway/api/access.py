"""``/api/v1/access`` and ``/api/v1/users``: viewing grants, the audit chain, and who may sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.access import audit, grants, users
from gateway.access.caller import Caller
from gateway.api.fields import Moment, one_line
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.storage.tables.access import User

router = APIRouter(tags=["access"])


class GrantAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    purpose: Annotated[str, one_line] = Field(max_length=200, description="Why the video is viewed.")
    scope: str = Field(max_length=80, description="platform:CODE, camera:CODE or event:NO.")
    until: Moment = Field(description="At most 12 hours ahead.")


class Grant(BaseModel):
    id: str
    purpose: str
    scope: str
    until: datetime


class GrantList(BaseModel):
    items: list[Grant]
    total: int


@router.post("/access/grants", status_code=201)
async def ask_grant(asked: GrantAsked, caller: Annotated[Caller, Depends(permit("grants.ask"))], doors: Doors) -> Grant:
    """Register the reason for viewing (调阅登记); cite the id with each view."""
    async with doors.db.transaction() as session:
        grant = await grants.ask(
            session, caller, purpose=asked.purpose, scope=asked.scope, until=asked.until, now=doors.clock()
        )
        return Grant(id=grant.id, purpose=grant.purpose, scope=asked.scope, until=grant.until)


@router.get("/access/grants")
async def my_grants(caller: Annotated[Caller, Depends(permit("grants.ask"))], doors: Doors) -> GrantList:
    """The caller's grants that still run, newest first."""
    async with doors.db.reading() as session:
        items = [
            Grant(id=row.id, purpose=row.purpose, scope=f"{row.scope_kind}:{row.scope_value}", until=row.until)
            for row in await grants.mine(session, caller, doors.clock())
        ]
    return GrantList(items=items, total=len(items))


class AuditEntry(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    seq: int
    at: datetime
    who: str
    what: str
    target: str
    why: str
    platform: str
    grant_id: str | None
    previous_hash: str
    hash: str


class AuditList(BaseModel):
    items: list[AuditEntry]
    total: int


@router.get("/access/audit")
async def read_audit(
    caller: Annotated[Caller, Depends(permit("audit.read"))],
    doors: Doors,
    who: Annotated[str | None, Query(max_length=64)] = None,
    what: Annotated[str | None, Query(max_length=64, description="Or its beginning, e.g. `view.`.")] = None,
    target: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> AuditList:
    """The audit rows in the caller's scope, newest first; with `what=view.` it is the access register (调阅登记)."""
    async with doors.db.reading() as session:
        page = await audit.page(
            session, who=who, what=what, target=target, limit=limit, offset=offset, platforms=caller.platforms
        )
    return AuditList(items=[AuditEntry.model_validate(row) for row in page.items], total=page.total)


class AuditVerdict(BaseModel):
    holds: bool
    rows: int
    broken_at: int | None = None
    reason: str | None = None


@router.get("/access/audit/verify")
async def verify_audit(caller: Annotated[Caller, Depends(permit("audit.read"))], doors: Doors) -> AuditVerdict:
    """Walk the chain and say whether every link holds. ``rows`` counts those of the caller's scope."""
    async with doors.db.reading() as session:
        verdict = await audit.verify(session)
        rows = verdict.rows
        if caller.platforms is not None:
            rows = (await audit.page(session, limit=0, platforms=caller.platforms)).total
    return AuditVerdict(holds=verdict.holds, rows=rows, broken_at=verdict.broken_at, reason=verdict.reason)


class UserShown(BaseModel):
    id: str
    username: str
    display_name: str
    roles: list[str]
    platform: str
    disabled: bool
    created_at: datetime
    revision: int


class UserList(BaseModel):
    items: list[UserShown]
    total: int


class UserAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: str = Field(max_length=64)
    password: str = Field(max_length=256, repr=False)
    display_name: Annotated[str, one_line] = Field(max_length=100)
    roles: list[str] = Field(max_length=20)
    platform: str | None = Field(default=None, max_length=32, description="In your scope; left out: your own.")


class UserChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(default=None, max_length=256, repr=False)
    roles: list[str] | None = Field(default=None, max_length=20)
    disabled: bool | None = None


def _shown(user: User) -> UserShown:
    return UserShown(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        roles=[str(role) for role in user.roles],
        platform=user.platform,
        disabled=user.disabled,
        created_at=user.created_at,
        revision=user.revision,
    )


@router.get("/users")
async def list_users(caller: Annotated[Caller, Depends(permit("users.read"))], doors: Doors) -> UserList:
    """Everyone in the caller's scope who may sign in, by username."""
    async with doors.db.reading() as session:
        items = [_shown(user) for user in await users.listed(session, caller)]
    return UserList(items=items, total=len(items))


@router.post("/users", status_code=201)
async def create_user(
    asked: UserAsked, caller: Annotated[Caller, Depends(permit("users.write"))], doors: Doors
) -> UserShown:
    """Make a user. There is no default password; it is given here and can be changed by the user's administrator."""
    platform = asked.platform or caller.platform
    if not caller.sees(platform):
        raise Refusal(
            "forbidden",
            "scope_beyond_yours",
            "该平台不在您的管辖范围内。",
            "That platform is outside your scope.",
            field="platform",
        )
    new = users.NewUser(
        username=asked.username,
        password=asked.password,
        display_name=asked.display_name,
        roles=tuple(asked.roles),
        platform=platform,
    )
    async with doors.db.transaction() as session:
        return _shown(await users.create(session, doors.passwords, new, by=caller.username, now=doors.clock()))


@router.patch("/users/{username}")
async def change_user(
    username: str, change: UserChange, caller: Annotated[Caller, Depends(permit("users.write"))], doors: Doors
) -> UserShown:
    """Give a new password or other roles, disable or enable; all of it or nothing. Ends the user's sessions."""
    by, now = caller.username, doors.clock()
    async with doors.db.transaction() as session:
        await users.within(session, caller, username)
        if change.password is not None:
            await users.set_password(session, doors.passwords, username, change.password, by=by, now=now)
        if change.roles is not None:
            await users.set_roles(session, username, change.roles, by=by, now=now)
        if change.disabled is not None:
            await users.set_disabled(session, username, change.disabled, by=by, now=now)
        user = await users.found(session, username)
        await session.flush()
        return _shown(user)
