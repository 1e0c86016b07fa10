"""Receivers: where they may be, which events they get, and those of the settings file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import HttpUrl, SecretStr
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events import webhooks
from gateway.events.standard_webhooks import new_secret
from gateway.refusals import Refusal
from gateway.settings import WebhookSettings
from gateway.storage.tables.events import OutboxRow, WebhookDeliveryRow, WebhookRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path)


@pytest.mark.parametrize(
    "url",
    ["https://grid.example/hook", "https://10.1.2.3:8443/h?k=v", "http://127.0.0.1:9000/", "http://[::1]:80/a",
     "http://localhost/x"],
)  # fmt: skip
def test_https_anywhere_and_http_on_this_machine_are_taken(url: str) -> None:
    assert webhooks.checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://grid.example/hook", "http://10.1.2.3/", "ftp://127.0.0.1/", "https://", "https:///x", "file:///etc/passwd",
     "https://user:word@grid.example/", "https://grid.example/#x", "https://169.254.169.254/", "https://[fe80::1]/",
     "https://0.0.0.0/", "https://grid.example:99999/", "http://[::ffff:10.0.0.1]/", "https://[::ffff:169.254.1.1]/",
     "http://localhost.grid.example/", "https://grid.example/a\nb", "https://grid.example/" + "a" * 1000],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refusal, match="webhook_address_refused"):
        webhooks.checked_url(url)


async def test_each_enabled_receiver_in_scope_gets_its_types(room: EventsRoom, vault: Vault, person: Person) -> None:
    hub = person("system_admin")
    town = person("system_admin", platforms=frozenset({"town"}))
    object.__setattr__(town, "platform", "town")
    wanted = [(hub, ()), (hub, ("gateway.event.opened",)), (hub, ("gateway.event.changed",)), (town, ()), (hub, ())]
    rows = []
    async with room.db.transaction() as session:
        for number, (caller, types) in enumerate(wanted):
            url = f"https://grid.example/{number}"
            row, _ = await webhooks.add(
                session, vault, caller, url=url, types=types, description="", now=room.clock()
            )  # fmt: skip
            rows.append(row.id)
        await webhooks.change(session, hub, rows[4], webhooks.WebhookChange(enabled=False), None, room.clock())
    await room.raise_alert("fire")
    async with room.db.reading() as session:
        receivers = set(await session.scalars(select(WebhookDeliveryRow.webhook_id)))
    assert receivers == {rows[0], rows[1]}


async def test_an_event_without_receivers_is_in_the_outbox_all_the_same(room: EventsRoom) -> None:
    await room.raise_alert("fire")
    assert await room.how_many(OutboxRow) == 1
    assert await room.how_many(WebhookDeliveryRow) == 0


async def test_a_secret_is_sealed_and_opens_only_for_its_receiver(
    room: EventsRoom, vault: Vault, person: Person
) -> None:
    async with room.db.transaction() as session:
        row, secret = await webhooks.add(
            session, vault, person("system_admin"), url="https://grid.example/", types=(), description="",
            now=room.clock(),
        )  # fmt: skip
    assert secret not in row.sealed_secret
    assert vault.open(row.sealed_secret, row.id) == secret


async def test_receivers_of_the_settings_come_change_and_go_with_them(room: EventsRoom, vault: Vault) -> None:
    first, second = new_secret(b"a" * 32), new_secret(b"b" * 32)

    async def configure(*secrets: str) -> list[WebhookRow]:
        receivers = [WebhookSettings(url=HttpUrl("https://grid.example/hook"), secret=SecretStr(s)) for s in secrets]
        async with room.db.transaction() as session:
            await webhooks.ensure_configured(session, vault, receivers, platform="hub", now=room.clock())
        async with room.db.reading() as session:
            return list(await session.scalars(select(WebhookRow)))

    [row] = await configure(first)
    assert (row.enabled, row.configured, vault.open(row.sealed_secret, row.id)) == (True, True, first)
    [again] = await configure(first)
    assert again.revision == row.revision
    [changed] = await configure(second)
    assert (changed.id, vault.open(changed.sealed_secret, row.id)) == (row.id, second)
    [gone] = await configure()
    assert not gone.enabled
    [back] = await configure(second)
    assert back.enabled


async def test_a_receiver_of_the_settings_is_not_moved_or_removed_over_the_api(
    room: EventsRoom, vault: Vault, person: Person
) -> None:
    receiver = WebhookSettings(url=HttpUrl("https://grid.example/hook"), secret=SecretStr(new_secret(b"a" * 32)))
    async with room.db.transaction() as session:
        await webhooks.ensure_configured(session, vault, [receiver], platform="hub", now=room.clock())
        row = (await session.scalars(select(WebhookRow))).one()
    admin = person("system_admin")
    for refused in (
        lambda s: webhooks.remove(s, admin, row.id, room.clock()),
        lambda s: webhooks.change(
            s, admin, row.id, webhooks.WebhookChange(url="https://grid.example/b"), None, room.clock()
        ),
    ):
        with pytest.raises(Refusal, match="webhook_configured"):
            async with room.db.transaction() as session:
                await refused(session)
