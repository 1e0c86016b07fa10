"""Messages reach real receivers on this machine: signed, at least once, and a bad receiver harms only itself."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.outward import mappings, receivers
from gateway.events.outward import post as post_module
from gateway.events.outward import sender as sender_module
from gateway.events.outward.mapping import Mapping
from gateway.events.outward.post import SCHEDULE, Post, wait_after
from gateway.events.outward.receivers import NewReceiver, Receivers
from gateway.events.outward.sender import OutboxSender
from gateway.events.outward.standard_webhooks import CloudEvent
from gateway.events.outward.ways import Letter, Outcome
from gateway.events.outward.webhook_way import WebhookWay
from gateway.refusals import Refusal
from gateway.settings import ReceiverSettings
from gateway.storage.tables.outward import DeliveryRow, ReceiverRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

pytestmark = pytest.mark.integration
Person = Callable[..., Caller]
Answer = Callable[[], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """A web server that keeps what it is sent and answers as it is told."""

    url: str = ""
    answer: Answer | None = None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((headers, await request.read()))
        return await self.answer() if self.answer is not None else web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    runners: list[web.AppRunner] = []

    async def make(answer: Answer | None = None) -> Receiver:
        made = Receiver(answer=answer)
        app = web.Application()
        app.router.add_post("/hook", made.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        made.url = f"http://127.0.0.1:{port}/hook"
        return made

    yield make
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path)


@dataclass
class Outside:
    """The sender at work, and the receivers it knows."""

    room: EventsRoom
    vault: Vault
    admin: Caller

    async def add(self, url: str) -> tuple[str, str]:
        async with self.room.db.transaction() as session:
            administration = Receivers(self.vault, ReceiverSettings())
            row, secret = await administration.add(session, self.admin, NewReceiver("webhook", url), self.room.clock())
        assert secret is not None
        return row.id, secret

    def sender(self, **options: Any) -> OutboxSender:
        options = {"round_seconds": 0.02, "chance": lambda: 0.0, **options}
        return OutboxSender(self.room.db, self.vault, self.room.clock, **options)

    @asynccontextmanager
    async def sending(self, **options: Any) -> AsyncIterator[OutboxSender]:
        sender = self.sender(**options)
        task = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def deliveries(self, webhook_id: str) -> list[DeliveryRow]:
        async with self.room.db.reading() as session:
            query = select(DeliveryRow).where(DeliveryRow.receiver_id == webhook_id)
            return list(await session.scalars(query.order_by(DeliveryRow.id)))

    async def until(self, webhook_id: str, holds: Callable[[DeliveryRow], bool]) -> DeliveryRow:
        async with asyncio.timeout(30):
            while True:
                for row in await self.deliveries(webhook_id):
                    if holds(row):
                        return row
                await asyncio.sleep(0.02)


@pytest.fixture
def outside(room: EventsRoom, vault: Vault, person: Person) -> Outside:
    return Outside(room, vault, person("system_admin"))


MakeReceiver = Callable[..., Awaitable[Receiver]]


async def test_an_event_arrives_signed_as_a_cloud_event(outside: Outside, receiver: MakeReceiver) -> None:
    target = await receiver()
    webhook_id, secret = await outside.add(target.url)
    alert_id = await outside.room.raise_alert("fire")
    async with outside.sending():
        row = await outside.until(webhook_id, lambda row: row.state == "delivered")
    [(headers, body)] = target.got
    # The signature is computed here by hand, as a receiver would.
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"].startswith("application/cloudevents+json")
    message = json.loads(body)
    assert message["id"] == headers["webhook-id"] == row.outbox_id
    assert (message["specversion"], message["type"]) == ("1.0", "gateway.event.opened")
    event = await outside.room.event((await outside.room.shown(alert_id)).event_no)
    assert message["data"] == event.model_dump(mode="json")
    assert (row.attempts, row.last_status, row.last_error) == (1, 204, None)


async def test_a_receiver_that_fails_gets_the_same_message_again_later(
    outside: Outside, receiver: MakeReceiver
) -> None:
    answers = [500, 500, 200]

    async def answer() -> web.Response:
        return web.Response(status=answers.pop(0))

    target = await receiver(answer)
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    async with outside.sending():
        row = await outside.until(webhook_id, lambda row: row.attempts == 1)
        assert (row.state, row.last_status, row.last_error) == ("pending", 500, "status_500")
        assert row.next_at == outside.room.clock() + timedelta(seconds=5)
        outside.room.clock.advance(seconds=6)
        await outside.until(webhook_id, lambda row: row.attempts == 2)
        outside.room.clock.advance(seconds=31)
        await outside.until(webhook_id, lambda row: row.state == "delivered")
    assert len({headers["webhook-id"] for headers, _ in target.got}) == 1
    assert len({body for _, body in target.got}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in target.got}) == 3


async def test_the_tries_come_to_an_end_and_a_dead_letter_can_be_replayed(
    outside: Outside, receiver: MakeReceiver
) -> None:
    well = False

    async def answer() -> web.Response:
        return web.Response(status=200 if well else 503)

    target = await receiver(answer)
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    async with outside.sending() as sender:
        for attempt in range(1, len(SCHEDULE) + 2):
            await outside.until(webhook_id, lambda row, attempt=attempt: row.attempts == attempt)  # type: ignore[misc]
            outside.room.clock.advance(days=2)
        [row] = await outside.deliveries(webhook_id)
        assert row.state == "dead"
        outside.room.clock.advance(days=2)
        await asyncio.sleep(0.1)
        assert len(target.got) == len(SCHEDULE) + 1
        well = True
        async with outside.room.db.transaction() as session:
            now = outside.room.clock()
            assert await receivers.replay(session, outside.admin, webhook_id, None, now) == 1
        sender.wake()
        await outside.until(webhook_id, lambda row: row.state == "delivered")
    assert len({headers["webhook-id"] for headers, _ in target.got}) == 1


async def test_a_receiver_that_hangs_slows_no_other(outside: Outside, receiver: MakeReceiver) -> None:
    release = asyncio.Event()

    async def hang() -> web.Response:
        await release.wait()
        return web.Response()

    slow, quick = await receiver(hang), await receiver()
    slow_id, _ = await outside.add(slow.url)
    quick_id, _ = await outside.add(quick.url)
    async with outside.sending(try_seconds=4.0):
        for zone in ("a", "b", "c"):
            await outside.room.raise_alert("fire", zone=zone)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            while len(quick.got) < 3:
                await asyncio.sleep(0.01)
        assert all(row.attempts == 0 for row in await outside.deliveries(slow_id))
        row = await outside.until(slow_id, lambda row: row.attempts == 1)
        assert (row.state, row.last_error) == ("pending", "timeout")
        release.set()
        outside.room.clock.advance(seconds=10)
        await outside.until(slow_id, lambda row: row.attempts == 2 and row.state == "delivered")
    assert all(row.state == "delivered" for row in await outside.deliveries(quick_id))


async def test_a_receiver_is_left_alone_from_when_it_failed_however_long_that_takes_to_be_noted(
    outside: Outside, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was from when that had been noted: where the clock had gone on by then, the next try came that much later."""
    noted = Post.note

    async def slowly(self: Post, *about: Any) -> None:
        await noted(self, *about)
        outside.room.clock.advance(seconds=10)

    monkeypatch.setattr(Post, "note", slowly)
    answers = iter([web.Response(status=500)])

    async def second_time() -> web.Response:
        return next(answers, web.Response())

    target = await receiver(second_time)
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    async with asyncio.timeout(10), outside.sending():
        row = await outside.until(webhook_id, lambda row: row.state == "delivered")
    assert row.attempts == 2


async def test_an_endless_answer_is_not_read(outside: Outside, receiver: MakeReceiver) -> None:
    class Endless(web.StreamResponse):
        async def prepare(self, request: web.BaseRequest) -> Any:
            writer = await super().prepare(request)
            for _ in range(10_000):
                await self.write(b"x" * 65536)
            return writer

    async def answer() -> web.StreamResponse:
        return Endless()

    target = await receiver(answer)
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    async with asyncio.timeout(5), outside.sending():
        await outside.until(webhook_id, lambda row: row.state == "delivered")


async def test_a_redirect_is_not_followed(outside: Outside, receiver: MakeReceiver) -> None:
    elsewhere = await receiver()

    async def answer() -> web.Response:
        return web.Response(status=307, headers={"Location": elsewhere.url})

    target = await receiver(answer)
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    async with outside.sending():
        row = await outside.until(webhook_id, lambda row: row.attempts == 1)
    assert (row.state, row.last_status, row.last_error) == ("pending", 307, "redirect_refused")
    assert elsewhere.got == []


async def test_nobody_listening_is_a_failure_like_any_other(outside: Outside, receiver: MakeReceiver) -> None:
    webhook_id, _ = await outside.add("http://127.0.0.1:1/hook")
    await outside.room.raise_alert("fire")
    async with outside.sending() as sender:
        row = await outside.until(webhook_id, lambda row: row.attempts == 1)
        assert (row.last_status, row.last_error) == (None, "ConnectError")
        counted = {sample.labels["outcome"]: sample.value for sample in sender.samples()}
    assert counted == {"delivered": 0, "failed": 1, "dead": 0}


async def test_a_sender_that_dies_after_sending_sends_again_under_the_same_id(
    outside: Outside, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await receiver()
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")

    async def die(*_args: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(Post, "note", die)
        async with outside.sending():
            async with asyncio.timeout(30):
                while not target.got:
                    await asyncio.sleep(0.01)
    async with outside.sending():
        await outside.until(webhook_id, lambda row: row.state == "delivered")
    assert len(target.got) >= 2
    assert len({headers["webhook-id"] for headers, _ in target.got}) == 1


async def test_of_one_event_a_later_message_waits_for_the_earlier_and_another_event_for_nothing(
    outside: Outside, receiver: MakeReceiver, person: Person
) -> None:
    answers = [503]

    async def answer() -> web.Response:
        return web.Response(status=answers.pop() if answers else 204)

    target = await receiver(answer)
    receiver_id, _ = await outside.add(target.url)
    first = (await outside.room.shown(await outside.room.raise_alert("fire", zone="a"))).event_no
    assert first is not None
    async with outside.sending():
        await outside.until(receiver_id, lambda row: row.attempts == 1)
        await outside.room.events.act(person("duty_officer"), first, "accept")
        other = (await outside.room.shown(await outside.room.raise_alert("fire", zone="b"))).event_no
        outside.room.clock.advance(seconds=3)  # the receiver has rested, the first message waits for two seconds more
        async with asyncio.timeout(30):
            while (states := [row.state for row in await outside.deliveries(receiver_id)])[-1] == "pending":
                await asyncio.sleep(0.01)
        assert (states, len(target.got)) == (["pending", "pending", "delivered"], 2)
        outside.room.clock.advance(seconds=3)
        async with asyncio.timeout(30):
            while len(target.got) < 4:
                await asyncio.sleep(0.01)
    told = [(json.loads(body)["data"]["no"], json.loads(body)["data"]["state"]) for _, body in target.got]
    assert told == [(first, "reported"), (other, "reported"), (first, "reported"), (first, "accepted")]


async def test_a_mapped_receiver_gets_its_own_fields_and_what_cannot_be_mapped_is_a_dead_letter_with_the_field(
    outside: Outside, receiver: MakeReceiver
) -> None:
    target = await receiver()
    receiver_id, _ = await outside.add(target.url)

    async def use(*fields: dict[str, Any]) -> None:
        async with outside.room.db.transaction() as session:
            mapping = Mapping.model_validate({"content_type": "form", "fields": fields})
            await mappings.set_mapping(session, outside.admin, receiver_id, mapping, None, "", outside.room.clock())

    await use({"to": "caseNo", "from": "data.no"}, {"to": "pic", "evidence": "snapshot"})
    await outside.room.raise_alert("fire")
    async with outside.sending() as sender:
        await outside.until(receiver_id, lambda row: row.state == "delivered")
        headers, body = target.got[0]
        assert headers["content-type"].startswith("application/x-www-form-urlencoded")
        assert body.startswith(b"caseNo=hub-20300107-00001&pic=%2Fapi%2Fv1%2Fevidence%2F")
        # The sample's code is in the table, the fire's is not.
        await use({"to": "caseInfo.type", "from": "data.class_code", "table": {"04-06": "0406"}})
        await outside.room.raise_alert("fire", zone="b")
        async with asyncio.timeout(30):
            while (row := (await outside.deliveries(receiver_id))[-1]).state == "pending":
                await asyncio.sleep(0.01)
        assert (row.state, row.last_error) == ("dead", "mapping caseInfo.type: not_in_table 90-01")
        await use({"to": "type", "from": "data.class_code"})
        async with outside.room.db.transaction() as session:
            await receivers.replay(session, outside.admin, receiver_id, None, outside.room.clock())
        sender.wake()
        async with asyncio.timeout(30):
            while len(target.got) < 2:
                await asyncio.sleep(0.01)
        assert target.got[1][1] == b"type=90-01"


async def test_a_warning_goes_out_as_the_cap_message_itself_with_its_attributes_in_headers(
    outside: Outside, receiver: MakeReceiver
) -> None:
    target = await receiver()
    async with outside.room.db.transaction() as session:
        new = NewReceiver("webhook", target.url, types=("gateway.warning",))
        await Receivers(outside.vault, ReceiverSettings()).add(session, outside.admin, new, outside.room.clock())
    await outside.room.raise_alert("fire")
    async with outside.sending():
        async with asyncio.timeout(30):
            while not target.got:
                await asyncio.sleep(0.01)
    [(headers, body)] = target.got
    assert headers["content-type"] == "application/cap+xml"
    assert (headers["ce-type"], headers["ce-id"]) == ("gateway.warning", headers["webhook-id"])
    assert body.startswith(b"<?xml")


async def test_a_receiver_whose_secret_does_not_open_ends_nothing_though_the_database_is_busy_just_then(
    outside: Outside, receiver: MakeReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await receiver()
    async with outside.room.db.transaction() as session:
        administration = Receivers(Vault.at(tmp_path / "of another machine"), ReceiverSettings())
        new = NewReceiver("webhook", target.url)
        unopened, _ = await administration.add(session, outside.admin, new, outside.room.clock())
    webhook_id, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    noted = Post.note_lost
    tried: list[str] = []

    async def busy_once(self: Post, receiver_id: str, reason: str) -> None:
        tried.append(receiver_id)
        if len(tried) == 1:
            raise Refusal("unavailable", "database_busy", "数据库繁忙，请稍后重试。", "The database is busy.")
        await noted(self, receiver_id, reason)

    monkeypatch.setattr(Post, "note_lost", busy_once)
    async with outside.sending():
        await outside.until(webhook_id, lambda row: row.state == "delivered")
        outside.room.clock.advance(seconds=1)
        async with asyncio.timeout(30):
            while len(tried) < 2:
                await asyncio.sleep(0.02)
    assert set(tried) == {unopened.id}


async def test_a_receiver_that_cannot_be_set_up_for_whatever_reason_keeps_no_other_from_being_sent_to(
    outside: Outside, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await receiver()
    poison, _ = await outside.add(target.url)
    sound, _ = await outside.add(target.url)
    await outside.room.raise_alert("fire")
    in_force = sender_module.mapping_in_force

    async def fails_for_one(session: AsyncSession, row: ReceiverRow) -> Mapping | None:
        if row.id == poison:
            raise KeyError("a mapping of another version")
        return await in_force(session, row)

    monkeypatch.setattr(sender_module, "mapping_in_force", fails_for_one)
    async with outside.sending() as sender:
        await outside.until(sound, lambda row: row.state == "delivered")
        assert len(sender.work.rows) == 1
        monkeypatch.undo()
        outside.room.clock.advance(seconds=60)
        await outside.until(poison, lambda row: row.state == "delivered")


async def test_a_message_that_cannot_be_formed_for_whatever_reason_is_a_dead_letter_and_the_next_one_arrives(
    outside: Outside, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await receiver()
    webhook_id, _ = await outside.add(target.url)
    for zone in ("a", "b"):
        await outside.room.raise_alert("fire", zone=zone)
    poison, sound = [row.outbox_id for row in await outside.deliveries(webhook_id)]
    formed = post_module.letter_of

    def fails_for_one(event: CloudEvent, mapping: Mapping | None, links: str) -> Letter:
        if event.id == poison:
            raise KeyError("a field that was there before")
        return formed(event, mapping, links)

    monkeypatch.setattr(post_module, "letter_of", fails_for_one)
    async with outside.sending():
        row = await outside.until(webhook_id, lambda row: row.state == "delivered")
        assert row.outbox_id == sound
        dead = await outside.until(webhook_id, lambda row: row.state == "dead")
    assert (dead.outbox_id, dead.last_error) == (poison, "letter_not_formed KeyError")


async def test_a_message_that_cannot_be_sent_for_whatever_reason_is_tried_later_and_the_next_one_arrives(
    outside: Outside, receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await receiver()
    webhook_id, _ = await outside.add(target.url)
    for zone in ("a", "b"):
        await outside.room.raise_alert("fire", zone=zone)
    poison, sound = [row.outbox_id for row in await outside.deliveries(webhook_id)]
    send = WebhookWay.send

    async def fails_for_one(self: WebhookWay, letter: Letter) -> Outcome:
        if letter.event.id == poison:
            raise UnicodeEncodeError("ascii", "\ud800", 0, 1, "surrogates not allowed")
        return await send(self, letter)

    monkeypatch.setattr(WebhookWay, "send", fails_for_one)
    async with outside.sending():
        tried = await outside.until(webhook_id, lambda row: row.attempts == 1)
        assert (tried.outbox_id, tried.last_error) == (poison, "UnicodeEncodeError")
        outside.room.clock.advance(seconds=3)
        row = await outside.until(webhook_id, lambda row: row.state == "delivered")
    assert row.outbox_id == sound


async def test_what_waits_is_due_at_once_when_a_receiver_is_back(outside: Outside, receiver: MakeReceiver) -> None:
    well = False

    async def answer() -> web.Response:
        return web.Response(status=204 if well else 503)

    target = await receiver(answer)
    receiver_id, _ = await outside.add(target.url)
    for zone in ("a", "b", "c", "d"):
        await outside.room.raise_alert("fire", zone=zone)
    async with outside.sending():
        async with asyncio.timeout(30):
            while len(target.got) < 8:
                outside.room.clock.advance(seconds=1)
                await asyncio.sleep(0.01)
        well = True
        async with asyncio.timeout(30):
            while any(row.state == "pending" for row in await outside.deliveries(receiver_id)):
                outside.room.clock.advance(seconds=1)
                await asyncio.sleep(0.01)


def test_the_waits_grow_and_end() -> None:
    waits = [wait_after(attempt, 0.0) for attempt in range(1, len(SCHEDULE) + 1)]
    assert waits == list(SCHEDULE) == sorted(SCHEDULE)
    assert wait_after(1, 1.0) == SCHEDULE[0] * 1.2
    assert wait_after(len(SCHEDULE) + 1, 0.0) is None
