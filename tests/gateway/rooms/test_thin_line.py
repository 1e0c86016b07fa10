"""A browser on a thin line: it is sent fewer pictures, is told, and gets them back when the line carries them again."""

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

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: LossyRelay, *, inner: bool) -> None:
        self._relay, self._inner = relay, inner

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.passed(data, addr, inner=self._inner)


class LossyRelay:
    """Stands between a viewer and the gateway; loses this share of what the gateway sends, but for the handshakes."""

    def __init__(self, gateway_port: int) -> None:
        self.loss = 0.0
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


async def test_who_loses_pictures_is_sent_fewer_and_gets_them_back(relays: list[LossyRelay]) -> None:
    told: list[list[str]] = []
    rooms = Rooms(parts.LOOPBACK, lambda _: None, on_unsent=lambda _room, _viewer, members: told.append(members))
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
        relay = LossyRelay(int(found[1]))
        relays.append(relay)
        return answer.replace(f"127.0.0.1 {found[1]} typ", f"127.0.0.1 {await relay.open()} typ")

    hearts = asyncio.create_task(beat())
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(parts.chromium())
        film = parts.film()
        for name in CAMERAS:
            camera = Film()
            await rooms.add_camera("r", name, camera)
            await stack.enter_async_context(parts.playing(camera.bus, film))
        page = await browser.new_page()
        await page.expose_function("whep", whep)
        await page.route("http://127.0.0.1/**", lambda route: route.fulfill(body=parts.PAGE, content_type="text/html"))
        await page.goto("http://127.0.0.1/room")
        viewer = parts.Viewer(page)
        for name in CAMERAS:
            await page.evaluate("name => watch(name, false, 'whep')", name)
        for relay in relays:
            relay.loss = 0.3
        await parts.until(lambda: bool(told) and len(told[-1]) >= 2, 30)
        assert "one" not in told[-1], "the first of them stays"
        unsent = told[-1][0]
        await asyncio.sleep(1)
        before = (await viewer.numbers(unsent))["decoded"]
        await asyncio.sleep(1)
        assert (await viewer.numbers(unsent))["decoded"] - before <= 1
        for relay in relays:
            relay.loss = 0.0
        await parts.until(lambda: told[-1] == [], 60)
        before = (await viewer.numbers(unsent))["decoded"]
        await asyncio.sleep(2)
        assert (await viewer.numbers(unsent))["decoded"] - before > 10
    hearts.cancel()
    await rooms.close()
