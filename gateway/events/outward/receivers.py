"""Receivers of events: who they are, where they may be, their secrets; and dead letters sent anew."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.outward import outbox
from gateway.events.outward.addresses import BrokerPlaces, checked_url
from gateway.events.outward.inbound import InboundRules, inbound_key
from gateway.events.outward.mqtt_options import MqttOptions
from gateway.events.outward.outbox import OPTIONAL_TYPES, OutMessage
from gateway.events.outward.sample import sample_event
from gateway.events.outward.standard_webhooks import new_secret, secret_bytes
from gateway.refusals import Refusal
from gateway.settings import ReceiverSettings, WebhookSettings
from gateway.storage.ids import new_id
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.outward import DeliveryRow, InboundMessageRow, ReceiverMappingRow, ReceiverRow
from gateway.storage.vault import Vault

MOST = 50
MOST_PASSWORD = 500
_SECRET_BYTES = 32
Kind = Literal["webhook", "mqtt"]


@dataclass(frozen=True, slots=True)
class NewReceiver:
    """``platform``: whom it acts for and whose events it is told of; None: the caller's own."""

    kind: Kind
    address: str
    name: str = ""
    types: tuple[str, ...] = ()
    platform: str | None = None
    mqtt: MqttOptions | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReceiverChange:
    """What is None stays as it is. ``password``: a broker's; empty: none from now on."""

    address: str | None = None
    types: tuple[str, ...] | None = None
    name: str | None = None
    enabled: bool | None = None
    mqtt: MqttOptions | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Receivers:
    """What an administrator does with them."""

    vault: Vault
    settings: ReceiverSettings

    async def add(
        self, session: AsyncSession, caller: Caller, new: NewReceiver, now: datetime
    ) -> tuple[ReceiverRow, str | None]:
        """A new receiver, and a webhook's secret, which is shown this once."""
        if (await session.execute(select(func.count()).select_from(ReceiverRow))).scalar_one() >= MOST:
            raise Refusal(
                "conflict", "receivers_too_many", f"最多 {MOST} 个接收方。", f"There are at most {MOST} receivers."
            )
        if (new.kind == "mqtt") != (new.mqtt is not None) or (new.kind == "webhook" and new.password is not None):
            raise _kind_unfit()
        address = self._checked_address(new.kind, new.address)
        platform = await _platform(session, caller, new.platform)
        secret = new_secret(secrets.token_bytes(_SECRET_BYTES)) if new.kind == "webhook" else None
        row_id = new_id()
        row = ReceiverRow(
            id=row_id, platform=platform, kind=new.kind, address=address, types=checked_types(new.types),
            sealed_secret=self._sealed(secret or new.password or "", row_id), name=new.name.strip(), created_at=now,
            options=new.mqtt.model_dump(mode="json") if new.mqtt is not None else {},
        )  # fmt: skip
        session.add(row)
        await session.flush()
        await _audit(session, caller, "receiver.add", row, now)
        return row, secret

    async def change(
        self,
        session: AsyncSession,
        caller: Caller,
        receiver_id: str,
        wanted: ReceiverChange,
        revision: int | None,
        now: datetime,
    ) -> ReceiverRow:
        row = await found(session, caller, receiver_id, held=True)
        same_revision(row, revision)
        if row.configured and wanted.address is not None:
            raise _configured()
        if row.kind != "mqtt" and (wanted.mqtt is not None or wanted.password is not None):
            raise _kind_unfit()
        if wanted.address is not None:
            row.address = self._checked_address(row.kind, wanted.address)
        if wanted.types is not None:
            row.types = list(checked_types(wanted.types))
        if wanted.name is not None:
            row.name = wanted.name.strip()
        if wanted.enabled is not None:
            row.enabled = wanted.enabled
        if wanted.mqtt is not None:
            row.options = wanted.mqtt.model_dump(mode="json")
        if wanted.password is not None:
            row.sealed_secret = self._sealed(wanted.password, row.id)
        await session.flush()
        await _audit(session, caller, "receiver.change", row, now)
        return row

    async def open_inbound(
        self,
        session: AsyncSession,
        caller: Caller,
        receiver_id: str,
        rules: InboundRules | None,
        new: bool,
        revision: int | None,
        now: datetime,
    ) -> tuple[ReceiverRow, str | None]:
        """Set how the receiver's own messages are read; None closes the way. A secret is made where there is none, or
        ``new`` asks for it, and shown this once."""
        row = await found(session, caller, receiver_id, held=True)
        same_revision(row, revision)
        secret: str | None = None
        row.inbound = rules.model_dump(mode="json") if rules is not None else {}
        if rules is None:
            row.sealed_inbound = ""
        elif new or not row.sealed_inbound:
            secret = new_secret(secrets.token_bytes(_SECRET_BYTES))
            row.sealed_inbound = self.vault.seal(secret, inbound_key(row.id))
        await session.flush()
        await _audit(session, caller, "receiver.inbound", row, now)
        return row, secret

    def _checked_address(self, kind: str, address: str) -> str:
        if kind == "webhook":
            return checked_url(address)
        BrokerPlaces(self.settings.networks, self.settings.plain_networks).checked(address)
        return address

    def _sealed(self, secret: str, row_id: str) -> str:
        return self.vault.seal(secret, row_id) if secret else ""


async def remove(session: AsyncSession, caller: Caller, receiver_id: str, now: datetime) -> None:
    """Take a receiver away, with what was still to be delivered to it."""
    row = await found(session, caller, receiver_id, held=True)
    if row.configured:
        raise _configured()
    for table in (DeliveryRow, ReceiverMappingRow, InboundMessageRow):
        await session.execute(delete(table).where(table.receiver_id == row.id))
    await session.delete(row)
    await session.flush()
    await _audit(session, caller, "receiver.remove", row, now)


async def test(session: AsyncSession, caller: Caller, receiver_id: str, now: datetime) -> DeliveryRow:
    """Put a message about an event that never was into the outbox for this receiver alone. It goes the same way as all
    others, so it shows whether they would arrive."""
    row = await found(session, caller, receiver_id, held=True)
    if not row.enabled:
        raise Refusal("conflict", "receiver_disabled", "接收方已停用。", "The receiver is disabled.")
    message = OutMessage(outbox.TEST_TYPE, f"receivers/{row.id}", row.platform, None, sample_event(row.platform, now))
    delivery = await outbox.put_for(session, row.id, message, now)
    await _audit(session, caller, "receiver.test", row, now)
    return delivery


async def replay(
    session: AsyncSession, caller: Caller, receiver_id: str, delivery_id: str | None, now: datetime
) -> int:
    """Send anew, under the same message id: one delivery, or without ``delivery_id`` every dead one."""
    row = await found(session, caller, receiver_id, held=True)
    conditions = [DeliveryRow.receiver_id == row.id]
    if delivery_id is None:
        conditions.append(DeliveryRow.state == "dead")
    else:
        conditions.append(DeliveryRow.id == delivery_id)
    ids = list(await session.scalars(select(DeliveryRow.id).where(*conditions).with_for_update()))
    if delivery_id is not None and not ids:
        raise Refusal(
            "not_found", "delivery_unknown", "没有这次投递。", "There is no such delivery.", field="delivery_id"
        )
    await session.execute(
        update(DeliveryRow)
        .where(*conditions)
        .values(state="pending", attempts=0, next_at=now, last_error=None, last_status=None, delivered_at=None)
    )
    await _audit(session, caller, "receiver.replay", row, now)
    return len(ids)


async def ensure_configured(
    session: AsyncSession, vault: Vault, receivers: Iterable[WebhookSettings], *, platform: str, now: datetime
) -> None:
    """Bring the webhooks of the settings file in: new ones are added, one no longer there is disabled."""
    wanted = {checked_url(str(receiver.url)): receiver.secret.get_secret_value() for receiver in receivers}
    rows = {row.address: row for row in await session.scalars(select(ReceiverRow).where(ReceiverRow.configured))}
    for url, secret in wanted.items():
        secret_bytes(secret)
        row = rows.get(url)
        if row is None:
            row_id = new_id()
            row = ReceiverRow(
                id=row_id, platform=platform, kind="webhook", address=url, types=[], options={}, created_at=now,
                configured=True, sealed_secret=vault.seal(secret, row_id),
            )  # fmt: skip
            session.add(row)
        elif not row.enabled or vault.open(row.sealed_secret, row.id) != secret:
            row.sealed_secret, row.enabled = vault.seal(secret, row.id), True
    for url, row in rows.items():
        if url not in wanted:
            row.enabled = False
    await session.flush()


async def found(session: AsyncSession, caller: Caller, receiver_id: str, *, held: bool = False) -> ReceiverRow:
    """The receiver; refuses one that is not in the caller's scope. ``held``: until the transaction ends."""
    query = select(ReceiverRow).where(ReceiverRow.id == receiver_id, caller.visible(ReceiverRow.platform))
    row = await session.scalar(query.with_for_update(key_share=True) if held else query)
    if row is None:
        raise Refusal("not_found", "receiver_unknown", "没有这个接收方。", "There is no such receiver.")
    return row


def same_revision(row: ReceiverRow, revision: int | None) -> None:
    if revision is not None and row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )


def checked_types(types: Iterable[str]) -> list[str]:
    """The types in order; none means what happens to events."""
    wanted = sorted(set(types))
    unknown = [type_ for type_ in wanted if type_ not in OPTIONAL_TYPES]
    if unknown:
        raise Refusal(
            "invalid",
            "receiver_type_unknown",
            f"没有消息类型“{unknown[0]}”。",
            f"There is no message type {unknown[0]!r}; known: {', '.join(OPTIONAL_TYPES)}.",
            field="types",
        )
    return wanted


async def _platform(session: AsyncSession, caller: Caller, wanted: str | None) -> str:
    if wanted is None:
        return caller.platform
    known = await session.scalar(select(Platform.code).where(Platform.code == wanted))
    if known is None or not caller.sees(wanted):
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有平台“{wanted}”，或不在您的管辖范围内。",
            f"There is no platform {wanted!r} in your scope.",
            field="platform",
        )
    return known


def _kind_unfit() -> Refusal:
    return Refusal(
        "invalid",
        "receiver_kind_unfit",
        "MQTT 接收方须有 mqtt 一节；webhook 不得有 mqtt 与口令。",
        "An MQTT receiver has a part `mqtt`; a webhook has neither that nor a password.",
        field="mqtt",
    )


def _configured() -> Refusal:
    return Refusal(
        "conflict",
        "receiver_configured",
        "该接收方来自配置文件，请在 gateway.toml 中修改。",
        "This receiver comes from the settings; change it in gateway.toml.",
        field="address",
    )


async def _audit(session: AsyncSession, caller: Caller, what: str, row: ReceiverRow, now: datetime) -> None:
    host = urlsplit(row.address).hostname or ""
    act = audit.Act(caller.username, what, f"receiver:{row.id}", row.platform, why=host)
    await audit.append(session, act, now)
