"""Receivers of events: where they may be, their secrets, and what was delivered to them."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.outbox import EVENT_TYPES
from gateway.events.standard_webhooks import new_secret, secret_bytes
from gateway.refusals import Refusal
from gateway.settings import WebhookSettings
from gateway.storage.ids import new_id
from gateway.storage.tables.events import WebhookDeliveryRow, WebhookRow
from gateway.storage.vault import Vault

MOST = 50
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What is None stays as it is."""

    url: str | None = None
    types: tuple[str, ...] | None = None
    description: str | None = None
    enabled: bool | None = None


def checked_url(url: str) -> str:
    """The address itself, or the refusal: https, or http to this machine; no credentials in it, no local network's
    special addresses (a cloud's metadata service answers there)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _address_refused() from None
    address = _address(host)
    loopback = host == "localhost" or (address is not None and address.is_loopback)
    special = address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified)
    fair = parts.scheme == "https" or (parts.scheme == "http" and loopback)
    clean = parts.username is None and parts.password is None and not parts.fragment
    if not fair or not host or special or not clean or port == 0 or len(url) > 1000 or not url.isprintable():
        raise _address_refused()
    return url


def checked_types(types: Iterable[str]) -> list[str]:
    """The types in order; none means all."""
    wanted = sorted(set(types))
    unknown = [type_ for type_ in wanted if type_ not in EVENT_TYPES]
    if unknown:
        raise Refusal(
            "invalid",
            "webhook_type_unknown",
            f"没有消息类型“{unknown[0]}”。",
            f"There is no message type {unknown[0]!r}; known: {', '.join(EVENT_TYPES)}.",
            field="types",
        )
    return wanted


async def add(
    session: AsyncSession,
    vault: Vault,
    caller: Caller,
    *,
    url: str,
    types: Iterable[str],
    description: str,
    now: datetime,
) -> tuple[WebhookRow, str]:
    """A new receiver of the caller's platform, and its secret, which is shown this once."""
    url, wanted = checked_url(url), checked_types(types)
    if (await session.execute(select(func.count()).select_from(WebhookRow))).scalar_one() >= MOST:
        raise Refusal(
            "conflict", "webhooks_too_many", f"最多 {MOST} 个接收方。", f"There are at most {MOST} receivers."
        )
    secret = new_secret(secrets.token_bytes(_SECRET_BYTES))
    row_id = new_id()
    row = WebhookRow(
        id=row_id, platform=caller.platform, url=url, sealed_secret=vault.seal(secret, row_id), types=wanted,
        description=description.strip(), created_at=now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    await _audit(session, caller, "webhook.add", row, now)
    return row, secret


async def change(
    session: AsyncSession, caller: Caller, webhook_id: str, wanted: WebhookChange, revision: int | None, now: datetime
) -> WebhookRow:
    row = await found(session, caller, webhook_id, held=True)
    if revision is not None and row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
    if row.configured and wanted.url is not None:
        raise _configured()
    if wanted.url is not None:
        row.url = checked_url(wanted.url)
    if wanted.types is not None:
        row.types = list(checked_types(wanted.types))
    if wanted.description is not None:
        row.description = wanted.description.strip()
    if wanted.enabled is not None:
        row.enabled = wanted.enabled
    await session.flush()
    await _audit(session, caller, "webhook.change", row, now)
    return row


async def remove(session: AsyncSession, caller: Caller, webhook_id: str, now: datetime) -> None:
    """Take a receiver away, with what was still to be delivered to it."""
    row = await found(session, caller, webhook_id, held=True)
    if row.configured:
        raise _configured()
    await session.execute(delete(WebhookDeliveryRow).where(WebhookDeliveryRow.webhook_id == row.id))
    await session.delete(row)
    await session.flush()
    await _audit(session, caller, "webhook.remove", row, now)


async def replay(session: AsyncSession, caller: Caller, webhook_id: str, delivery_id: str | None, now: datetime) -> int:
    """Send anew, under the same message id: one delivery, or without ``delivery_id`` every dead one."""
    row = await found(session, caller, webhook_id, held=True)
    conditions = [WebhookDeliveryRow.webhook_id == row.id]
    if delivery_id is None:
        conditions.append(WebhookDeliveryRow.state == "dead")
    else:
        conditions.append(WebhookDeliveryRow.id == delivery_id)
    ids = list(await session.scalars(select(WebhookDeliveryRow.id).where(*conditions).with_for_update()))
    if delivery_id is not None and not ids:
        raise Refusal(
            "not_found", "delivery_unknown", "没有这次投递。", "There is no such delivery.", field="delivery_id"
        )
    await session.execute(
        update(WebhookDeliveryRow)
        .where(*conditions)
        .values(state="pending", attempts=0, next_at=now, last_error=None, last_status=None, delivered_at=None)
    )
    await _audit(session, caller, "webhook.replay", row, now)
    return len(ids)


async def ensure_configured(
    session: AsyncSession, vault: Vault, receivers: Iterable[WebhookSettings], *, platform: str, now: datetime
) -> None:
    """Bring the receivers of the settings file in: new ones are added, one no longer there is disabled."""
    wanted = {checked_url(str(receiver.url)): receiver.secret.get_secret_value() for receiver in receivers}
    rows = {row.url: row for row in await session.scalars(select(WebhookRow).where(WebhookRow.configured))}
    for url, secret in wanted.items():
        secret_bytes(secret)
        row = rows.get(url)
        if row is None:
            row_id = new_id()
            row = WebhookRow(
                id=row_id, platform=platform, url=url, types=[], created_at=now, configured=True,
                sealed_secret=vault.seal(secret, row_id),
            )  # fmt: skip
            session.add(row)
        elif not row.enabled or vault.open(row.sealed_secret, row.id) != secret:
            row.sealed_secret, row.enabled = vault.seal(secret, row.id), True
    for url, row in rows.items():
        if url not in wanted:
            row.enabled = False
    await session.flush()


async def found(session: AsyncSession, caller: Caller, webhook_id: str, *, held: bool = False) -> WebhookRow:
    """The receiver; refuses one that is not in the caller's scope. ``held``: until the transaction ends."""
    query = select(WebhookRow).where(WebhookRow.id == webhook_id, caller.visible(WebhookRow.platform))
    row = await session.scalar(query.with_for_update(key_share=True) if held else query)
    if row is None:
        raise Refusal("not_found", "webhook_unknown", "没有这个接收方。", "There is no such receiver.")
    return row


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _address_refused() -> Refusal:
    return Refusal(
        "invalid",
        "webhook_address_refused",
        "地址须为 https://…，或本机的 http://…，不得含用户名、口令、片段或特殊网段地址。",
        "An address is https://…, or http://… to this machine, without credentials, fragment or special address.",
        field="url",
    )


def _configured() -> Refusal:
    return Refusal(
        "conflict",
        "webhook_configured",
        "该接收方来自配置文件，请在 gateway.toml 中修改。",
        "This receiver comes from the settings; change it in gateway.toml.",
        field="url",
    )


async def _audit(session: AsyncSession, caller: Caller, what: str, row: WebhookRow, now: datetime) -> None:
    host = urlsplit(row.url).hostname or ""
    act = audit.Act(caller.username, what, f"webhook:{row.id}", row.platform, why=host)
    await audit.append(session, act, now)
