"""``/api/v1/room-plans``: for an event of a class in a grid, who is invited and which cameras come in."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.room_doors import Desk
from gateway.rooms.consultation import Invitee
from gateway.rooms.plans import MOST_CAMERAS, Plan, PlanMode

router = APIRouter()

Planner = Annotated[Caller, Depends(permit("rooms.plan"))]


class PlanInvitee(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    username: str | None = Field(default=None, max_length=64)
    address: str | None = Field(default=None, max_length=200)


class PlanAsked(BaseModel):
    """``class_code``, ``grid`` and ``mode`` may be ``*``; ``nearest``: how many of the cameras around come in beside;
    ``opens``: the room opens by itself when such an event is escalated."""

    model_config = ConfigDict(extra="forbid")

    class_code: str = Field(pattern=r"^(\*|[0-9A-Za-z-]{1,16})$")
    grid: str = Field(pattern=r"^(\*|[0-9A-Za-z-]{1,32})$")
    invitees: list[PlanInvitee] = Field(default=[], max_length=50)
    cameras: list[Annotated[str, Field(pattern=r"^\d{20}$")]] = Field(default=[], max_length=MOST_CAMERAS)
    nearest: int = Field(default=2, ge=0, le=MOST_CAMERAS)
    mode: PlanMode = "*"
    opens: bool = True


@router.get("/room-plans")
async def list_plans(caller: Planner, desk: Desk) -> list[dict[str, Any]]:
    return [
        {
            "id": plan_id,
            "class_code": plan.class_code,
            "grid": plan.grid,
            "invitees": msgspec.to_builtins(plan.invitees),
            "cameras": list(plan.cameras),
            "nearest": plan.nearest,
            "mode": plan.mode,
            "opens": plan.opens,
        }
        for plan_id, plan in await desk.plans.listed(caller)
    ]


@router.put("/room-plans")
async def put_plan(asked: PlanAsked, caller: Planner, desk: Desk) -> dict[str, str]:
    """Set the plan of a class, grid and mode; one that stands is replaced."""
    invitees = tuple(Invitee(one.name, one.username, one.address) for one in asked.invitees)
    plan = Plan(asked.class_code, asked.grid, invitees, tuple(asked.cameras), asked.nearest, asked.mode, asked.opens)
    return {"id": await desk.plans.put(caller, plan)}


@router.delete("/room-plans/{plan_id}", status_code=204)
async def delete_plan(plan_id: str, caller: Planner, desk: Desk) -> None:
    await desk.plans.delete(caller, plan_id)
