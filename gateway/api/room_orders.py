"""Orders: issued in a room, signed for and fed back by each addressee (``/api/v1/orders``)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.fields import Moment, plain_text
from gateway.api.guard import permit
from gateway.api.room_doors import Desk

router = APIRouter()

Addressee = Annotated[Caller, Depends(permit("orders.own"))]


class OrderAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: Annotated[str, plain_text] = Field(min_length=1, max_length=2000)
    addressees: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=50)
    due_at: Moment | None = None


class Feedback(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: Annotated[str, plain_text] = Field(min_length=1, max_length=2000)


@router.post("/rooms/{room_id}/orders", status_code=201)
async def issue_order(
    room_id: str, asked: OrderAsked, caller: Annotated[Caller, Depends(permit("rooms.control"))], desk: Desk
) -> list[dict[str, Any]]:
    """指令下发: one order to each addressee."""
    return await desk.orders.issue(caller, room_id, asked.text, asked.addressees, asked.due_at)


@router.get("/rooms/{room_id}/orders")
async def list_orders(
    room_id: str, caller: Annotated[Caller, Depends(permit("rooms.read"))], desk: Desk
) -> list[dict[str, Any]]:
    return await desk.orders.of_room(caller, room_id)


@router.get("/orders")
async def my_orders(caller: Addressee, desk: Desk) -> list[dict[str, Any]]:
    """The caller's own, those not done first."""
    return await desk.orders.of_caller(caller)


@router.post("/orders/{order_id}/sign")
async def sign_order(order_id: str, caller: Addressee, desk: Desk) -> dict[str, Any]:
    """签收."""
    return await desk.orders.sign(caller, order_id)


@router.post("/orders/{order_id}/feedback")
async def feed_back_order(order_id: str, feedback: Feedback, caller: Addressee, desk: Desk) -> dict[str, Any]:
    """反馈."""
    return await desk.orders.feed_back(caller, order_id, feedback.text)
