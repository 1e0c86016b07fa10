"""A slow reader loses whole groups of pictures, alone; one that takes nothing at all is let go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.pull import PullLimits
from gateway.streams.rtsp_in_pump import PAUSE
from gateway.streams.rtsp_out import RtspLimits, RtspServer
from gateway.streams.source import LocalSource, RemoteSource

pytestmark = pytest.mark.integration

PATH = "cameras/1"
FILLER = b"\x00\x00\x01\x0c" + b"\xff" * 30_000 + b"\x80"
"""Filler data (ITU-T H.264, 7.3.2.7): makes a frame as large as one of a camera that shows much."""


@dataclass
class Relay:
    """A thin line between a reader and the door: so many bytes a second, or none."""

    to_port: int
    bytes_per_second: float
    port: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", self.to_port))
        far, forth = await asyncio.open_connection(sock=line, limit=16 * 1024)
        self.tasks += [asyncio.create_task(self._thin(far, back)), asyncio.create_task(_copy(near, forth))]

    async def _thin(self, far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            while data := await far.read(16 * 1024):
                back.write(data)
                await back.drain()
                while not self.bytes_per_second:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(len(data) / self.bytes_per_second)
        except ConnectionError:
            pass
        finally:
            back.close()

    def cut(self) -> None:
        for task in self.tasks:
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while data := await reader.read(4096):
            writer.write(data)


@dataclass
class Scene:
    bus: FrameBus
    server: RtspServer
    port: int
    sent: int = 0

    async def read(self, reader: str, port: int) -> tuple[RemoteSource, list[EncodedFrame]]:
        username, password = self.server.lend(PATH, reader, time.time() + 60)
        address = StreamAddress(f"rtsp://127.0.0.1:{port}/{PATH}", username, password)
        source = RemoteSource(address, limits=PullLimits(opening=5.0, silence=5.0))
        frames: list[EncodedFrame] = []
        source.bus.tap(frames.append)
        await source.start()
        async with asyncio.timeout(6):
            while not frames:
                await asyncio.sleep(0.02)
        return source, frames

    def is_among_the_last(self, seen: EncodedFrame, film: list[EncodedFrame]) -> bool:
        """Whether a reader has come to the end of what was sent, but for frames on their way: those that nobody views
        wait for ``PAUSE`` before they are read."""
        waiting = round(PAUSE * 100) + 5
        return any(film[number % 100].data[-64:] in seen.data for number in range(self.sent - waiting, self.sent))

    async def send(self, film: list[EncodedFrame], seconds: float) -> float:
        """Large frames, 100 a second. Answers how late the latest was."""
        latest, began = 0.0, time.monotonic()
        for number in range(round(seconds * 100)):
            frame = film[self.sent % 100]
            frame = replace(frame, data=frame.data + FILLER, pts=self.sent * 3600, arrival=time.time())
            self.bus.publish(frame)
            self.sent += 1
            due = began + (number + 1) / 100
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            latest = max(latest, time.monotonic() - due)
        return latest


@pytest.fixture
async def scene(film: list[EncodedFrame]) -> AsyncIterator[Scene]:
    bus = FrameBus()
    server = RtspServer({PATH: LocalSource(bus)}.get, limits=RtspLimits(stalled=1.0))
    made = Scene(bus, server, await server.start("127.0.0.1", 0))
    await made.send(film, 0.1)
    yield made
    await server.stop()


async def test_a_slow_reader_goes_on_at_a_keyframe_and_holds_nobody_up(scene: Scene, film: list[EncodedFrame]) -> None:
    relay = Relay(scene.port, bytes_per_second=1_500_000)
    await relay.start()
    (fast, all_frames), (slow, some_frames), _ = await asyncio.gather(
        scene.read("fast", scene.port), scene.read("slow", relay.port), scene.send(film, 6.0)
    )
    async with asyncio.timeout(5):
        while not scene.is_among_the_last(all_frames[-1], film):  # how many it saw depends on when it had connected
            await asyncio.sleep(0.05)
    assert {b.pts - a.pts for a, b in pairwise(all_frames[20:])} == {3600}, "the other reader lost nothing"
    gaps = [later for earlier, later in pairwise(some_frames) if later.pts - earlier.pts > 3600]
    assert gaps, "the slow one did"
    assert all(frame.keyframe for frame in gaps)
    assert scene.server.drops > 0
    relay.cut()
    await asyncio.gather(fast.stop(), slow.stop(), scene.send(film, 0.2))


async def test_a_reader_that_takes_nothing_is_let_go(scene: Scene, film: list[EncodedFrame]) -> None:
    relay = Relay(scene.port, bytes_per_second=1_500_000)
    await relay.start()
    (source, _), _ = await asyncio.gather(scene.read("mute", relay.port), scene.send(film, 0.5))
    assert scene.server.readers == 1
    relay.bytes_per_second = 0
    lateness = await scene.send(film, 4.0)
    assert lateness < 0.5
    assert scene.server.readers == 0
    drops = scene.server.drops
    relay.cut()
    await source.stop()
    assert scene.server.drops >= drops, "what it lost stays counted"
