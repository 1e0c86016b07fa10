"""Messages reach a real Mosquitto: at least once, each by its own id, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events.outward.mqtt_options import MqttOptions
from gateway.events.outward.receivers import NewReceiver, ReceiverChange, Receivers
from gateway.events.outward.sender import OutboxSender
from gateway.settings import ReceiverSettings
from gateway.storage.database import Database
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow
from gateway.storage.vault import Vault
from tests.gateway.events.outward.broker import PASSWORD, USER, Mosquitto

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom, MakeRoom

pytestmark = pytest.mark.integration


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    made = Mosquitto(tmp_path / "broker")
    await made.start()
    yield made
    await made.kill()


class Outside:
    def __init__(self, room: EventsRoom, vault: Vault, admin: Caller) -> None:
        self.room, self.vault, self.admin = room, vault, admin
        self.administration = Receivers(vault, ReceiverSettings())

    async def add(self, address: str, *, password: str = PASSWORD, **options: Any) -> str:
        mqtt = MqttOptions(username=USER, **options)
        async with self.room.db.transaction() as session:
            new = NewReceiver("mqtt", address, mqtt=mqtt, password=password)
            row, secret = await self.administration.add(session, self.admin, new, self.room.clock())
        assert secret is None
        return row.id

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        sender = OutboxSender(
            self.room.db, self.vault, self.room.clock, try_seconds=5, round_seconds=0.02, chance=lambda: 0.0
        )
        task = asyncio.create_task(sender.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def deliveries(self, receiver_id: str) -> list[DeliveryRow]:
        async with self.room.db.reading() as session:
            query = select(DeliveryRow).where(DeliveryRow.receiver_id == receiver_id).order_by(DeliveryRow.id)
            return list(await session.scalars(query))

    async def receiver(self, receiver_id: str) -> ReceiverRow:
        async with self.room.db.reading() as session:
            return (await session.scalars(select(ReceiverRow).where(ReceiverRow.id == receiver_id))).one()

    async def outbox_ids(self) -> set[str]:
        async with self.room.db.reading() as session:
            return set(await session.scalars(select(OutboxRow.id)))


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


@pytest.fixture
async def outside(
    sqlite_database: Database, make_room: MakeRoom, tmp_path: Path, person: Callable[..., Caller]
) -> Outside:
    return Outside(await make_room(sqlite_database), Vault.at(tmp_path), person("system_admin"))


def _ids(heard: list[aiomqtt.Message]) -> list[str]:
    return [json.loads(message.payload)["id"] for message in heard if not str(message.topic).endswith("/status")]


async def test_an_event_arrives_as_a_cloud_event_and_the_status_says_that_the_gateway_is_there(
    outside: Outside, broker: Mosquitto
) -> None:
    receiver_id = await outside.add(f"mqtt://127.0.0.1:{broker.port}", topic="gateway/{platform}/{hazard}/{no}")
    async with broker.listener() as heard:
        async with outside.sending():
            alert_id = await outside.room.raise_alert("fire")
            await until(lambda: _among(heard, 2))

            async def noted() -> bool:
                return (await outside.deliveries(receiver_id))[0].state == "delivered"

            await until(noted)
        event_no = (await outside.room.shown(alert_id)).event_no
        message = next(one for one in heard if not str(one.topic).endswith("/status"))
        assert str(message.topic) == f"gateway/hub/fire/{event_no}"
        assert message.qos == 1
        properties = message.properties
        assert properties is not None
        assert properties.json()["ContentType"].startswith("application/cloudevents+json")  # type: ignore[no-untyped-call]
        document = json.loads(message.payload)  # type: ignore[arg-type]
        assert {document["id"]} == await outside.outbox_ids()
        assert document["data"] == (await outside.room.event(event_no)).model_dump(mode="json")
        [row] = await outside.deliveries(receiver_id)
        assert (row.state, row.attempts, row.last_error) == ("delivered", 1, None)
        await until(lambda: _among(heard, 3))
    assert [one.payload for one in heard if str(one.topic) == "gateway/hub/status"] == [b"online", b"offline"]
    async with broker.listener("gateway/hub/status") as kept:
        await until(lambda: _among(kept, 1))
    assert (kept[0].payload, kept[0].retain) == (b"offline", True)


async def _among(heard: list[aiomqtt.Message], count: int) -> bool:
    return len(heard) >= count


async def test_a_broker_killed_in_the_midst_costs_no_message_that_it_had_not_taken(
    outside: Outside, broker: Mosquitto
) -> None:
    receiver_id = await outside.add(f"mqtt://127.0.0.1:{broker.port}")
    ids: list[str] = []
    async with outside.sending():
        with suppress(aiomqtt.MqttError):
            async with broker.listener() as heard:
                raising = asyncio.gather(*(outside.room.raise_alert("fire", zone=f"zone-{n}") for n in range(60)))
                await until(lambda: _among(heard, 5))
                await broker.kill()
                await raising
                ids += _ids(heard)

        async def known() -> bool:
            return (await outside.receiver(receiver_id)).last_error is not None

        await until(known)
        await outside.room.raise_alert("fire", zone="while it is away")
        rows = await outside.deliveries(receiver_id)
        # A message that the broker said it had taken dies with it, where it had not yet passed it on.
        ids += [row.outbox_id for row in rows if row.state == "delivered"]
        waiting = [row for row in rows if row.state == "pending"]
        assert waiting
        assert all(row.attempts <= 1 for row in waiting)
        await broker.start()
        async with broker.listener() as heard:

            async def all_delivered() -> bool:
                outside.room.clock.advance(seconds=1)
                return all(row.state == "delivered" for row in await outside.deliveries(receiver_id))

            await until(all_delivered)
            wanted = await outside.outbox_ids()

            async def all_heard() -> bool:
                return wanted <= {*ids, *_ids(heard)}

            await until(all_heard)
    assert len(wanted) == 61
    assert (await outside.receiver(receiver_id)).last_error is None


async def test_over_tls_with_an_authority_or_a_pin_and_never_to_another_certificate(
    outside: Outside, broker: Mosquitto
) -> None:
    address = f"mqtts://127.0.0.1:{broker.tls_port}"
    authority = broker.certificates.authority.read_text()
    good = [await outside.add(address, authority=authority), await outside.add(address, pin=broker.pin)]
    bad = {
        await outside.add(address): "certificate_refused",
        await outside.add(address, pin="0" * 64): "certificate_not_pinned",
        await outside.add(address, pin=broker.pin, password="wrong"): "mqtt_refused: Not authorized",
        await outside.add("mqtts://127.0.0.1:1"): "broker_unreachable",
    }
    await outside.room.raise_alert("fire")
    async with outside.sending():
        for receiver_id in good:

            async def delivered(receiver_id: str = receiver_id) -> bool:
                return all(row.state == "delivered" for row in await outside.deliveries(receiver_id))

            await until(delivered)
        for receiver_id, reason in bad.items():

            async def failed(receiver_id: str = receiver_id) -> bool:
                return (await outside.receiver(receiver_id)).last_error is not None

            await until(failed)
            assert (await outside.receiver(receiver_id)).last_error == reason
            [row] = await outside.deliveries(receiver_id)
            assert (row.state, row.attempts) == ("pending", 0)


async def test_what_the_broker_refuses_is_no_success(outside: Outside, broker: Mosquitto) -> None:
    receiver_id = await outside.add(f"mqtt://127.0.0.1:{broker.port}", topic="elsewhere/{no}")
    await outside.room.raise_alert("fire")
    async with outside.sending():

        async def tried() -> bool:
            return (await outside.deliveries(receiver_id))[0].attempts == 1

        await until(tried)
    [row] = await outside.deliveries(receiver_id)
    assert (row.state, row.last_status, row.last_error) == ("pending", 135, "mqtt_refused: Not authorized")


async def test_in_binary_mode_the_attributes_are_user_properties(outside: Outside, broker: Mosquitto) -> None:
    await outside.add(f"mqtt://127.0.0.1:{broker.port}", mode="binary")
    async with broker.listener("gateway/hub/opened/#") as heard, outside.sending():
        alert_id = await outside.room.raise_alert("fire")
        await until(lambda: _among(heard, 1))
    properties = heard[0].properties
    assert properties is not None
    attributes = dict(properties.json()["UserProperty"])  # type: ignore[no-untyped-call]
    assert (attributes["specversion"], attributes["type"]) == ("1.0", "gateway.event.opened")
    assert {attributes["id"]} == await outside.outbox_ids()
    event = await outside.room.event((await outside.room.shown(alert_id)).event_no)
    assert json.loads(heard[0].payload) == event.model_dump(mode="json")  # type: ignore[arg-type]


async def test_a_broker_that_never_answers_slows_no_other_and_a_password_can_be_mended(
    outside: Outside, broker: Mosquitto
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        silent_id = await outside.add(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        quick_id = await outside.add(f"mqtt://127.0.0.1:{broker.port}", password="wrong")
        async with outside.sending():
            await outside.room.raise_alert("fire")

            async def refused() -> bool:
                return (await outside.receiver(quick_id)).last_error == "mqtt_refused: Not authorized"

            await until(refused)
            async with outside.room.db.transaction() as session:
                change = ReceiverChange(password=PASSWORD)
                await outside.administration.change(
                    session, outside.admin, quick_id, change, None, outside.room.clock()
                )

            async def delivered() -> bool:
                return (await outside.deliveries(quick_id))[0].state == "delivered"

            await until(delivered)
            assert (await outside.deliveries(silent_id))[0].state == "pending"


async def test_a_connection_that_breaks_is_told_by_the_will_and_made_anew(outside: Outside, broker: Mosquitto) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to = await asyncio.open_connection("127.0.0.1", broker.port)
        writers.extend((writer, to))
        with suppress(OSError):
            await asyncio.gather(_pass(reader, to), _pass(behind, writer))

    server = await asyncio.start_server(between, "127.0.0.1", 0)
    async with server:
        await outside.add(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with broker.listener("gateway/hub/status") as heard, outside.sending():
            await until(lambda: _among(heard, 1))
            for writer in writers:
                writer.transport.abort()
            await until(lambda: _among(heard, 2))

            async def told_three_times() -> bool:
                outside.room.clock.advance(seconds=1)
                return len(heard) >= 3

            await until(told_three_times)
    assert [one.payload for one in heard][:3] == [b"online", b"offline", b"online"]


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
