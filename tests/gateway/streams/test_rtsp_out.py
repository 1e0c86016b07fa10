"""The RTSP door, word for word: who may come in, what is answered, and that no bytes break it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest
import structlog

from gateway.refusals import Refusal
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.rtsp_out import RtspLimits, RtspServer
from gateway.streams.rtsp_out_digest import parameters
from gateway.streams.source import LocalSource

PATH = "cameras/1"
LIMITS = RtspLimits(playing_within=5.0, strangers=3, on_one_loan=2)
SOON = replace(LIMITS, authenticated_within=0.5)
"""For strangers alone: on a loaded machine a reader has not said who it is by then."""
TCP = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Client:
    """Speaks RTSP by hand, so that it can also speak it wrongly."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    port: int
    sequence: int = 0
    login: tuple[str, str] = ("", "")
    session: dict[str, str] = field(default_factory=dict)
    nonce: str = ""

    async def ask(self, method: str, path: str = PATH, headers: dict[str, str] | None = None) -> Answer:
        self.sequence += 1
        uri = f"rtsp://127.0.0.1:{self.port}/{path}"
        sent = {"CSeq": str(self.sequence)} | self.session | (headers or {})
        if self.nonce:
            sent["Authorization"] = self.signed(method, uri)
        lines = [f"{method} {uri} RTSP/1.0", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode())
        return await self.answer()

    def signed(self, method: str, uri: str) -> str:
        name, password = self.login
        secret = sha256(f"{name}:gateway:{password}".encode()).hexdigest()
        request = sha256(f"{method}:{uri}".encode()).hexdigest()
        response = sha256(f"{secret}:{self.nonce}:00000001:c:auth:{request}".encode()).hexdigest()
        return (
            f'Digest username="{name}", realm="gateway", nonce="{self.nonce}", uri="{uri}", algorithm=SHA-256, '
            f'qop=auth, nc=00000001, cnonce="c", response="{response}"'
        )

    async def answer(self) -> Answer:
        async with asyncio.timeout(30):
            while (first := await self.reader.readexactly(1)) == b"$":
                await self.reader.readexactly(int.from_bytes((await self.reader.readexactly(3))[1:], "big"))
            lines = (first + await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(lines[0].split()[1]), headers, body.decode())

    async def log_in(self, login: tuple[str, str]) -> Client:
        self.login = login
        refused = await self.ask("DESCRIBE")
        self.nonce = parameters(refused.headers["www-authenticate"])["nonce"]
        return self

    async def play(self) -> Answer:
        set_up = await self.ask("SETUP", f"{PATH}/video", TCP)
        assert set_up.status == 200
        self.session = {"Session": set_up.headers["session"].partition(";")[0]}
        return await self.ask("PLAY")

    async def ended(self) -> bool:
        """Whether the other side ends the connection soon."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(30):
                while await self.reader.read(65536):
                    pass
        return True


@dataclass
class Door:
    server: RtspServer
    port: int

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port), self.port)

    async def reader(self, name: str = "wall", *, seconds: float = 60, path: str = PATH) -> Client:
        return await (await self.connect()).log_in(self.server.lend(path, name, time.time() + seconds))


@pytest.fixture
async def door(live: FrameBus) -> AsyncIterator[Door]:
    server = RtspServer({PATH: LocalSource(live), "cameras/2": LocalSource(FrameBus())}.get, limits=LIMITS)
    yield Door(server, await server.start("127.0.0.1", 0))
    await server.stop()


def _nothing(_path: str) -> LocalSource | None:
    return None


async def until(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_reader_is_led_from_the_description_to_the_picture(door: Door) -> None:
    reader = await door.reader()
    options = await reader.ask("OPTIONS")
    assert options.headers["public"] == "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
    described = await reader.ask("DESCRIBE")
    assert (described.status, described.headers["content-type"]) == (200, "application/sdp")
    assert described.headers["content-base"] == f"rtsp://127.0.0.1:{door.port}/{PATH}/"
    assert "a=control:video" in described.body
    playing = await reader.play()
    assert playing.status == 200
    assert f"url=rtsp://127.0.0.1:{door.port}/{PATH}/video;seq=" in playing.headers["rtp-info"]
    assert await reader.reader.readexactly(1) == b"$"
    assert door.server.readers == 1
    await reader.reader.readexactly(int.from_bytes((await reader.reader.readexactly(3))[1:], "big"))
    assert (await reader.ask("GET_PARAMETER")).status == 200
    assert (await reader.ask("TEARDOWN")).status == 200
    assert await reader.ended()
    await until(lambda: door.server.readers == 0)


async def test_nobody_without_credentials_learns_which_streams_there_are(door: Door) -> None:
    stranger = await door.connect()
    known, unknown = await stranger.ask("DESCRIBE"), await stranger.ask("DESCRIBE", "cameras/none")
    assert (known.status, unknown.status) == (401, 401)
    assert [(await stranger.ask(method)).status for method in ("SETUP", "PLAY", "TEARDOWN", "RECORD")] == [401] * 4


async def test_credentials_open_one_path_only(door: Door) -> None:
    reader = await door.reader()
    for path in ("cameras/2", "cameras/none", "", f"{PATH}/video/video", f"{PATH}/sound", "%ff%00", "[::"):
        assert (await reader.ask("DESCRIBE", path)).status == 404
    assert (await reader.ask("DESCRIBE", f"{PATH}/")).status == 200


async def test_a_path_that_is_lent_but_not_there_is_not_found(door: Door) -> None:
    reader = await door.reader(path="cameras/none")
    assert (await reader.ask("DESCRIBE", "cameras/none")).status == 404


async def test_a_wrong_password_is_refused_a_few_times_and_never_logged(door: Door) -> None:
    name, password = door.server.lend(PATH, "wall", time.time() + 60)
    reader = await (await door.connect()).log_in((name, f"{password}x"))
    with structlog.testing.capture_logs() as logs:
        answers = [(await reader.ask("DESCRIBE")).status for _ in range(5)]
        assert answers == [401] * 5
        assert await reader.ended()
    assert {"rtsp_wrong_credentials"} <= {entry["event"] for entry in logs}
    assert password not in repr(logs)
    assert name not in repr(logs)


async def test_a_nonce_of_another_connection_is_stale_not_wrong(door: Door) -> None:
    login = door.server.lend(PATH, "wall", time.time() + 60)
    overheard = (await (await door.connect()).log_in(login)).nonce
    reader = await door.connect()
    reader.login, reader.nonce = login, overheard
    refused = await reader.ask("DESCRIBE")
    assert refused.status == 401
    assert "stale=true" in refused.headers["www-authenticate"]
    reader.nonce = parameters(refused.headers["www-authenticate"])["nonce"]
    assert (await reader.ask("DESCRIBE")).status == 200


async def test_what_is_asked_in_the_wrong_state_or_way_is_refused(door: Door) -> None:
    reader = await door.reader()
    assert (await reader.ask("PLAY")).status == 455
    assert (await reader.ask("SETUP", headers={"Transport": "RTP/AVP;unicast;client_port=1-2"})).status == 461
    assert (await reader.ask("SETUP")).status == 461
    assert (await reader.ask("ANNOUNCE")).status == 405
    assert (await reader.ask("PLAY", headers={"Session": "other"})).status == 454
    assert (await reader.ask("DESCRIBE", headers={"Require": "implicit-play"})).status == 551
    assert (await reader.play()).status == 200
    assert (await reader.ask("SETUP", headers=TCP)).status == 455


async def test_a_camera_without_a_picture_is_unavailable_after_five_seconds() -> None:
    server = RtspServer({PATH: LocalSource(FrameBus())}.get)
    reader = await Door(server, await server.start("127.0.0.1", 0)).connect()
    reader.login = server.lend(PATH, "wall", time.time() + 60)
    began = time.monotonic()
    await reader.log_in(reader.login)
    assert (await reader.ask("DESCRIBE")).status == 503
    assert 4.5 < time.monotonic() - began < 20
    await server.stop()


async def test_a_loan_that_runs_out_ends_what_is_read_under_it(door: Door) -> None:
    reader = await door.reader(seconds=2)
    other = await door.reader("other")
    await reader.play()
    await other.play()
    assert await reader.ended()
    assert door.server.readers == 1
    assert (await other.ask("GET_PARAMETER")).status == 200


async def test_a_newer_loan_lets_the_reader_go_on_and_the_older_opens_nothing(door: Door) -> None:
    reader = await door.reader(seconds=2)
    await reader.play()
    old, new = reader.login, door.server.lend(PATH, "wall", time.time() + 60)
    await asyncio.sleep(2.3)
    assert (await reader.ask("GET_PARAMETER")).status == 200
    assert (await (await (await door.connect()).log_in(old)).ask("DESCRIBE")).status == 401
    assert (await (await (await door.connect()).log_in(new)).ask("DESCRIBE")).status == 200


async def test_what_is_withdrawn_ends_at_once(door: Door) -> None:
    reader = await door.reader()
    await reader.play()
    door.server.withdraw(PATH, "wall")
    assert await reader.ended()


async def test_strangers_are_few_and_do_not_stay() -> None:
    server = RtspServer(_nothing, limits=SOON)
    door = Door(server, await server.start("127.0.0.1", 0))
    strangers = [await door.connect() for _ in range(5)]
    assert all([await stranger.ended() for stranger in strangers])
    assert server.turned_away == 2
    await server.stop()


async def test_one_loan_serves_a_few_connections_at_a_time(door: Door) -> None:
    reader = await door.reader()
    await reader.play()
    second, third = [await (await door.connect()).log_in(reader.login) for _ in range(2)]
    await second.play()
    assert (await third.ask("SETUP", headers=TCP)).status == 453
    assert await third.ended(), "and whoever does not play does not stay"


async def test_a_port_that_is_taken_is_named(door: Door) -> None:
    with pytest.raises(Refusal) as refused:
        await RtspServer(_nothing).start("127.0.0.1", door.port)
    assert (refused.value.kind, refused.value.reason) == ("unavailable", "port_taken")
    assert str(door.port) in refused.value.zh
    assert str(door.port) in refused.value.en
    with pytest.raises(Refusal) as refused:
        await RtspServer(_nothing).start("192.0.2.1", 0)
    assert refused.value.reason == "address_unavailable"


async def test_a_camera_that_changes_its_codec_has_to_be_asked_for_anew(
    film: list[EncodedFrame], h265_film: list[EncodedFrame]
) -> None:
    bus = FrameBus()
    bus.publish(film[0])
    server = RtspServer({PATH: LocalSource(bus)}.get)
    door = Door(server, await server.start("127.0.0.1", 0))
    reader = await door.reader()
    assert "H264" in (await reader.ask("DESCRIBE")).body
    await reader.play()
    bus.publish(replace(h265_film[0], epoch=1))
    assert await reader.ended()
    again = await (await door.connect()).log_in(reader.login)
    assert "H265" in (await again.ask("DESCRIBE")).body
    await server.stop()


async def test_a_stream_that_ends_ends_its_readers(film: list[EncodedFrame]) -> None:
    bus = FrameBus()
    bus.publish(film[0])
    server = RtspServer({PATH: LocalSource(bus)}.get)
    door = Door(server, await server.start("127.0.0.1", 0))
    reader = await door.reader()
    await reader.play()
    bus.close()
    assert await reader.ended()
    again = await (await door.connect()).log_in(reader.login)
    assert (await again.ask("DESCRIBE")).status == 503
    await server.stop()


async def test_hostile_bytes_end_their_own_connection_only(door: Door) -> None:
    reader = await door.reader()
    await reader.play()
    rubbish = random.Random(1)
    for data in (
        b"\x00" * 100, b"\r\n" * 5000, b"A" * 100_000, b"$\x00\xff\xff" * 9, b"DESCRIBE\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Digest " + b'x="' * 900 + b"\r\n\r\n",
        *(rubbish.randbytes(3000) + b"\r\n\r\n" for _ in range(20)),
    ):  # fmt: skip
        hostile = await door.connect()
        with contextlib.suppress(ConnectionError):
            hostile.writer.write(data)
            hostile.writer.write_eof()
            await hostile.ended()
    assert (await reader.ask("GET_PARAMETER")).status == 200
    assert (await (await door.reader("next")).ask("DESCRIBE")).status == 200


async def test_a_reader_that_sends_rubbish_while_it_plays_is_let_go(door: Door) -> None:
    reader = await door.reader()
    await reader.play()
    reader.writer.write(b"\xff" * 20_000)
    assert await reader.ended()
    await until(lambda: door.server.readers == 0)


async def test_a_stop_ends_every_connection_and_frees_the_port(door: Door) -> None:
    reader = await door.reader()
    await reader.play()
    async with asyncio.timeout(5):
        await door.server.stop()
    assert await reader.ended()
    again = RtspServer(_nothing)
    assert await again.start("127.0.0.1", door.port) == door.port
    await again.stop()
