"""What a camera's own device is asked from its page, its descriptive record, and many cameras connected at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.live import LiveHub
from gateway.settings import CameraSettings, Settings
from gateway.storage.database import Database
from gateway.storage.vault import Vault
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualFleet
from gateway.workers.control.camera_records import CameraRecords
from gateway.workers.control.device_events import DeviceEvents

PASSWORD = "Correct-Horse-7"
SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
PICTURES = os.environ.get("CONSOLE_PICTURES")
"""A folder for pictures of what was seen, for whoever wants to look at it."""

UserWith = Callable[..., Awaitable[str]]


@pytest.fixture
async def services(sqlite_database: Database, tmp_path: Path, passwords: Passwords) -> AsyncIterator[Services]:
    vault, settings, live = Vault.at(tmp_path), Settings(data_folder=tmp_path, platform_code="hub"), LiveHub()
    network = CameraNetwork(CameraSettings(), system_clock)
    events = DeviceEvents(sqlite_database, vault, network.control, live, system_clock)
    yield Services(
        settings=settings,
        db=sqlite_database,
        vault=vault,
        passwords=passwords,
        live=live,
        cameras=CameraRecords(sqlite_database, vault, settings.rules),
        camera_network=network,
        cameras_changed=events.changed,
        device_events=events,
    )
    await events.close()
    await network.close()


@pytest.fixture
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VirtualFleet]:
    cameras = [
        VirtualCamera("测试球机", SMALL, "viewer", SECRET, quirks=Quirks(clock_offset=-7200.0), ptz=True),
        VirtualCamera("另一口令", SMALL, "viewer", "another"),
    ]
    async with VirtualFleet(cameras, tmp_path_factory.mktemp("fleet"), multicast=False) as fleet:
        yield fleet


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.wait_for_timeout(500)
        await page.screenshot(path=f"{PICTURES}/{name}.png")


async def opened(page: Page, username: str, services: Services, fleet: VirtualFleet, tmp_path: Path) -> None:
    """Signed in, with a credential set and both cameras imported."""
    await page.get_by_test_id("login-username").fill(username)
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-cameras").click()
    await expect(page.get_by_test_id("link-state")).to_have_attribute("data-state", "open")
    await page.get_by_test_id("credentials-open").click()
    for name, text in (
        ("name", "测试网段"), ("networks", "127.0.0.0/8"), ("username", "viewer"), ("password", SECRET),
    ):  # fmt: skip
        await page.get_by_test_id(f"credential-{name}").fill(text)
    await page.get_by_test_id("credential-submit").click()
    await expect(page.get_by_test_id("credential-set")).to_be_visible()
    await page.keyboard.press("Escape")
    sheet = tmp_path / "cameras.csv"
    rows = [f"{device.camera.name},{device.onvif_address}" for device in fleet.devices]
    sheet.write_text("\n".join(["名称,ONVIF地址", *rows]), "utf-8")
    await page.get_by_test_id("sheets-open").click()
    await page.get_by_test_id("sheets-file").set_input_files(sheet)
    await page.get_by_test_id("sheets-import").click()
    await expect(page.get_by_test_id("sheets-report")).to_contain_text("导入完成")
    await page.keyboard.press("Escape")


async def test_many_are_connected_and_of_one_the_device_and_the_record_are_changed(
    page: Page, fleet: VirtualFleet, services: Services, user_with: UserWith, tmp_path: Path
) -> None:
    await opened(page, await user_with("machine"), services, fleet, tmp_path)
    dome = fleet.devices[0].device
    await expect(page.get_by_test_id("camera-state").first).to_have_text("待接入")

    await page.get_by_test_id("connecting-open").click()
    await expect(page.get_by_test_id("connecting-start")).to_contain_text("2 台")
    await page.get_by_test_id("connecting-start").click()
    await expect(page.get_by_test_id("connecting-progress")).to_have_attribute("data-state", "done", timeout=30_000)
    await expect(page.get_by_test_id("connecting-progress")).to_contain_text("接入 1")
    await expect(page.get_by_test_id("connecting-failure")).to_contain_text("用户名或口令错误")
    await expect(page.get_by_test_id("connecting-start")).to_contain_text("1 台")
    await picture(page, "connecting")
    await fleet.change_password(1, SECRET)
    await page.get_by_test_id("connecting-again").click()
    await expect(page.get_by_test_id("connecting-failure")).to_have_count(0, timeout=30_000)
    await expect(page.get_by_test_id("connecting-progress")).to_contain_text("1 / 1")
    await page.keyboard.press("Escape")

    await page.get_by_test_id("camera-row").first.click()
    device = page.get_by_test_id("camera-device")
    await device.get_by_text("图像设置").click()
    await expect(page.get_by_test_id("imaging-brightness")).to_be_visible()
    await page.get_by_test_id("imaging-brightness").get_by_role("slider").press("ArrowRight")
    await page.get_by_test_id("imaging-wide_dynamic_range").locator(".n-base-selection").click()
    await page.locator(".n-base-select-option", has_text="开").click()
    await page.get_by_test_id("imaging-save").click()
    await expect(page.get_by_test_id("imaging-reset")).to_be_enabled()
    assert (dome.imaging.levels["Brightness"], dome.imaging.wide_dynamic_range) == (51.0, "ON")
    await page.get_by_test_id("imaging-reset").click()
    await expect(page.get_by_test_id("imaging-brightness")).to_contain_text("50")
    assert (dome.imaging.levels["Brightness"], dome.imaging.wide_dynamic_range) == (50.0, "OFF")

    await device.get_by_text("设备时钟").click()
    await expect(page.get_by_test_id("clock-offset")).to_have_text("慢 2 小时")
    await device.get_by_text("设备事件").click()
    await page.get_by_test_id("device-events-switch").click()
    await expect(page.get_by_test_id("device-events-state")).to_have_text("正在接收", timeout=15_000)
    await device.scroll_into_view_if_needed()
    await picture(page, "device")
    await page.get_by_test_id("clock-set").click()
    await page.get_by_role("button", name="确认").click()
    await expect(page.get_by_test_id("clock-offset")).to_have_text("准确（不足 2 秒）")
    dome.events.set("motion", True)
    begun = page.get_by_test_id("device-event").filter(has_text="移动侦测开始")
    await expect(begun.first).to_be_visible(timeout=20_000)

    await page.get_by_test_id("steer-name").fill("东向")
    await page.get_by_test_id("steer-store").click()
    await expect(page.get_by_test_id("preset")).to_contain_text("东向")
    await page.get_by_test_id("rules-view").click()
    await page.locator(".n-base-select-option", has_text="东向").click()
    await expect(page.get_by_test_id("camera-rules")).to_contain_text("系统初始值")
    await page.get_by_test_id("camera-steering").scroll_into_view_if_needed()
    await picture(page, "presets")

    await page.get_by_test_id("camera-edit").click()
    await page.get_by_text("展开一机一档的其余字段").click()
    await page.get_by_test_id("camera-form-division").fill("12345")
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-form")).to_contain_text("6、9 或 12 位数字")
    await page.get_by_test_id("camera-form-clear-login").click()
    await picture(page, "record")
    await page.get_by_test_id("camera-form-clear-login").click()
    await page.get_by_test_id("camera-form-division").fill("990000")
    await page.get_by_test_id("camera-form-bearing").fill("270")
    await page.get_by_test_id("camera-form-structure").click()
    await page.locator(".n-base-select-option", has_text="球机").click()
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-facts")).to_contain_text("270°")
    await expect(page.get_by_test_id("camera-facts")).to_contain_text("球机")
    await picture(page, "facts")

    await page.get_by_test_id("report-open").click()
    await expect(page.get_by_test_id("report-rates")).to_contain_text("在线率")
    await picture(page, "report")
    await page.keyboard.press("Escape")
    if PICTURES:
        await page.evaluate("localStorage.setItem('gateway.locale', 'en')")
        await page.reload()
        await device.get_by_text("Picture settings").click()
        await device.get_by_text("Device clock").click()
        await device.get_by_text("Device events").click()
        await device.scroll_into_view_if_needed()
        await picture(page, "device-en")
        await page.get_by_test_id("connecting-open").click()
        await picture(page, "connecting-en")
        await page.keyboard.press("Escape")
        await page.get_by_test_id("report-open").click()
        await picture(page, "report-en")
        await page.keyboard.press("Escape")
        await page.get_by_test_id("camera-edit").click()
        await page.get_by_test_id("camera-form-more").click()
        await picture(page, "record-en")
