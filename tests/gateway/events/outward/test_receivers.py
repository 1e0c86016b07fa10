"""Receivers: where they may be, which events they get, and those of the settings file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import HttpUrl, SecretStr, ValidationError
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events.outward import receivers
from gateway.events.outward.addresses import BrokerPlaces, checked_url
from gateway.events.outward.mqtt_options import MqttOptions, filled, topic_values
from gateway.events.outward.receivers import NewReceiver, ReceiverChange, Receivers
from gateway.events.outward.standard_webhooks import new_secret
from gateway.refusals import Refusal
from gateway.settings import ReceiverSettings, WebhookSettings
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow
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
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://grid.example/hook", "http://10.1.2.3/", "ftp://127.0.0.1/", "https://", "https:///x", "file:///etc/passwd",
     "https://user:word@grid.example/", "https://grid.example/#x", "https://169.254.169.254/", "https://[fe80::1]/",
     "https://0.0.0.0/", "https://grid.example:99999/", "http://[::ffff:10.0.0.1]/", "https://[::ffff:169.254.1.1]/",
     "http://localhost.grid.example/", "https://grid.example/a\nb", "https://grid.example/" + "a" * 1000],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refusal, match="receiver_address_refused"):
        checked_url(url)


async def test_each_enabled_receiver_in_scope_gets_its_types(room: EventsRoom, vault: Vault, person: Person) -> None:
    hub = person("system_admin")
    town = person("system_admin", platforms=frozenset({"town"}))
    object.__setattr__(town, "platform", "town")
    wanted = [(hub, ()), (hub, ("gateway.event.opened",)), (hub, ("gateway.event.changed",)), (town, ()), (hub, ())]
    rows, administration = [], Receivers(vault, ReceiverSettings())
    async with room.db.transaction() as session:
        for number, (caller, types) in enumerate(wanted):
            url = f"https://grid.example/{number}"
            row, _ = await administration.add(session, caller, NewReceiver("webhook", url, types=types), room.clock())
            rows.append(row.id)
        await administration.change(session, hub, rows[4], ReceiverChange(enabled=False), None, room.clock())
    await room.raise_alert("fire")
    async with room.db.reading() as session:
        told = set(await session.scalars(select(DeliveryRow.receiver_id)))
    assert told == {rows[0], rows[1]}


async def test_an_event_without_receivers_is_in_the_outbox_all_the_same(room: EventsRoom) -> None:
    await room.raise_alert("fire")
    assert await room.how_many(OutboxRow) == 1
    assert await room.how_many(DeliveryRow) == 0


async def test_a_secret_is_sealed_and_opens_only_for_its_receiver(
    room: EventsRoom, vault: Vault, person: Person
) -> None:
    async with room.db.transaction() as session:
        new = NewReceiver("webhook", "https://grid.example/")
        row, secret = await Receivers(vault, ReceiverSettings()).add(session, person("system_admin"), new, room.clock())
    assert secret is not None
    assert secret not in row.sealed_secret
    assert vault.open(row.sealed_secret, row.id) == secret


async def test_receivers_of_the_settings_come_change_and_go_with_them(room: EventsRoom, vault: Vault) -> None:
    first, second = new_secret(b"a" * 32), new_secret(b"b" * 32)

    async def configure(*secrets: str) -> list[ReceiverRow]:
        wanted = [WebhookSettings(url=HttpUrl("https://grid.example/hook"), secret=SecretStr(s)) for s in secrets]
        async with room.db.transaction() as session:
            await receivers.ensure_configured(session, vault, wanted, platform="hub", now=room.clock())
        async with room.db.reading() as session:
            return list(await session.scalars(select(ReceiverRow)))

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
        await receivers.ensure_configured(session, vault, [receiver], platform="hub", now=room.clock())
        row = (await session.scalars(select(ReceiverRow))).one()
    admin = person("system_admin")
    for refused in (
        lambda s: receivers.remove(s, admin, row.id, room.clock()),
        lambda s: Receivers(vault, ReceiverSettings()).change(
            s, admin, row.id, ReceiverChange(address="https://grid.example/b"), None, room.clock()
        ),
    ):
        with pytest.raises(Refusal, match="receiver_configured"):
            async with room.db.transaction() as session:
                await refused(session)


PLACES = BrokerPlaces(ReceiverSettings().networks, ReceiverSettings().plain_networks)


@pytest.mark.parametrize(
    "address", ["mqtts://10.1.2.3", "mqtts://broker.city.example:8884", "mqtt://127.0.0.1:1883", "mqtt://[::1]"]
)
def test_brokers_within_the_networks_are_taken(address: str) -> None:
    assert PLACES.checked(address).tls == address.startswith("mqtts")


@pytest.mark.parametrize(
    "address",
    ["mqtt://10.1.2.3", "mqtts://8.8.8.8", "mqtts://169.254.169.254", "mqtts://224.0.0.1", "mqtts://a:b@10.1.2.3",
     "mqtts://10.1.2.3/topic", "https://10.1.2.3", "mqtts://", "mqtts://10.1.2.3:99999", "mqtt://[::ffff:10.0.0.1]",
     "mqtts://10.1.2.3?x=y", "mqtts://0.0.0.0"],
)  # fmt: skip
def test_other_brokers_are_refused(address: str) -> None:
    with pytest.raises(Refusal, match="broker_address_refused"):
        PLACES.checked(address)


def test_a_name_counts_as_what_it_stands_for() -> None:
    broker = PLACES.checked("mqtt://broker.city.example")
    assert PLACES.allow(broker, "127.0.0.1")
    assert not PLACES.allow(broker, "10.0.0.1")


def test_a_topic_is_filled_without_new_levels_or_wildcards() -> None:
    values = topic_values("gateway.event.opened", "town", {"no": "A/1+#", "grid": None, "department": "$unit"})
    topic = MqttOptions(topic="城市/{platform}/{kind}/{no}/{grid}/{department}").topic
    assert filled(topic, values) == "城市/town/opened/A_1__/-/_unit"


@pytest.mark.parametrize(
    "topic", ["a/#", "a/+/b", "/a", "a//b", "a/{secret}", "a/{no!r}", "a/{no:>9}", "{", "", "$SYS/a"]
)
def test_topics_that_no_broker_would_take_are_refused(topic: str) -> None:
    with pytest.raises(ValidationError):
        MqttOptions(topic=topic)
