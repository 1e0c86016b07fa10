"""``/api/v1/mode``: peace, wartime and drills (平战转换、演练): what holds now, and the switches asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.access.scopes import above
from gateway.api.fields import Moment, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.mode import SwitchAsked, SwitchState
from gateway.events.mode_switches import ModeSwitches
from gateway.storage.tables.modes import ModeLogRow, ModeSwitchRow

router = APIRouter(tags=["mode"])

MOST = 500


class ModeLogShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    action: str = Field(description="ask, approve, refuse, withdraw, end, warn or lapse")
    operator: str
    opinion: str


class ModeSwitchShown(BaseModel):
    """A switch. ``platform`` with all below it; no ``classes``: all. In force from ``since`` while ``approved``."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    platform: str
    wartime: bool
    drill: bool
    classes: list[str]
    reason: str
    state: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    since: datetime | None
    until: datetime
    warned_at: datetime | None
    revision: int
    log: list[ModeLogShown] = []


class Conducted(BaseModel):
    """What wartime changes, as shares of what holds in peace."""

    window_share: float
    limit_share: float
    supervise_share: float
    escalated_by: list[str]


class ModeShown(BaseModel):
    """Whether wartime or a drill holds anywhere in the caller's sight; ``switches``: those in force; ``asked``: how
    many wait for a decision."""

    wartime: bool
    drill: bool
    switches: list[ModeSwitchShown]
    asked: int
    wartime_changes: Conducted


class ModeSwitchList(BaseModel):
    items: list[ModeSwitchShown]
    total: int


class SwitchWanted(BaseModel):
    """Wartime, a drill, or both: a drill of wartime."""

    model_config = ConfigDict(extra="forbid")

    wartime: bool = False
    drill: bool = False
    platform: str | None = Field(default=None, max_length=32, description="Left out: the caller's own.")
    classes: list[Annotated[str, Field(max_length=16)]] = Field(default=[], max_length=100)
    reason: Annotated[str, plain_text] = Field(max_length=500)
    until: Moment


class Decided(BaseModel):
    model_config = ConfigDict(extra="forbid")

    opinion: Annotated[str, plain_text] = Field(default="", max_length=500)


@router.get("/mode")
async def read_mode(caller: Annotated[Caller, Depends(permit("mode.read"))], doors: Doors) -> ModeShown:
    """What holds now, for the caller's platform, those below it, and by order of those above."""
    now = doors.clock()
    async with doors.db.reading() as session:
        in_sight = await _in_sight(session, caller)
        held = select(ModeSwitchRow).where(in_sight, ModeSwitchRow.state == "approved", ModeSwitchRow.until > now)
        rows = list(await session.scalars(held.order_by(ModeSwitchRow.until)))
        waiting = select(ModeSwitchRow.id).where(in_sight, ModeSwitchRow.state == "asked", ModeSwitchRow.until > now)
        asked = len(list(await session.scalars(waiting.limit(MOST))))
        switches = await _shown(session, rows)
    wartime = doors.settings.wartime
    return ModeShown(
        wartime=any(one.wartime for one in rows),
        drill=any(one.drill for one in rows),
        switches=switches,
        asked=asked,
        wartime_changes=Conducted(
            window_share=wartime.window_share,
            limit_share=wartime.limit_share,
            supervise_share=wartime.supervise_share,
            escalated_by=list(wartime.escalated_by),
        ),
    )


@router.get("/mode/switches")
async def list_switches(
    caller: Annotated[Caller, Depends(permit("mode.read"))],
    doors: Doors,
    state: Annotated[list[SwitchState] | None, Query(max_length=6, description="Repeat for several.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> ModeSwitchList:
    """Switches in sight with their logs, the newest first."""
    async with doors.db.reading() as session:
        query = select(ModeSwitchRow).where(await _in_sight(session, caller))
        if state:
            query = query.where(ModeSwitchRow.state.in_(state))
        items = await _shown(
            session, list(await session.scalars(query.order_by(ModeSwitchRow.asked_at.desc()).limit(limit)))
        )
    return ModeSwitchList(items=items, total=len(items))


@router.post("/mode/switches", status_code=201)
async def ask_switch(
    asked: SwitchWanted, caller: Annotated[Caller, Depends(permit("mode.ask"))], doors: Doors
) -> ModeSwitchShown:
    """Ask for a switch; another than the asker approves it."""
    platform = asked.platform or caller.platform
    wanted = SwitchAsked(asked.wartime, asked.drill, platform, frozenset(asked.classes), asked.reason, asked.until)
    row = await _switches(doors).ask(caller, wanted)
    async with doors.db.reading() as session:
        return (await _shown(session, [row]))[0]


@router.post("/mode/switches/{switch_id}/{action}")
async def decide_switch(
    switch_id: str,
    action: str,
    asked: Decided,
    caller: Annotated[Caller, Depends(permit("mode.ask"))],
    doors: Doors,
) -> ModeSwitchShown:
    """``approve`` (not by the asker), ``refuse``, ``end`` before its time, or ``withdraw`` (by the asker)."""
    row = await _switches(doors).decide(caller, switch_id, action, asked.opinion)
    async with doors.db.reading() as session:
        return (await _shown(session, [row]))[0]


def _switches(doors: Services) -> ModeSwitches:
    return ModeSwitches(doors.announcer, doors.books)


async def _in_sight(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Those of the caller's scope, and those by which platforms above govern it."""
    return or_(
        caller.visible(ModeSwitchRow.platform),
        ModeSwitchRow.platform.in_(await above(session, caller.platform)),
    )


async def _shown(session: AsyncSession, rows: Sequence[ModeSwitchRow]) -> list[ModeSwitchShown]:
    entries: defaultdict[str, list[ModeLogShown]] = defaultdict(list)
    query = select(ModeLogRow).where(ModeLogRow.switch_id.in_([row.id for row in rows]))
    for entry in await session.scalars(query.order_by(ModeLogRow.at, ModeLogRow.id)):
        entries[entry.switch_id].append(ModeLogShown.model_validate(entry))
    return [ModeSwitchShown.model_validate(row).model_copy(update={"log": entries[row.id]}) for row in rows]
