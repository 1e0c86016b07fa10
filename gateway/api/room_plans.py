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
from gateway.rooms.records import utc_text

router = APIRouter()

Planner = Annotated[Caller, Depends(permit("rooms.plan"))]
Approver = Annotated[Caller, Depends(permit("rooms.approve"))]


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
    """``approved_by``: in whose name the plan acts by itself; null: in nobody's, so that it opens a room and calls
    nobody into it."""
    return [
        {
            "id": kept.id,
            "class_code": kept.plan.class_code,
            "grid": kept.plan.grid,
            "invitees": msgspec.to_builtins(kept.plan.invitees),
            "cameras": list(kept.plan.cameras),
            "nearest": kept.plan.nearest,
            "mode": kept.plan.mode,
            "opens": kept.plan.opens,
            "author": kept.author,
            "approved_by": kept.approved_by,
            "approved_at": utc_text(kept.approved_at) if kept.approved_at else None,
        }
        for kept in await desk.plans.listed(caller)
    ]


@router.put("/room-plans")
async def put_plan(asked: PlanAsked, caller: Planner, desk: Desk) -> dict[str, str]:
    """Set the plan of a class, grid and mode; one that stands is replaced. What a duty leader or commander writes acts
    in their name; what others write waits for one of them to approve it."""
    invitees = tuple(Invitee(one.name, one.username, one.address) for one in asked.invitees)
    plan = Plan(asked.class_code, asked.grid, invitees, tuple(asked.cameras), asked.nearest, asked.mode, asked.opens)
    return {"id": await desk.plans.put(caller, plan)}


@router.post("/room-plans/{plan_id}/approval", status_code=204)
async def approve_plan(plan_id: str, caller: Approver, desk: Desk) -> None:
    """From now on the plan is a standing order in the caller's name."""
    await desk.plans.approve(caller, plan_id)


@router.delete("/room-plans/{plan_id}", status_code=204)
async def delete_plan(plan_id: str, caller: Planner, desk: Desk) -> None:
    await desk.plans.delete(caller, plan_id)
