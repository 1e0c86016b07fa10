"""Rooms as people use them: two browsers and a camera see and hear each other, and who leaves is gone for the other."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
from playwright.async_api import expect

from gateway.access.passwords import Passwords
from gateway.api.services import Services
from gateway.storage.database import Database

HERE = Path(__file__).parent

UserWith = Callable[..., Awaitable[str]]


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


webrtc = _loaded(HERE.parent / "webrtc_parts.py")
parts = _loaded(HERE / "room_parts.py")
CAMERA, MEDIA, PICTURES = parts.CAMERA, parts.MEDIA, parts.PICTURES
browser_with, signed_in, tiles = parts.browser_with, parts.signed_in, parts.tiles
open_room, bring_camera = parts.open_room, parts.bring_camera

STAYS_OLD = """async (tile) => {
  for (let tries = 0; tries < 120; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    if (tile.querySelector('[data-testid=live-state]') === null) return false;
  }
  return true;
}"""
LOUDNESS = """async (video) => {
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let most = 0;
  for (let tries = 0; tries < 100 && most < 0.005; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    analyser.getFloatTimeDomainData(samples);
    most = Math.max(most, ...samples.map(Math.abs));
  }
  await context.close();
  return most;
}"""


@pytest.fixture
def media(tmp_path: Path) -> object:
    return parts.RoomsHere(webrtc.LOOPBACK, tmp_path / "room-recordings")


@pytest.fixture
async def services(
    sqlite_database: Database,
    tmp_path: Path,
    passwords: Passwords,
    media: parts.RoomsHere,  # type: ignore[name-defined]
) -> AsyncIterator[Services]:
    async with parts.services_with(media, sqlite_database, tmp_path, passwords) as made:
        yield made


async def test_two_browsers_one_of_them_sending_vp8_and_a_camera_see_and_hear_each_other(
    address: str,
    user_with: UserWith,
    media: parts.RoomsHere,  # type: ignore[name-defined]
) -> None:
    username = await user_with("duty_officer")
    async with webrtc.playing(media.camera.bus, webrtc.film(), ahead=10), browser_with(MEDIA) as browser:
        first = await signed_in(browser, address, username)
        room = await open_room(first, "路口火情会商")
        second = await signed_in(browser, address, username, room.removeprefix(address), sends_h264=False)
        for page in (first, second):
            await page.get_by_test_id("room-join").click()
        await bring_camera(first, CAMERA)
        for page in (first, second):
            await expect(tiles(page)).to_have_count(3)
            await expect(page.locator("video[data-own=true]")).to_have_count(1)
            for kind in ("person", "camera"):
                assert await tiles(page, kind).locator("video").evaluate(PICTURES) > 0, kind
            await expect(tiles(page, "camera")).to_contain_text(CAMERA)
            for kind in ("person", "camera"):
                await expect(tiles(page, kind)).to_have_attribute("data-state", "publishing")
            assert await tiles(page, "person").locator("video").evaluate("video => video.muted") is False
        assert media.rooms.counts().transcodings == 0, "either codec is forwarded as it comes"
        loud = await asyncio.gather(
            *(tiles(page, "person").locator("video").evaluate(LOUDNESS) for page in (first, second))
        )
        assert min(loud) > 0.005

        await second.get_by_test_id("room-leave").click()
        await expect(tiles(first)).to_have_count(2)
        await expect(tiles(second, "person")).to_have_count(1)
        await second.get_by_test_id("room-join").click()
        await expect(tiles(first)).to_have_count(3)
        assert await tiles(first, "person").locator("video").evaluate(PICTURES) > 0
        await second.goto("about:blank")
        await expect(tiles(first), "a page that goes away says so").to_have_count(2, timeout=4_500)

        await first.get_by_test_id("room-end").click()
        await first.locator(".n-popconfirm").get_by_role("button").last.click()
        await expect(first.get_by_test_id("room-state")).to_have_text("已结束")
        await expect(tiles(first)).to_have_count(0)
        assert media.rooms.members == 0


async def test_an_old_picture_is_never_shown_as_live_and_the_next_one_comes_by_itself(
    address: str,
    user_with: UserWith,
    media: parts.RoomsHere,  # type: ignore[name-defined]
) -> None:
    username = await user_with("dispatcher")
    film = webrtc.film()
    async with browser_with(MEDIA) as browser:
        page = await signed_in(browser, address, username)
        async with webrtc.playing(media.camera.bus, film, ahead=10):
            await open_room(page, "断流演练")
            await page.get_by_test_id("room-watch").click()
            await bring_camera(page, CAMERA)
            camera = tiles(page, "camera")
            assert await camera.locator("video").evaluate(PICTURES) == webrtc.WIDTH
            await expect(camera.get_by_test_id("live-state")).to_have_count(0)
        await expect(camera.get_by_test_id("live-state")).to_contain_text("画面中断", timeout=20_000)
        await expect(camera).to_have_attribute("data-state", "silent")
        assert await camera.evaluate(STAYS_OLD), "held pictures of a new connection are no live ones"
        async with webrtc.playing(media.camera.bus, film, ahead=10):
            await expect(camera.get_by_test_id("live-state")).to_have_count(0, timeout=15_000)
            assert await camera.locator("video").evaluate(PICTURES) == webrtc.WIDTH


async def test_without_camera_and_microphone_one_joins_to_watch_and_is_told_why(
    address: str, user_with: UserWith
) -> None:
    username = await user_with("commander")
    async with browser_with(["--no-sandbox"]) as browser:
        page = await signed_in(browser, address, username)
        await open_room(page, "无设备")
        await page.get_by_test_id("room-join").click()
        await expect(page.get_by_test_id("room-note")).to_contain_text("只看只听")
        await expect(tiles(page)).to_have_count(1)
        await expect(page.get_by_test_id("room-tile-state")).to_have_text("未推流")


async def test_who_is_taken_out_is_told_and_can_join_again(address: str, user_with: UserWith) -> None:
    leader, other = await user_with("duty_leader"), await user_with("dispatcher")
    async with browser_with(MEDIA) as browser:
        first = await signed_in(browser, address, leader)
        room = await open_room(first, "成员管理")
        second = await signed_in(browser, address, other, room.removeprefix(address))
        await expect(second.get_by_test_id("room-end")).to_have_count(0)
        for page in (first, second):
            await page.get_by_test_id("room-watch").click()
        await expect(tiles(first)).to_have_count(2)
        await first.get_by_test_id("room-remove").click()
        await first.locator(".n-popconfirm").get_by_role("button").last.click()
        await expect(second.get_by_test_id("room-removed")).to_be_visible()
        await expect(tiles(first)).to_have_count(1)
        await second.get_by_test_id("room-join").click()
        await expect(tiles(first)).to_have_count(2)


async def test_contact_that_was_lost_is_said_and_the_member_comes_back_by_itself(
    address: str,
    user_with: UserWith,
    media: parts.RoomsHere,  # type: ignore[name-defined]
) -> None:
    username = await user_with("dispatcher")
    async with browser_with(MEDIA) as browser:
        page = await signed_in(browser, address, username)
        await open_room(page, "断网演练")
        await page.get_by_test_id("room-watch").click()
        await expect(tiles(page)).to_have_count(1)
        before = await tiles(page).get_attribute("data-member-id")
        await page.context.set_offline(True)
        await expect(page.get_by_test_id("room-away")).to_be_visible(timeout=20_000)
        await webrtc.until(lambda: media.rooms.members == 0, 15)
        await page.context.set_offline(False)
        await expect(page.get_by_test_id("room-away")).to_have_count(0, timeout=15_000)
        await expect(tiles(page)).to_have_count(1)
        assert await tiles(page).get_attribute("data-member-id") != before
        assert media.rooms.members == 1
