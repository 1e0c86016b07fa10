"""``/api/v1/webhooks``: who is told of events, and how that went. A secret is shown once, when it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events import webhooks
from gateway.storage.tables.events import OutboxRow, WebhookDeliveryRow, WebhookRow

router = APIRouter(tags=["webhooks"])

DeliveryState = Literal["pending", "delivered", "dead"]


class WebhookShown(BaseModel):
    """``pending``, ``delivered``, ``dead``: its deliveries. ``configured``: from the settings file."""

    id: str
    url: str
    types: list[str] = Field(description="Message types; empty: all.")
    description: str
    enabled: bool
    configured: bool
    platform: str
    created_at: datetime
    pending: int
    delivered: int
    dead: int
    revision: int


class WebhookMade(WebhookShown):
    secret: str = Field(description="Shown this once; the receiver checks signatures with it.")


class WebhookList(BaseModel):
    items: list[WebhookShown]
    total: int


class WebhookAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=1000, description="https, or http to this machine.")
    types: list[str] = Field(default=[], max_length=20)
    description: Annotated[str, one_line] = Field(default="", max_length=200)


class WebhookChanged(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(default=None, max_length=1000)
    types: list[str] | None = Field(default=None, max_length=20)
    description: Annotated[str, one_line] | None = Field(default=None, max_length=200)
    enabled: bool | None = None
    revision: int | None = Field(default=None, ge=1)


class DeliveryShown(BaseModel):
    """One message for this receiver. ``message_id`` is the webhook-id and CloudEvents id, the same in every try."""

    id: str
    message_id: str
    type: str
    subject: str
    state: str = Field(description="pending, delivered or dead")
    attempts: int
    created_at: datetime
    next_at: datetime
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None


class DeliveryList(BaseModel):
    items: list[DeliveryShown]
    total: int


class Replayed(BaseModel):
    replayed: int


async def _shown(session: AsyncSession, rows: list[WebhookRow]) -> list[WebhookShown]:
    query = (
        select(WebhookDeliveryRow.webhook_id, WebhookDeliveryRow.state, func.count())
        .where(WebhookDeliveryRow.webhook_id.in_([row.id for row in rows]))
        .group_by(WebhookDeliveryRow.webhook_id, WebhookDeliveryRow.state)
    )
    counts = {(webhook_id, state): count for webhook_id, state, count in await session.execute(query)}
    return [
        WebhookShown(
            id=row.id,
            url=row.url,
            types=[str(type_) for type_ in row.types],
            description=row.description,
            enabled=row.enabled,
            configured=row.configured,
            platform=row.platform,
            created_at=row.created_at,
            pending=counts.get((row.id, "pending"), 0),
            delivered=counts.get((row.id, "delivered"), 0),
            dead=counts.get((row.id, "dead"), 0),
            revision=row.revision,
        )
        for row in rows
    ]


@router.get("/webhooks")
async def list_webhooks(caller: Annotated[Caller, Depends(permit("webhooks.read"))], doors: Doors) -> WebhookList:
    """The receivers in the caller's scope, in the order in which they were added."""
    async with doors.db.reading() as session:
        rows = await session.scalars(
            select(WebhookRow).where(caller.visible(WebhookRow.platform)).order_by(WebhookRow.id)
        )
        items = await _shown(session, list(rows))
    return WebhookList(items=items, total=len(items))


@router.post("/webhooks", status_code=201)
async def add_webhook(
    asked: WebhookAsked, caller: Annotated[Caller, Depends(permit("webhooks.write"))], doors: Doors
) -> WebhookMade:
    """Add a receiver: CloudEvents 1.0 JSON, signed as Standard Webhooks says, at least once, from now on."""
    async with doors.db.transaction() as session:
        row, secret = await webhooks.add(
            session,
            doors.vault,
            caller,
            url=asked.url,
            types=asked.types,
            description=asked.description,
            now=doors.clock(),
        )
        shown = (await _shown(session, [row]))[0]
    return WebhookMade(**shown.model_dump(), secret=secret)


@router.get("/webhooks/{webhook_id}")
async def get_webhook(
    webhook_id: str, caller: Annotated[Caller, Depends(permit("webhooks.read"))], doors: Doors
) -> WebhookShown:
    async with doors.db.reading() as session:
        return (await _shown(session, [await webhooks.found(session, caller, webhook_id)]))[0]


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(
    webhook_id: str,
    asked: WebhookChanged,
    caller: Annotated[Caller, Depends(permit("webhooks.write"))],
    doors: Doors,
) -> WebhookShown:
    """Change address, types or description; disable or enable. What waits for a disabled receiver goes on waiting."""
    wanted = webhooks.WebhookChange(
        asked.url, tuple(asked.types) if asked.types is not None else None, asked.description, asked.enabled
    )
    async with doors.db.transaction() as session:
        row = await webhooks.change(session, caller, webhook_id, wanted, asked.revision, doors.clock())
        shown = (await _shown(session, [row]))[0]
    doors.wake_outbox()
    return shown


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def remove_webhook(
    webhook_id: str, caller: Annotated[Caller, Depends(permit("webhooks.write"))], doors: Doors
) -> None:
    """Take a receiver away, with what was still to be delivered to it."""
    async with doors.db.transaction() as session:
        await webhooks.remove(session, caller, webhook_id, doors.clock())


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: str,
    caller: Annotated[Caller, Depends(permit("webhooks.read"))],
    doors: Doors,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> DeliveryList:
    """What was sent to the receiver and what waits, the newest first."""
    async with doors.db.reading() as session:
        await webhooks.found(session, caller, webhook_id)
        conditions = [WebhookDeliveryRow.webhook_id == webhook_id]
        if state is not None:
            conditions.append(WebhookDeliveryRow.state == state)
        count = select(func.count()).select_from(WebhookDeliveryRow).where(*conditions)
        total = (await session.execute(count)).scalar_one()
        rows = await session.execute(
            select(WebhookDeliveryRow, OutboxRow.type, OutboxRow.subject)
            .join(OutboxRow, OutboxRow.id == WebhookDeliveryRow.outbox_id)
            .where(*conditions)
            .order_by(WebhookDeliveryRow.id.desc())
            .limit(limit)
            .offset(offset)
        )
        items = [
            DeliveryShown(
                id=row.id,
                message_id=row.outbox_id,
                type=type_,
                subject=subject,
                state=row.state,
                attempts=row.attempts,
                created_at=row.created_at,
                next_at=row.next_at,
                last_status=row.last_status,
                last_error=row.last_error,
                delivered_at=row.delivered_at,
            )
            for row, type_, subject in rows
        ]
    return DeliveryList(items=items, total=total)


@router.post("/webhooks/{webhook_id}/replay")
async def replay_dead_letters(
    webhook_id: str, caller: Annotated[Caller, Depends(permit("webhooks.write"))], doors: Doors
) -> Replayed:
    """Send every dead letter of the receiver anew, each under its old message id."""
    async with doors.db.transaction() as session:
        count = await webhooks.replay(session, caller, webhook_id, None, doors.clock())
    doors.wake_outbox()
    return Replayed(replayed=count)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/replay")
async def replay_delivery(
    webhook_id: str, delivery_id: str, caller: Annotated[Caller, Depends(permit("webhooks.write"))], doors: Doors
) -> Replayed:
    """Send one message anew, under its old message id, whether it had been delivered or not."""
    async with doors.db.transaction() as session:
        count = await webhooks.replay(session, caller, webhook_id, delivery_id, doors.clock())
    doors.wake_outbox()
    return Replayed(replayed=count)
