"""What is left of a consultation, in the console: a recording that all are told of and that plays, drawings on a frozen
picture that all see, and plans as a table."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
from playwright.async_api import Page, expect

from gateway.access.passwords import Passwords
from gateway.api.services import Services
from gateway.storage.database import Database


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
webrtc = _loaded(HERE.parent / "webrtc_parts.py")
parts = _loaded(HERE / "room_parts.py")
UserWith = Callable[..., Awaitable[str]]
SECONDS_PLAYED = """(video) => new Promise((done) => {
  const seen = () => (video.currentTime > 1 ? done([video.videoWidth, video.error]) : setTimeout(seen, 100));
  seen();
  setTimeout(() => done([0, String(video.error?.message)]), 15000);
})"""


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


def _recorded(folder: Path) -> int:
    """Bytes on the disk so far."""
    return sum(one.stat().st_size for one in folder.glob("*/*.mp4"))


async def line_drawn(page: Page, left: float, right: float) -> None:
    box = await page.get_by_test_id("board-sheet").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * left, y)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * right, y, steps=8)
    await page.mouse.up()


async def test_a_room_is_recorded_before_all_eyes_drawn_on_by_all_and_played_from_its_minutes(
    address: str, user_with: UserWith, tmp_path: Path
) -> None:
    chair, town = await user_with("duty_officer"), await user_with("department")
    async with parts.browser_with(parts.MEDIA) as browser:
        first = await parts.signed_in(browser, address, chair)
        room = await parts.open_room(first, "路口火情会商")
        await first.get_by_test_id("room-join").click()
        await expect(first.get_by_test_id("room-tile-state")).to_have_text("在会")
        second = await parts.signed_in(browser, address, town, room.removeprefix(address))
        await second.get_by_test_id("room-watch").click()
        sending = parts.tiles(second, "person").filter(has=second.locator("video"))
        assert await sending.locator("video").evaluate(parts.PICTURES) > 0
        await expect(second.get_by_test_id("control-record")).to_have_count(0)

        await first.get_by_test_id("control-record").click()
        for page in (first, second):
            await expect(page.get_by_test_id("room-recording")).to_be_visible()

        await sending.get_by_test_id("room-freeze").click()
        for page in (first, second):
            await expect(page.get_by_test_id("room-board")).to_have_attribute("data-strokes", "0")
        await line_drawn(second, 0.2, 0.6)
        await expect(first.get_by_test_id("room-board")).to_have_attribute("data-strokes", "1")
        await line_drawn(first, 0.4, 0.9)
        await expect(second.get_by_test_id("room-board")).to_have_attribute("data-strokes", "2")
        drawn = second.get_by_test_id("board-sheet").locator("polyline")
        assert len((await drawn.first.get_attribute("points") or "").split(" ")) > 4

        await webrtc.until(
            lambda: any(one.stat().st_size > 50_000 for one in tmp_path.glob("room-recordings/*/*.mp4")), 45
        )
        await first.get_by_test_id("control-record").click()
        await expect(second.get_by_test_id("room-recording")).to_have_count(0)
        await second.get_by_test_id("room-minutes").click()
        await expect(second.get_by_test_id("attendance")).to_have_count(2)
        await expect(second.get_by_test_id("recording"), "for those who may alone").to_have_count(0)
        await first.get_by_test_id("room-minutes").click()
        await first.get_by_test_id("recording-play").click()
        assert await first.get_by_test_id("recording-video").evaluate(SECONDS_PLAYED) == [1280, None]


async def test_a_plan_is_made_in_the_table_and_calls_whom_it_names(address: str, user_with: UserWith) -> None:
    leader = await user_with("duty_leader")
    async with parts.browser_with(["--no-sandbox"]) as browser:
        page = await parts.signed_in(browser, address, leader)
        await page.get_by_test_id("tab-plans").click()
        await page.get_by_test_id("plan-add").click()
        await page.get_by_test_id("plan-class").click()
        await page.locator(".n-base-select-option").filter(has_text="90-01").click()
        await page.get_by_test_id("plan-invite").click()
        await expect(page.get_by_test_id("plan-save")).to_be_disabled()
        await page.get_by_test_id("plan-invitee-name").fill("消防救援站")
        await page.get_by_test_id("plan-save").click()
        row = page.get_by_test_id("plan-row")
        await expect(row).to_contain_text("90-01")
        await expect(row).to_contain_text("消防救援站")
        await expect(row.get_by_test_id("plan-approved"), "a leader stands behind what they write").not_to_contain_text(
            "待批准"
        )
        await row.get_by_test_id("plan-edit").click()
        await expect(page.get_by_test_id("plan-invitee-name")).to_have_value("消防救援站")
        await page.keyboard.press("Escape")
        await row.get_by_test_id("plan-remove").click()
        await page.locator(".n-popconfirm").get_by_role("button").last.click()
        await expect(row).to_have_count(0)


async def test_a_plan_that_an_administrator_wrote_is_approved_in_the_table(address: str, user_with: UserWith) -> None:
    admin, leader = await user_with("system_admin"), await user_with("duty_leader")
    async with parts.browser_with(["--no-sandbox"]) as browser:
        page = await parts.signed_in(browser, address, admin)
        await page.goto(f"{address}/room-plans")
        await page.get_by_test_id("plan-add").click()
        await page.get_by_test_id("plan-invite").click()
        await page.get_by_test_id("plan-invitee-name").fill("消防救援站")
        await page.get_by_test_id("plan-save").click()
        await expect(page.get_by_test_id("plan-approved")).to_have_text("待批准")
        await expect(page.get_by_test_id("plan-approve")).to_have_count(0)
        other = await parts.signed_in(browser, address, leader)
        await other.goto(f"{address}/room-plans")
        await other.get_by_test_id("plan-approve").click()
        await other.locator(".n-popconfirm").get_by_role("button").last.click()
        await expect(other.get_by_test_id("plan-approved")).to_have_text(leader)
