"""``/api/v1/platforms``: hub, towns, departments and communities as one tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.grid import platforms
from gateway.grid.tree import PlatformKind
from gateway.refusals import Refusal
from gateway.storage.tables.grid import Grid

router = APIRouter(tags=["grid"])

Writer = Annotated[Caller, Depends(permit("grids.write"))]
Division = Annotated[str, Field(pattern=r"^([0-9]{6}|[0-9]{9}|[0-9]{12})?$")]
Name = Annotated[str, one_line, Field(min_length=1, max_length=100)]


class PlatformShown(BaseModel):
    """``division``: 6, 9 or 12 digits by GB/T 2260 and below, or empty. ``grids``: how many it owns itself."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    kind: str
    parent: str | None
    division: str
    revision: int
    grids: int = 0


class PlatformList(BaseModel):
    items: list[PlatformShown]
    total: int


class PlatformAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    code: str = Field(pattern=r"^[a-z0-9_-]{1,32}$")
    name: Name
    kind: PlatformKind
    parent: str | None = Field(default=None, max_length=32, description="Left out: the caller's platform.")
    division: Division = ""


class PlatformChangeAsked(BaseModel):
    """What is left out stays. A move takes along all that hangs below, and is to be confirmed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    revision: int = Field(ge=1)
    name: Name | None = None
    division: Division | None = None
    parent: str | None = Field(default=None, max_length=32)
    confirm: bool = Field(default=False, description="For a move: without it, you are told what would move along.")


@router.get("/platforms")
async def list_platforms(caller: Annotated[Caller, Depends(permit("platforms.read"))], doors: Doors) -> PlatformList:
    """The platforms in the caller's scope, the hub first."""
    async with doors.db.reading() as session:
        rows = [row for row in await platforms.listed(session) if caller.sees(row.code)]
        grids = await platforms.counted(session, Grid.platform)
    items = [PlatformShown.model_validate(row).model_copy(update={"grids": grids.get(row.code, 0)}) for row in rows]
    return PlatformList(items=items, total=len(items))


@router.post("/platforms", status_code=201)
async def add_platform(asked: PlatformAsked, caller: Writer, doors: Doors) -> PlatformShown:
    """Add a sub-platform below one in the caller's scope."""
    parent = asked.parent or caller.platform
    _in_scope(caller, parent)
    async with doors.db.transaction() as session:
        made = await platforms.add_sub_platform(session, asked.code, asked.name, asked.kind, parent, asked.division)
        act = audit.Act(caller.username, "platform.add", f"platform:{asked.code}", asked.code, why=f"under {parent}")
        await audit.append(session, act, doors.clock())
        return PlatformShown.model_validate(made)


@router.patch("/platforms/{code}")
async def change_platform(code: str, asked: PlatformChangeAsked, caller: Writer, doors: Doors) -> PlatformShown:
    """Rename a platform, give it another division, or move it with all below it."""
    _known(caller, code)
    if asked.parent is not None:
        _in_scope(caller, asked.parent)
        if code == caller.platform and caller.platforms is not None:
            raise _beyond()
    change = platforms.PlatformChange(asked.name, asked.division, asked.parent, asked.confirm)
    async with doors.db.transaction() as session:
        row = await platforms.change_platform(session, code, asked.revision, change)
        said = asked.model_dump(exclude_unset=True, exclude={"revision", "confirm"})
        what = "platform.move" if asked.parent is not None else "platform.change"
        why = ", ".join(f"{name}={value}" for name, value in sorted(said.items()))
        await audit.append(session, audit.Act(caller.username, what, f"platform:{code}", code, why=why), doors.clock())
        return PlatformShown.model_validate(row)


@router.delete("/platforms/{code}", status_code=204)
async def remove_platform(code: str, revision: Annotated[int, Query(ge=1)], caller: Writer, doors: Doors) -> None:
    """Refused while anything hangs under it or belongs to it."""
    _known(caller, code)
    if code == caller.platform:
        raise _beyond()
    async with doors.db.transaction() as session:
        row = await platforms.remove_platform(session, code, revision)
        act = audit.Act(caller.username, "platform.remove", f"platform:{code}", row.parent or "", why=row.name)
        await audit.append(session, act, doors.clock())


def _known(caller: Caller, code: str) -> None:
    if not caller.sees(code):
        raise Refusal("not_found", "platform_unknown", f"没有平台“{code}”。", f"There is no platform {code!r}.")


def _in_scope(caller: Caller, parent: str) -> None:
    if not caller.sees(parent):
        raise _beyond()


def _beyond() -> Refusal:
    return Refusal(
        "forbidden",
        "scope_beyond_yours",
        "上级平台不在您的管辖范围内。",
        "The platform above is outside your scope.",
        field="parent",
    )
