"""A browser on a thin line: it is sent smaller pictures, then fewer, is told, and gets them back when the line carries
them again."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.rooms.rooms import Rooms
from gateway.streams.bus import FrameBus

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180), parts.needs_chromium]
CAMERAS = ("one", "two", "three", "four")


@dataclass
class Film:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)

    users: int = 0

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def close(self) -> None: ...

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: LossyRelay, *, inner: bool) -> None:
        self._relay, self._inner = relay, inner

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.passed(data, addr, inner=self._inner)


@dataclass
class Line:
    """What all relays to one viewer share: ``bits`` a second, behind a buffer that holds three seconds (None: no
    bounds)."""

    bits: float | None = None
    passed: int = 0
    _free_at: float = 0.0

    def delay(self, size: int) -> float | None:
        """Seconds until it is through; None: there is no room for it."""
        self.passed += size
        if self.bits is None:
            return 0.0
        now = asyncio.get_running_loop().time()
        begins = max(self._free_at, now)
        if begins - now > 3.0:
            return None
        self._free_at = begins + size * 8 / self.bits
        return self._free_at - now


class LossyRelay:
    """Stands between a viewer and the gateway; loses this share of what the gateway sends, but for the handshakes, and
    sends the rest through the line."""

    def __init__(self, gateway_port: int, line: Line) -> None:
        self.loss = 0.0
        self._line = line
        self._gateway = ("127.0.0.1", gateway_port)
        self._viewer: tuple[str, int] | None = None
        self._chance = random.Random(5)

    async def open(self) -> int:
        loop = asyncio.get_running_loop()
        self._outer, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self, inner=False), local_addr=("127.0.0.1", 0)
        )
        self._inner, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self, inner=True), local_addr=("127.0.0.1", 0)
        )
        return int(self._outer.get_extra_info("sockname")[1])

    def passed(self, data: bytes, address: tuple[str, int], *, inner: bool) -> None:
        if not inner:
            self._viewer = address
            self._inner.sendto(data, self._gateway)
        elif self._viewer is not None and not (127 < data[0] < 192 and self._chance.random() < self.loss):
            delay = self._line.delay(len(data))
            if delay == 0.0:
                self._outer.sendto(data, self._viewer)
            elif delay is not None:
                asyncio.get_running_loop().call_later(delay, self._through, data)

    def _through(self, data: bytes) -> None:
        if not self._outer.is_closing():
            self._outer.sendto(data, self._viewer)

    def close(self) -> None:
        self._outer.close()
        self._inner.close()


@pytest.fixture
async def relays() -> AsyncIterator[list[LossyRelay]]:
    made: list[LossyRelay] = []
    yield made
    for relay in made:
        relay.close()


@dataclass
class Meeting:
    """A room with four cameras, each with a smaller stream, and a browser that watches them over a line."""

    viewer: Any
    line: Line
    relays: list[LossyRelay]
    smaller: dict[str, Film]
    told: list[tuple[list[str], list[str]]]

    async def pictures(self, name: str, seconds: float = 1.0) -> float:
        before = (await self.viewer.numbers(name))["decoded"]
        await asyncio.sleep(seconds)
        return float((await self.viewer.numbers(name))["decoded"] - before)

    async def width(self, name: str) -> float:
        return float((await self.viewer.numbers(name))["width"])


@pytest.fixture
async def meeting(relays: list[LossyRelay]) -> AsyncIterator[Meeting]:
    told: list[tuple[list[str], list[str]]] = []
    line = Line()
    rooms = Rooms(
        parts.LOOPBACK, lambda _: None, on_unsent=lambda _room, _viewer, unsent, smaller: told.append((unsent, smaller))
    )
    rooms.start()
    await rooms.open_room("r")
    await rooms.add_person("r", "viewer")

    async def beat() -> None:
        while True:
            rooms.alive("r", "viewer")
            await asyncio.sleep(1)

    async def whep(name: str, offer: str) -> str:
        answer = await rooms.subscribe("r", "viewer", name, offer)
        found = re.search(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host", answer)
        assert found is not None
        relay = LossyRelay(int(found[1]), line)
        relays.append(relay)
        return answer.replace(f"127.0.0.1 {found[1]} typ", f"127.0.0.1 {await relay.open()} typ")

    hearts = asyncio.create_task(beat())
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(parts.chromium())
        film, small = parts.film(), parts.film(width=320, height=180)
        smaller = {}
        for name in CAMERAS:
            camera, smaller[name] = Film(), Film()
            await rooms.add_camera("r", name, camera, smaller[name])
            await stack.enter_async_context(parts.playing(camera.bus, film))
            await stack.enter_async_context(parts.playing(smaller[name].bus, small))
        page = await browser.new_page()
        await page.expose_function("whep", whep)
        await page.route("http://127.0.0.1/**", lambda route: route.fulfill(body=parts.PAGE, content_type="text/html"))
        await page.goto("http://127.0.0.1/room")
        for name in CAMERAS:
            await page.evaluate("name => watch(name, false, 'whep')", name)
        yield Meeting(parts.Viewer(page), line, relays, smaller, told)
    hearts.cancel()
    await rooms.close()


async def test_who_loses_pictures_is_sent_smaller_ones_then_fewer_and_gets_them_back(meeting: Meeting) -> None:
    told = meeting.told
    for relay in meeting.relays:
        relay.loss = 0.3
    await parts.until(lambda: bool(told) and len(told[-1][0]) >= 2, 40)
    assert told[0] == ([], sorted(CAMERAS)), "smaller ones first"
    unsent, smaller = told[-1]
    assert "one" not in unsent, "the first of them stays"
    assert "one" in smaller
    assert {name for name, film in meeting.smaller.items() if film.users} == set(CAMERAS) - set(unsent)
    await asyncio.sleep(1)
    assert await meeting.pictures(unsent[0]) <= 1
    for relay in meeting.relays:
        relay.loss = 0.0
    await parts.until(lambda: meeting.width("one"), 5)
    assert await meeting.width("one") == 320
    await parts.until(lambda: told[-1] == ([], []), 90)
    assert await meeting.pictures(unsent[0], 2) > 10
    assert await meeting.width("one") == 640
    assert not any(film.users for film in meeting.smaller.values())


async def test_a_line_that_only_gets_slower_is_found_by_what_the_browser_says_it_can_take(meeting: Meeting) -> None:
    await asyncio.sleep(4)
    before = meeting.line.passed
    await asyncio.sleep(2)
    meeting.line.bits = (meeting.line.passed - before) * 8 / 2 * 0.6
    await parts.until(lambda: bool(meeting.told), 25)
    assert meeting.told[0] == ([], sorted(CAMERAS))
    await asyncio.sleep(4)
    assert await meeting.pictures("one", 2) > 30, "it moves again"
