"""A stream taken without asking whose it is: of this process, or of another, which may go away and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.lending import SMALLER
from gateway.streams.pull import PullLimits, PullState
from gateway.streams.rtsp_out import RtspServer
from gateway.streams.source import FrameSource, LocalSource, RemoteSource, SmallerSource

pytestmark = pytest.mark.integration

PATH = "cameras/1"
LIMITS = PullLimits(opening=6.0, silence=2.0)


@dataclass
class Door:
    server: RtspServer
    port: int

    def lend(self, reader: str) -> StreamAddress:
        username, password = self.server.lend(PATH, reader, time.time() + 60)
        return StreamAddress(f"rtsp://127.0.0.1:{self.port}/{PATH}", username, password)


@pytest.fixture
async def door(live: FrameBus) -> AsyncIterator[Door]:
    server = RtspServer({PATH: LocalSource(live)}.get)
    yield Door(server, await server.start("127.0.0.1", 0))
    await server.stop()


class Reading:
    """What a remote source brought and said."""

    def __init__(self, address: StreamAddress) -> None:
        self.states: list[PullState] = []
        self.frames: list[EncodedFrame] = []
        self.source = RemoteSource(address, self.states.append, limits=LIMITS)
        self.source.bus.tap(self.frames.append)

    @property
    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if state.reason is not None]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["local", "remote"])
async def test_who_takes_a_stream_need_not_know_whose_it_is(door: Door, live: FrameBus, kind: str) -> None:
    source: FrameSource = LocalSource(live) if kind == "local" else RemoteSource(door.lend("room"), limits=LIMITS)
    subscription = source.bus.subscribe("member", 50)
    await source.start()
    async with asyncio.timeout(30):
        assert (await anext(subscription)).keyframe
    await source.stop()
    assert subscription.closed == (kind == "remote"), "a camera of this process goes on for others"


async def test_a_cameras_smaller_stream_is_pulled_while_somebody_reads_it_under_the_same_loan(live: FrameBus) -> None:
    used: list[str] = []

    class Noted(LocalSource):
        async def start(self) -> None:
            used.append(PATH + SMALLER)

        async def stop(self) -> None:
            used.clear()

    sources = {PATH: LocalSource(FrameBus()), PATH + SMALLER: Noted(live), "cameras/2/sub": LocalSource(live)}
    server = RtspServer(sources.get)
    port = await server.start("127.0.0.1", 0)
    username, password = server.lend(PATH, "room", time.time() + 60)
    smaller = SmallerSource(StreamAddress(f"rtsp://127.0.0.1:{port}/{PATH}{SMALLER}", username, password), name="sub")
    assert used == []
    smaller.acquire()
    await until(lambda: smaller.bus.last_keyframe)
    assert used == [PATH + SMALLER]
    other = SmallerSource(StreamAddress(f"rtsp://127.0.0.1:{port}/cameras/2/sub", username, password), name="other")
    other.acquire()
    await until(lambda: other.state is not None and other.state.reason)
    assert other.bus.last_keyframe is None, "a loan opens one camera"
    await asyncio.gather(smaller.close(), other.close())
    await until(lambda: used == [])
    await server.stop()


async def test_a_stop_before_the_door_answered_is_in_time() -> None:
    mute = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(30), "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    source = RemoteSource(StreamAddress(f"rtsp://127.0.0.1:{port}/x"), limits=PullLimits(opening=1.0, silence=0.5))
    await source.start()
    await asyncio.sleep(0.1)
    async with asyncio.timeout(4):
        await source.stop()
    assert source.state.phase == "stopped"
    assert source.bus.closed
    mute.close()


async def test_a_remote_source_comes_back_after_the_door_was_shut(door: Door) -> None:
    reading = Reading(door.lend("room"))
    await reading.source.start()
    await until(lambda: len(reading.frames) >= 20)
    await door.server.stop()
    await until(lambda: reading.reasons)
    assert reading.source.bus.gop() == (), "what was seen last is not the present"
    first = len(reading.frames)
    await door.server.start("127.0.0.1", door.port)
    await until(lambda: len(reading.frames) >= first + 20)
    assert reading.frames[first].keyframe
    assert reading.frames[first].epoch > reading.frames[first - 1].epoch
    await reading.source.stop()


async def test_a_remote_source_goes_on_with_credentials_lent_by_another_process(door: Door, live: FrameBus) -> None:
    reading = Reading(door.lend("room"))
    await reading.source.start()
    await until(lambda: reading.frames)
    await door.server.stop()
    restarted = RtspServer({PATH: LocalSource(live)}.get)
    await restarted.start("127.0.0.1", door.port)
    await until(lambda: "auth_failed" in reading.reasons)
    first = len(reading.frames)
    reading.source.readdress(Door(restarted, door.port).lend("room"))
    await until(lambda: len(reading.frames) > first, 10.0)
    await reading.source.stop()
    await restarted.stop()
