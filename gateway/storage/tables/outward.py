"""Receivers of what happens (webhooks and MQTT brokers), their mappings, what is delivered to each of them and what
comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base, RecordMixin


class ReceiverRow(RecordMixin, Base):
    """A receiver, which acts for ``platform`` and is told what that platform sees. ``sealed_secret``: a webhook's
    signing secret or a broker's password, sealed by the vault under the row's id; empty where there is none.

    ``mapping_version``: of its mapping in force, None: CloudEvents as they are. ``inbound``: how its own messages are
    read, empty: none are taken; ``sealed_inbound`` signs those. ``last_success_at`` and ``last_error`` are written past
    the revision: how deliveries go changes no setting.
    """

    __tablename__ = "receivers"

    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(1000))
    sealed_secret: Mapped[str] = mapped_column(String(1000))
    types: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    enabled: Mapped[bool] = mapped_column(default=True)
    configured: Mapped[bool] = mapped_column(default=False)
    mapping_version: Mapped[int | None]
    inbound: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sealed_inbound: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime]
    last_success_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(200))
    last_error_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """One message for one receiver: ``pending`` until ``delivered``, or ``dead`` after the last try. ``subject`` is
    the message's: of one subject a later message waits for an earlier one."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("receiver_id", "outbox_id"),
        Index("ix_deliveries_state_next_at", "state", "next_at"),
        Index("ix_deliveries_receiver_id_state_subject", "receiver_id", "state", "subject"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    receiver_id: Mapped[str] = mapped_column(ForeignKey("receivers.id"))
    outbox_id: Mapped[str] = mapped_column(ForeignKey("outbox.id"), index=True)
    subject: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(200))
    delivered_at: Mapped[datetime | None]


class ReceiverMappingRow(Base):
    """One version of a receiver's mapping. Only ever added."""

    __tablename__ = "receiver_mappings"
    __table_args__ = (UniqueConstraint("receiver_id", "version"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    receiver_id: Mapped[str] = mapped_column(ForeignKey("receivers.id"))
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]


class InboundMessageRow(Base):
    """A receiver's own message that was carried out, under the id it was sent with, and what it was answered. Written
    in the transaction of its step."""

    __tablename__ = "inbound_messages"
    __table_args__ = (UniqueConstraint("receiver_id", "message_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    receiver_id: Mapped[str] = mapped_column(ForeignKey("receivers.id"))
    message_id: Mapped[str] = mapped_column(String(128))
    body_sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    event_no: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(32))
    event_revision: Mapped[int]


class WarningRow(Base):
    """A CAP message, the ``number``-th of its event. Only ever added. ``facts``: what it says, to know an update by."""

    __tablename__ = "warnings"
    __table_args__ = (UniqueConstraint("event_no", "number"), Index("ix_warnings_sent", "sent"))

    identifier: Mapped[str] = mapped_column(String(64), primary_key=True)
    platform: Mapped[str] = mapped_column(String(32))
    department: Mapped[str | None] = mapped_column(String(32))
    event_no: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    msg_type: Mapped[str] = mapped_column(String(8))
    colour: Mapped[str] = mapped_column(String(16))
    drill: Mapped[bool]
    facts: Mapped[str] = mapped_column(String(300))
    sent: Mapped[datetime]
    expires: Mapped[datetime]
    headline: Mapped[str] = mapped_column(String(200))
    document: Mapped[str] = mapped_column(Text)
