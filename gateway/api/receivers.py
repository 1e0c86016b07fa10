"""``/api/v1/receivers``: who is told of events, by webhook or over MQTT, and how that went. A webhook's secret is shown
once, when it is made; a broker's password never."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.outward import receivers
from gateway.events.outward.inbound import InboundRules
from gateway.events.outward.mqtt_options import MqttOptions
from gateway.events.outward.receivers import NewReceiver, ReceiverChange, Receivers
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow

router = APIRouter(tags=["receivers"])

DeliveryState = Literal["pending", "delivered", "dead"]
Reader = Annotated[Caller, Depends(permit("receivers.read"))]
Writer = Annotated[Caller, Depends(permit("receivers.write"))]


class ReceiverShown(BaseModel):
    """``pending``, ``dead``: its deliveries. ``configured``: from the settings file. ``last_error``: why the last try
    failed, None once one has gone well."""

    id: str
    kind: str = Field(description="webhook or mqtt")
    name: str
    address: str
    types: list[str] = Field(description="Message types; empty: what happens to events.")
    mqtt: MqttOptions | None
    has_password: bool
    inbound: InboundRules | None = Field(description="How its own messages are read; null: none are taken.")
    mapping_version: int | None = Field(description="None: CloudEvents as they are.")
    enabled: bool
    configured: bool
    platform: str = Field(description="Whom it acts for and whose events it is told of.")
    created_at: datetime
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    pending: int
    dead: int
    revision: int


class ReceiverMade(ReceiverShown):
    secret: str | None = Field(description="Shown this once; a webhook checks signatures with it.")


class ReceiverList(BaseModel):
    items: list[ReceiverShown]
    total: int


class ReceiverAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["webhook", "mqtt"] = "webhook"
    address: str = Field(max_length=1000, description="https://…, or mqtts://host[:port]; plain to this machine.")
    name: Annotated[str, one_line] = Field(default="", max_length=200)
    types: list[str] = Field(default=[], max_length=20)
    platform: str | None = Field(default=None, max_length=32, description="Empty: the caller's own.")
    mqtt: MqttOptions | None = None
    password: SecretStr | None = Field(default=None, max_length=receivers.MOST_PASSWORD)


class ReceiverChanged(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(default=None, max_length=1000)
    name: Annotated[str, one_line] | None = Field(default=None, max_length=200)
    types: list[str] | None = Field(default=None, max_length=20)
    enabled: bool | None = None
    mqtt: MqttOptions | None = None
    password: SecretStr | None = Field(default=None, max_length=receivers.MOST_PASSWORD)
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


class Tested(BaseModel):
    delivery_id: str = Field(description="How it went is among the receiver's deliveries.")


async def _shown(session: AsyncSession, rows: list[ReceiverRow]) -> list[ReceiverShown]:
    query = (
        select(DeliveryRow.receiver_id, DeliveryRow.state, func.count())
        .where(DeliveryRow.receiver_id.in_([row.id for row in rows]), DeliveryRow.state.in_(("pending", "dead")))
        .group_by(DeliveryRow.receiver_id, DeliveryRow.state)
    )
    counts = {(receiver_id, state): count for receiver_id, state, count in await session.execute(query)}
    return [
        ReceiverShown(
            id=row.id,
            kind=row.kind,
            name=row.name,
            address=row.address,
            types=[str(type_) for type_ in row.types],
            mqtt=MqttOptions.model_validate(row.options) if row.kind == "mqtt" else None,
            has_password=row.kind == "mqtt" and row.sealed_secret != "",
            inbound=InboundRules.model_validate(row.inbound) if row.inbound else None,
            mapping_version=row.mapping_version,
            enabled=row.enabled,
            configured=row.configured,
            platform=row.platform,
            created_at=row.created_at,
            last_success_at=row.last_success_at,
            last_error=row.last_error,
            last_error_at=row.last_error_at,
            pending=counts.get((row.id, "pending"), 0),
            dead=counts.get((row.id, "dead"), 0),
            revision=row.revision,
        )
        for row in rows
    ]


def _administration(doors: Services) -> Receivers:
    return Receivers(doors.vault, doors.settings.receivers)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


@router.get("/receivers")
async def list_receivers(caller: Reader, doors: Doors) -> ReceiverList:
    """The receivers in the caller's scope, in the order in which they were added."""
    async with doors.db.reading() as session:
        rows = await session.scalars(
            select(ReceiverRow).where(caller.visible(ReceiverRow.platform)).order_by(ReceiverRow.id)
        )
        items = await _shown(session, list(rows))
    return ReceiverList(items=items, total=len(items))


@router.post("/receivers", status_code=201)
async def add_receiver(asked: ReceiverAsked, caller: Writer, doors: Doors) -> ReceiverMade:
    """Add a receiver; it gets what happens from now on. A webhook's answer holds its secret, this once."""
    new = NewReceiver(
        asked.kind, asked.address, asked.name, tuple(asked.types), asked.platform, asked.mqtt, _plain(asked.password)
    )
    async with doors.db.transaction() as session:
        row, secret = await _administration(doors).add(session, caller, new, doors.clock())
        shown = (await _shown(session, [row]))[0]
    doors.wake_outbox()
    made: dict[str, Any] = shown.model_dump()
    return ReceiverMade(**made, secret=secret)


@router.get("/receivers/{receiver_id}")
async def read_receiver(receiver_id: str, caller: Reader, doors: Doors) -> ReceiverShown:
    async with doors.db.reading() as session:
        return (await _shown(session, [await receivers.found(session, caller, receiver_id)]))[0]


@router.patch("/receivers/{receiver_id}")
async def change_receiver(receiver_id: str, asked: ReceiverChanged, caller: Writer, doors: Doors) -> ReceiverShown:
    """Change what is named; disable or enable. What waits for a disabled receiver goes on waiting."""
    wanted = ReceiverChange(
        asked.address,
        tuple(asked.types) if asked.types is not None else None,
        asked.name,
        asked.enabled,
        asked.mqtt,
        _plain(asked.password),
    )
    async with doors.db.transaction() as session:
        row = await _administration(doors).change(session, caller, receiver_id, wanted, asked.revision, doors.clock())
        shown = (await _shown(session, [row]))[0]
    doors.wake_outbox()
    return shown


@router.delete("/receivers/{receiver_id}", status_code=204)
async def remove_receiver(receiver_id: str, caller: Writer, doors: Doors) -> None:
    """Take a receiver away, with what was still to be delivered to it."""
    async with doors.db.transaction() as session:
        await receivers.remove(session, caller, receiver_id, doors.clock())
    doors.wake_outbox()


@router.post("/receivers/{receiver_id}/test", status_code=202)
async def test_receiver(receiver_id: str, caller: Writer, doors: Doors) -> Tested:
    """Send a test message, which goes the way of all others."""
    async with doors.db.transaction() as session:
        delivery = await receivers.test(session, caller, receiver_id, doors.clock())
    doors.wake_outbox()
    return Tested(delivery_id=delivery.id)


@router.get("/receivers/{receiver_id}/deliveries")
async def list_deliveries(
    receiver_id: str,
    caller: Annotated[Caller, Depends(permit("receivers.read"))],
    doors: Doors,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> DeliveryList:
    """What was sent to the receiver and what waits, the newest first."""
    async with doors.db.reading() as session:
        await receivers.found(session, caller, receiver_id)
        conditions = [DeliveryRow.receiver_id == receiver_id]
        if state is not None:
            conditions.append(DeliveryRow.state == state)
        count = select(func.count()).select_from(DeliveryRow).where(*conditions)
        total = (await session.execute(count)).scalar_one()
        rows = await session.execute(
            select(DeliveryRow, OutboxRow.type, OutboxRow.subject)
            .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
            .where(*conditions)
            .order_by(DeliveryRow.id.desc())
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


@router.post("/receivers/{receiver_id}/replay")
async def replay_dead_letters(
    receiver_id: str, caller: Annotated[Caller, Depends(permit("receivers.write"))], doors: Doors
) -> Replayed:
    """Send every dead letter of the receiver anew, each under its old message id."""
    async with doors.db.transaction() as session:
        count = await receivers.replay(session, caller, receiver_id, None, doors.clock())
    doors.wake_outbox()
    return Replayed(replayed=count)


@router.post("/receivers/{receiver_id}/deliveries/{delivery_id}/replay")
async def replay_delivery(
    receiver_id: str, delivery_id: str, caller: Annotated[Caller, Depends(permit("receivers.write"))], doors: Doors
) -> Replayed:
    """Send one message anew, under its old message id, whether it had been delivered or not."""
    async with doors.db.transaction() as session:
        count = await receivers.replay(session, caller, receiver_id, delivery_id, doors.clock())
    doors.wake_outbox()
    return Replayed(replayed=count)
