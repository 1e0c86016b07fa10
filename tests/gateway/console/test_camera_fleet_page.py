"""Many cameras as people bring them in: a login for their network, a range swept, a sheet imported, a head turned."""

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
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet
from gateway.workers.control.camera_records import CameraRecords

PASSWORD = "Correct-Horse-7"
SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
PICTURES = os.environ.get("CONSOLE_PICTURES")
"""A folder for pictures of what was seen, for whoever wants to look at it."""

UserWith = Callable[..., Awaitable[str]]


@pytest.fixture
async def services(sqlite_database: Database, tmp_path: Path, passwords: Passwords) -> AsyncIterator[Services]:
    vault, settings = Vault.at(tmp_path), Settings(data_folder=tmp_path, platform_code="hub")
    network = CameraNetwork(CameraSettings(), system_clock)
    yield Services(
        settings=settings,
        db=sqlite_database,
        vault=vault,
        passwords=passwords,
        live=LiveHub(),
        cameras=CameraRecords(sqlite_database, vault, settings.rules),
        camera_network=network,
    )
    await network.close()


@pytest.fixture
async def dome(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VirtualDevice]:
    camera = VirtualCamera("球机", SMALL, "viewer", SECRET, ptz=True)
    async with VirtualFleet([camera], tmp_path_factory.mktemp("fleet"), multicast=False) as fleet:
        yield fleet.devices[0]


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.wait_for_timeout(400)
        await page.screenshot(path=f"{PICTURES}/{name}.png")


async def test_cameras_of_a_network_come_in_by_range_and_sheet_and_are_steered(
    page: Page, dome: VirtualDevice, user_with: UserWith, tmp_path: Path
) -> None:
    await page.get_by_test_id("login-username").fill(await user_with("machine"))
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
    await expect(page.get_by_test_id("credential-set")).to_contain_text("127.0.0.0/8")
    assert SECRET not in await page.content()
    await picture(page, "credentials")
    await page.keyboard.press("Escape")

    await page.get_by_test_id("discovery-open").click()
    await page.get_by_test_id("discovery-targets").fill("127.0.0.0/29")
    await page.get_by_test_id("discovery-ports").fill(f"{dome.device.port}, 9")
    await page.get_by_test_id("discovery-search").click()
    await expect(page.get_by_test_id("discovery-progress")).to_have_attribute("data-state", "done")
    await expect(page.get_by_test_id("discovery-progress")).to_contain_text("12 / 12")
    await expect(page.get_by_test_id("discovery-device")).to_contain_text(dome.onvif_address)
    await picture(page, "sweep")
    await page.keyboard.press("Escape")

    sheet = tmp_path / "cameras.csv"
    sheet.write_text(
        f"名称,ONVIF地址,经度,纬度,结构\n测试球机,{dome.onvif_address},120.5,30.25,球机\n坏行,127.0.0.6,200,30,\n",
        "utf-8",
    )
    await page.get_by_test_id("sheets-open").click()
    await page.get_by_test_id("sheets-file").set_input_files(sheet)
    await expect(page.get_by_test_id("sheets-report")).to_contain_text("新增 1")
    await expect(page.get_by_test_id("sheets-fault")).to_contain_text("180")
    await picture(page, "import")
    await page.get_by_test_id("sheets-import").click()
    await expect(page.get_by_test_id("sheets-report")).to_contain_text("导入完成")
    async with page.expect_download() as downloading:
        await page.get_by_test_id("sheets-csv").click()
    assert "测试球机" in (await (await downloading.value).path()).read_text("utf-8-sig")
    await page.keyboard.press("Escape")

    await page.get_by_test_id("camera-row").click()
    await page.get_by_test_id("camera-start").click()
    # The camera is asked itself, and its stream looked at.
    await expect(page.get_by_test_id("camera-steering")).to_be_visible(timeout=30_000)
    await page.get_by_test_id("steer-right").hover()
    await page.mouse.down()
    await expect(page.get_by_test_id("steer-right")).to_have_class("right held")
    await page.wait_for_timeout(500)
    await page.mouse.up()
    await page.get_by_test_id("steer-name").fill("东向")
    await page.get_by_test_id("steer-store").click()
    await expect(page.get_by_test_id("camera-steering")).to_contain_text("东向")
    assert dome.device.ptz.position(dome.device.now).pan > 0
    assert not dome.device.ptz.moving(dome.device.now)
    await picture(page, "steering")
