"""A conference terminal and two people in one room, through the whole service as an operator starts it.

baresip dials in, is let in, seen and heard, gets the others composed and mixed, and is gone when it hangs up or dies.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.async_api import Page, expect
from serve_parts import GATEWAY, environment, serving

from bench.demo_run import free_port
from gateway.api.pages import BUILT


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


TESTS = Path(__file__).parents[1] / "gateway"
sip = _loaded(TESTS / "rooms" / "sip_parts.py")
console = _loaded(TESTS / "console" / "room_parts.py")
browser_with, signed_in, tiles = console.browser_with, console.signed_in, console.tiles

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(240),
    sip.needs_baresip,
    pytest.mark.skipif(not console.CHROMIUM.exists(), reason="Chromium is not installed (Debian package chromium)"),
    pytest.mark.skipif(not (BUILT / "index.html").is_file(), reason="the console is not built (make console)"),
]

USER = "duty-officer"
TONE = 880
"""Hz: what baresip sends as its sound. Its picture is three bars: red, green, blue."""
GONE_WITHIN = 6.0
"""Seconds. The promise is 5; here other tests take the processor."""

BARS = """async (video) => {
  const canvas = document.createElement('canvas'); canvas.width = 60; canvas.height = 20;
  const context = canvas.getContext('2d');
  for (let tries = 0; tries < 800; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    if (!video.videoWidth) continue;
    context.drawImage(video, 0, 0, 60, 20);
    const main = [10, 30, 50].map((x) => {
      const [r, g, b] = context.getImageData(x, 10, 1, 1).data;
      return r > g + 80 && r > b + 80 ? 'r' : g > r + 80 && g > b + 80 ? 'g' : b > r + 80 && b > g + 80 ? 'b' : '-';
    }).join('');
    if (main === 'rgb') return true;
  }
  return false;
}"""
PITCH = """async (video) => {
  const context = new AudioContext(); await context.resume();
  const analyser = context.createAnalyser(); analyser.fftSize = 8192;
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  const levels = new Float32Array(analyser.frequencyBinCount);
  let pitch = 0;
  for (let tries = 0; tries < 200 && pitch === 0; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    analyser.getFloatFrequencyData(levels);
    const most = levels.indexOf(Math.max(...levels));
    if (levels[most] > -40) pitch = most * context.sampleRate / analyser.fftSize;
  }
  await context.close();
  return pitch;
}"""
"""Of the loudest tone, once there is one louder than -40 dB."""


@dataclass(frozen=True)
class Room:
    """The room at its doors, to its chair."""

    http: httpx.AsyncClient
    id: str
    number: str

    async def terminal(self) -> dict[str, Any] | None:
        shown = (await self.http.get(f"/rooms/{self.id}")).json()
        member = next((one for one in shown["members"] if one["kind"] == "terminal"), None)
        return member and {**member, "place": shown["consultation"]["seats"][member["id"]]["place"]}

    async def order(self, control: str, **asked: Any) -> None:
        answer = await self.http.post(f"/rooms/{self.id}/controls/{control}", json=asked)
        assert answer.status_code == 200, answer.text

    async def let_in(self) -> None:
        """Whoever dialled, once it waits."""
        async with asyncio.timeout(30):
            while (waits := await self.terminal()) is None:
                await asyncio.sleep(0.1)
        assert waits["place"] == "lobby"
        await self.order("admit", member=waits["id"])

    async def gone_after(self) -> float:
        """Seconds from now until the room says that the terminal has gone."""
        begun = time.monotonic()
        async with asyncio.timeout(15):
            while await self.terminal() is not None:
                await asyncio.sleep(0.05)
        return time.monotonic() - begun


@asynccontextmanager
async def room_of(address: str) -> AsyncIterator[Room]:
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=20, trust_env=False) as http:
        login = {"username": USER, "password": console.PASSWORD, "kind": "bearer"}
        http.headers["Authorization"] = f"Bearer {(await http.post('/session', json=login)).json()['token']}"
        made = (await http.post("/rooms", json={"title": "火情会商"})).json()
        yield Room(http, made["id"], made["number"])


async def user_added(folder: Path) -> None:
    adding = await asyncio.create_subprocess_exec(
        GATEWAY, "users", "add", USER, "--role", "duty_officer", cwd=folder, env=environment(folder),
        stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    await adding.communicate(f"{console.PASSWORD}\n".encode())
    assert adding.returncode == 0


def tiles_received(folder: Path) -> list[str]:
    """What stands in each quarter of the newest picture that the terminal got: its own bars, a browser's picture (which
    Chromium makes green), or nothing."""
    pictures = sorted(folder.glob("snapshot-recv-*.png"))
    picture = cv2.imread(str(pictures[-1])) if pictures else None
    if picture is None:
        return []
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    found = []
    for top, left in ((0, 0), (0, width), (height, 0), (height, width)):
        part = picture[top + height // 4 : top + height * 3 // 4, left : left + width].astype(int)
        _, green, red = np.median(part[:, width // 20 : width // 4], axis=(0, 1))
        found.append("bars" if red > green + 80 else "browser" if green > red + 40 else "nothing")
    return found


def share_of_tone(folder: Path) -> tuple[float, float]:
    """Loudest sample that the terminal heard, and how much of all it heard is its own tone."""
    files = list(folder.glob("dump-*-dec.wav"))
    data = files[0].read_bytes()[44:] if files else b""
    samples = np.frombuffer(data[: len(data) // 2 * 2], np.int16).astype(float)
    if samples.size < 8000:
        return 0.0, 0.0
    power = np.abs(np.fft.rfft(samples)) ** 2
    pitches = np.fft.rfftfreq(samples.size, 1 / 8000)
    return float(np.abs(samples).max()), float(power[np.abs(pitches - TONE) < 15].sum() / power[pitches > 50].sum())


async def test_a_terminal_is_let_in_seen_and_heard_and_gets_the_others_and_is_gone_when_it_goes(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "terminal"
    await user_added(tmp_path)
    settings = {"SIP__PORT": str(port), "WEBRTC__ADDRESSES": '["127.0.0.1"]'}
    async with (
        serving(tmp_path, **settings) as (_process, address),
        room_of(address) as room,
        browser_with(console.MEDIA) as browser,
    ):
        await room.order("layout", layout="4")
        pages: list[Page] = [await signed_in(browser, address, USER, f"/rooms/{room.id}") for _ in range(2)]
        for page in pages:
            await page.get_by_test_id("room-join").click()
        for page in pages:
            await expect(tiles(page)).to_have_count(2)
        dialled = f"sip:{room.number}@127.0.0.1:{port}"
        async with sip.terminal(folder, free_port()) as terminal:
            await terminal.order("dial", dialled)
            for page in pages:
                await expect(tiles(page, "terminal").get_by_test_id("room-tile-lobby")).to_be_visible()
            await terminal.order("snapshot")
            assert tiles_received(folder) == [], "in the lobby it gets nothing"
            await room.let_in()
            seen = await asyncio.gather(*(tiles(page, "terminal").locator("video").evaluate(BARS) for page in pages))
            assert seen == [True, True]
            heard = await asyncio.gather(*(tiles(page, "terminal").locator("video").evaluate(PITCH) for page in pages))
            assert heard == [pytest.approx(TONE, abs=15)] * 2
            async with asyncio.timeout(30):
                while sorted(tiles_received(folder)) != ["bars", "browser", "browser", "nothing"]:
                    await terminal.order("snapshot")
                    await asyncio.sleep(0.3)
            async with asyncio.timeout(20):
                while share_of_tone(folder)[0] < 1000:
                    await asyncio.sleep(0.2)
            assert share_of_tone(folder)[1] < 0.02, "the mix holds nothing of its own"
            await terminal.order("hangup")
            assert await room.gone_after() < GONE_WITHIN
            for page in pages:
                await expect(tiles(page, "terminal")).to_have_count(0)
            await terminal.order("dial", dialled)
            await room.let_in()
            assert await tiles(pages[0], "terminal").locator("video").evaluate(BARS)
            terminal.vanish()
            assert await room.gone_after() < GONE_WITHIN
            await expect(tiles(pages[1], "terminal")).to_have_count(0)
