"""Two browsers and a camera in a room, through the console as people use it: what each sees and hears of the others."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, Locator, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

STEP_MS = 20_000
SEEN_WITHIN = 40.0
_SEEN = """() => [...document.querySelectorAll('[data-testid=room-tile] video')]
  .filter(video => video.videoWidth > 0 && !video.paused && video.currentTime > 0).length"""
_HEARD = """async () => {
  const context = new AudioContext(); await context.resume();
  let heard = 0;
  for (const video of document.querySelectorAll('[data-testid=room-tile] video')) {
    const stream = video.srcObject;
    if (!stream || stream.getAudioTracks().length === 0 || video.dataset.own === 'true') continue;
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    for (let tries = 0; tries < 60; tries++) {
      await new Promise(done => setTimeout(done, 50));
      analyser.getFloatTimeDomainData(samples);
      if (samples.some(value => Math.abs(value) > 0.005)) { heard += 1; break }
    }
  }
  await context.close();
  return heard
}"""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Pictures and voices that arrive at each browser: both see the other and the camera, and hear the other."""

    seen: tuple[int, int]
    heard: tuple[int, int]
    seconds: float

    @property
    def complete(self) -> bool:
        return min(self.seen) >= 2 and min(self.heard) >= 1


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Headless, with a made-up camera and microphone."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--allow-loopback-in-peer-connection",
            ],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def meet(browser: Browser, address: str, username: str, password: str, camera: str) -> Meeting:
    """Open a room, join it twice, bring ``camera`` (its name) in, and see who sees and hears whom."""
    began = time.monotonic()
    first, second = [await signed_in(browser, address, username, password) for _ in range(2)]
    await first.get_by_test_id("nav-rooms").click()
    await field(first, "room-title").fill("应急会商")
    await first.get_by_test_id("room-create").click()
    await first.wait_for_url("**/rooms/*")
    await second.goto(first.url)
    for page in (first, second):
        await page.get_by_test_id("room-join").click()
    for page in (first, second):
        await _within(page)
    await add_camera(first, camera)
    seen = await asyncio.gather(*(_seen(page) for page in (first, second)))
    heard = [await page.evaluate(_HEARD) for page in (first, second)]
    meeting = Meeting((seen[0], seen[1]), (heard[0], heard[1]), time.monotonic() - began)
    for page in (second, first):
        await (await _within(page)).click()
    return meeting


async def signed_in(browser: Browser, address: str, username: str, password: str) -> Page:
    """A page of a browser of its own, signed in at the console."""
    context = await browser.new_context(permissions=["camera", "microphone"], locale="zh-CN")
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await page.goto(address)
    await field(page, "login-username").fill(username)
    await field(page, "login-password").fill(password)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-rooms").wait_for()
    return page


def field(page: Page, test_id: str) -> Locator:
    """The text field that bears the id, or stands in what bears it."""
    return page.get_by_test_id(test_id).locator("xpath=descendant-or-self::*[self::input or self::textarea]").first


async def add_camera(page: Page, camera: str) -> None:
    """Pick the camera by its name; say why, if the console asks."""
    await page.get_by_test_id("room-add-camera").click()
    await page.get_by_text(camera).last.click()
    purpose = page.get_by_test_id("grant-purpose")
    tile = page.get_by_test_id("room-tile").filter(has_text=camera)
    await purpose.or_(tile).first.wait_for()
    if await purpose.is_visible():
        await field(page, "grant-purpose").fill("应急会商")
        await page.get_by_test_id("grant-submit").click()
        await purpose.wait_for(state="hidden")  # until the room has taken the camera in, the dialog covers it


async def _within(page: Page) -> Locator:
    """The button to leave, as only a member has it. Raises ``AssertionError``, with what the page says, without it."""
    leave = page.get_by_test_id("room-leave")
    try:
        await leave.wait_for()
    except PlaywrightTimeout as late:
        raise AssertionError(f"not in the room: {await page.locator('body').inner_text()}") from late
    return leave


async def _seen(page: Page) -> int:
    """Tiles in which a picture moves, besides the member's own."""
    end = time.monotonic() + SEEN_WITHIN
    seen = 0
    while seen < 3 and time.monotonic() < end:
        await asyncio.sleep(0.5)
        seen = int(await page.evaluate(_SEEN))
    return seen - 1
