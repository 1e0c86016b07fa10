"""``/api/v1/terminals``: conference terminals that are known, and so need not wait in the lobby."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.room_doors import Desk
from gateway.rooms.ringing import checked_address

router = APIRouter()

Writer = Annotated[Caller, Depends(permit("terminals.write"))]


class TerminalAsked(BaseModel):
    """``username`` is the user part of the terminal's SIP address; ``password`` is for its digest."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(min_length=1, max_length=64)
    name: Annotated[str, one_line] = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=128, repr=False)
    address: str = Field(default="", max_length=200, description="sip:…, where it is rung while not registered.")


@router.get("/terminals")
async def list_terminals(
    caller: Annotated[Caller, Depends(permit("terminals.read"))], desk: Desk
) -> list[dict[str, Any]]:
    """``registered``: it has said where it is, and can be rung there."""
    return await desk.terminals.listed(caller)


@router.post("/terminals", status_code=201)
async def add_terminal(asked: TerminalAsked, caller: Writer, desk: Desk) -> dict[str, Any]:
    address = checked_address(asked.address) if asked.address else ""
    return await desk.terminals.add(caller, asked.username, asked.name, asked.password, address)


@router.delete("/terminals/{terminal_id}", status_code=204)
async def remove_terminal(terminal_id: str, caller: Writer, desk: Desk) -> None:
    await desk.terminals.remove(caller, terminal_id)
