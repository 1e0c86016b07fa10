"""The live stream over a real server: what reaches whom, pings, and the end of those who are too slow or signed out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from gateway.api import stream
from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform
from gateway.live import LiveHub, Notice

pytestmark = pytest.mark.integration
ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
PATH = "/api/v1/stream"


@pytest.fixture
async def server(app: FastAPI) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve(sockets=[listening]))
    async with asyncio.timeout(30):
        while not running.started:
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    await asyncio.wait_for(task, 30)


@dataclass(frozen=True)
class Heard:
    """One server-sent event, or a comment."""

    event: str
    data: Any = None
    id: str | None = None


async def _heard(response: httpx.Response) -> AsyncIterator[Heard]:
    """As the HTML standard reads a stream: blocks end with an empty line, a comment begins with a colon."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            yield Heard(line[1:].strip())
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Heard(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}


Listening = Callable[[httpx.AsyncClient], AsyncGenerator[Heard]]


@pytest.fixture
def listening(server: str) -> Listening:
    """A stream opened with the credentials of a client; its first word is ``connected``."""

    async def listen(client: httpx.AsyncClient) -> AsyncGenerator[Heard]:
        headers = {"Authorization": client.headers["Authorization"]}
        async with (
            httpx.AsyncClient(base_url=server, timeout=20, headers=headers, trust_env=False) as reader,
            reader.stream("GET", PATH) as response,
        ):
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            async for heard in _heard(response):
                yield heard

    return listen


async def _next(stream_: AsyncIterator[Heard]) -> Heard:
    return await asyncio.wait_for(anext(stream_), 30)


async def _until_nobody_listens(hub: LiveHub) -> None:
    async with asyncio.timeout(30):
        while hub.listeners:
            await asyncio.sleep(0.01)


async def test_an_alert_and_its_event_arrive_as_they_happen(
    listening: Listening, client_as: ClientAs, raise_alert: RaiseAlert, services: Services
) -> None:
    client = await client_as("duty_officer")
    async with aclosing(listening(client)) as heard:
        assert (await _next(heard)).event == "connected"
        alert_id = await raise_alert("fire")
        told = [await _next(heard) for _ in range(3)]
        assert [each.event for each in told] == ["alert.raised", "alert.changed", "event.opened"]
        assert told[0].data["id"] == alert_id
        assert told[1].data == (await client.get(f"/api/v1/alerts/{alert_id}")).json()
        assert told[2].data == (await client.get(f"/api/v1/events/{told[2].data['no']}")).json()
        assert len({each.id for each in told}) == 3
    await _until_nobody_listens(services.live)


async def test_each_hears_what_its_roles_and_scope_allow(
    listening: Listening, client_as: ClientAs, raise_alert: RaiseAlert, services: Services
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town", "测试镇", "town", "hub")
    department, stranger = await client_as("department"), await client_as("duty_officer", platform="town")
    async with aclosing(listening(department)) as hears_events, aclosing(listening(stranger)) as hears_town:
        assert [(await _next(each)).event for each in (hears_events, hears_town)] == ["connected"] * 2
        await raise_alert("fire")
        services.live.publish(Notice("camera.health", "town", {"code": "c"}))
        assert (await _next(hears_events)).event == "event.opened"
        assert (await _next(hears_town)).event == "camera.health"


async def test_a_quiet_stream_pings_and_ends_with_its_session(
    listening: Listening, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    monkeypatch.setattr(stream, "PING_SECONDS", 0.05)
    client = await client_as("duty_officer")
    async with aclosing(listening(client)) as heard:
        assert [(await _next(heard)).event for _ in range(3)] == ["connected", "ping", "ping"]
        assert (await client.delete("/api/v1/session")).status_code == 204
        with pytest.raises(StopAsyncIteration):
            while True:
                assert (await _next(heard)).event == "ping"
    await _until_nobody_listens(services.live)


async def test_a_stream_ends_when_the_tree_has_changed_whom_it_may_tell_of(
    listening: Listening, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    """A community that was moved to another town is no longer told of on the old town's stream."""
    monkeypatch.setattr(stream, "PING_SECONDS", 0.05)
    admin = await client_as("system_admin")
    for code, kind, parent in (
        ("town-a", "town", "hub"),
        ("town-b", "town", "hub"),
        ("one", "key_community", "town-a"),
    ):
        asked = {"code": code, "name": code, "kind": kind, "parent": parent}
        assert (await admin.post("/api/v1/platforms", json=asked)).status_code == 201
    town = await client_as("duty_officer", platform="town-a")
    async with aclosing(listening(town)) as heard:
        assert [(await _next(heard)).event for _ in range(2)] == ["connected", "ping"]
        moved = {"revision": 1, "parent": "town-b", "confirm": True}
        assert (await admin.patch("/api/v1/platforms/one", json=moved)).status_code == 200
        with pytest.raises(StopAsyncIteration):
            while True:
                assert (await _next(heard)).event == "ping"


async def test_notices_for_others_keep_no_ping_away(
    listening: Listening, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    monkeypatch.setattr(stream, "PING_SECONDS", 0.1)
    client = await client_as("system_admin")
    async with aclosing(listening(client)) as heard:
        assert (await _next(heard)).event == "connected"

        async def chatter() -> None:
            while True:
                services.live.publish(Notice("alert.changed", "hub", {}))
                await asyncio.sleep(0.01)

        task = asyncio.create_task(chatter())
        assert (await _next(heard)).event == "ping"
        task.cancel()


async def test_who_is_too_slow_is_told_so_and_let_go(
    listening: Listening, client_as: ClientAs, services: Services
) -> None:
    slow, quick = await client_as("duty_officer"), await client_as("duty_officer")
    async with aclosing(listening(slow)) as lagging, aclosing(listening(quick)) as following:
        assert [(await _next(each)).event for each in (lagging, following)] == ["connected"] * 2
        # More than queue, server and socket hold, while one of the two reads nothing.
        for number in range(600):
            services.live.publish(Notice("camera.health", "hub", {"number": number, "padding": "x" * 100_000}))
            assert (await _next(following)).data["number"] == number
        last = "connected"
        async with asyncio.timeout(30):
            async for heard in lagging:
                last = heard.event
        assert last == "overrun"
    assert services.live.dropped > 0
    await _until_nobody_listens(services.live)


async def test_a_reader_who_takes_nothing_at_all_is_let_go(
    server: str, client_as: ClientAs, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.3)
    client = await client_as("duty_officer")
    host, port = server.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n"
    writer.write(request.encode())
    async with asyncio.timeout(30):
        while not services.live.listeners:
            await asyncio.sleep(0.01)
    for number in range(200):
        services.live.publish(Notice("camera.health", "hub", {"number": number, "padding": "x" * 100_000}))
    await _until_nobody_listens(services.live)
    writer.close()


async def test_there_is_an_end_to_the_number_of_streams(client_as: ClientAs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 0)
    client = await client_as("duty_officer")
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["reason"]) == (429, "streams_too_many")
