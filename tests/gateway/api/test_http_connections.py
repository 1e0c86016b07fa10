"""Connections that say nothing, or only half a request, cost the service nothing for long (a real server)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import FastAPI

from gateway.settings import HttpSettings
from gateway.workers.control.http_connections import BoundedConnection, most_connections
from gateway.workers.control.http_server import http_server

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def connect(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.5)
    monkeypatch.setattr(BoundedConnection, "most", 10)
    listening = socket.create_server(("127.0.0.1", 0))
    server = http_server(app, HttpSettings())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    opened: list[asyncio.StreamWriter] = []

    async def make() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        opened.append(writer)
        return reader, writer

    async with asyncio.timeout(60):
        yield make
        for writer in opened:
            writer.close()
        server.should_exit = True
        await serving


async def _answer(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(20):
            return await reader.read(200)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "])
async def test_a_connection_without_a_whole_head_is_ended(connect: Connect, begun: bytes) -> None:
    reader, writer = await connect()
    writer.write(begun)
    assert await _answer(reader) == b""


async def test_a_head_that_comes_in_drops_does_not_begin_the_wait_anew(connect: Connect) -> None:
    reader, writer = await connect()
    loop = asyncio.get_running_loop()
    began = loop.time()
    ending = asyncio.create_task(_answer(reader))
    while not ending.done() and loop.time() - began < 15:
        writer.write(b"G")
        await asyncio.sleep(0.05)
    assert ending.done()


async def test_a_second_request_has_its_head_watched_too(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(REQUEST)
    assert b"200 OK" in await reader.readuntil(b"\r\n")
    await reader.readuntil(b"}")
    writer.write(b"GET /he")
    assert await _answer(reader) == b""


async def test_where_there_are_too_many_the_silent_make_room_for_who_asks(connect: Connect) -> None:
    silent = [await connect() for _ in range(10)]
    await asyncio.sleep(0.1)
    reader, writer = await connect()
    writer.write(REQUEST)
    assert b"200 OK" in await _answer(reader)
    assert await _answer(silent[0][0]) == b""


def test_connections_leave_file_descriptors_for_the_rest_of_the_service() -> None:
    assert 32 <= most_connections() <= 4000
