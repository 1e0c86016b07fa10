"""A sub-stream is connected to only while somebody uses it, once for all of them; its bus outlives the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import pytest

from gateway.streams.address import StreamAddress
from gateway.streams.frame import EncodedFrame
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.pull import PullLimits

pytestmark = pytest.mark.integration


class Peer(Protocol):
    def url(self, path: str = "film") -> str: ...


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_it_is_pulled_for_its_users_and_let_go_after_the_last(peer: Peer) -> None:
    source = OnDemandSource(StreamAddress(peer.url()), name="sub", limits=PullLimits(3.0, 2.0, 5.0), linger=0.2)
    frames: list[EncodedFrame] = []
    source.bus.tap(frames.append)
    assert not source.connected
    source.acquire()
    source.acquire()
    await until(lambda: len(frames) > 10)
    source.release()
    count = len(frames)
    await until(lambda: len(frames) > count + 10)
    source.release()
    await until(lambda: not source.connected)
    count = len(frames)
    source.acquire()
    await until(lambda: len(frames) > count + 10)
    assert frames[count].keyframe
    assert all(a.epoch < b.epoch or a.pts < b.pts for a, b in pairwise(frames))
    await source.close()
    assert not source.connected
    assert source.bus.closed


async def test_one_who_comes_back_in_time_finds_the_connection_standing(peer: Peer) -> None:
    source = OnDemandSource(StreamAddress(peer.url()), name="sub", limits=PullLimits(3.0, 2.0, 5.0), linger=30.0)
    source.acquire()
    await until(lambda: source.bus.last_keyframe is not None)
    epoch = source.bus.gop()[0].epoch
    source.release()
    source.acquire()
    await until(lambda: source.bus.stats().keyframes >= 3)
    assert source.bus.gop()[0].epoch == epoch
    await source.close()


@pytest.mark.parametrize("turns", range(10))
async def test_one_who_comes_while_it_is_let_go_gets_a_connection_of_their_own(turns: int) -> None:
    """Whatever turn of the loop they come in: in one of them nobody pulled for as long as they stayed."""
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    address = StreamAddress(f"rtsp://127.0.0.1:{port}/film")
    source = OnDemandSource(address, name="sub", limits=PullLimits(3.0, 2.0, 5.0), linger=0.0)
    source.acquire()
    await until(lambda: source.state is not None)
    source.release()
    for _ in range(turns):
        await asyncio.sleep(0)
    source.acquire()
    for _ in range(50):
        await asyncio.sleep(0)
    assert source.connected
    await source.close()
    silent.close()
    await silent.wait_closed()
