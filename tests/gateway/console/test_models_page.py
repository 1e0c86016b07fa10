"""The models' page: the card of what runs, what new weights see otherwise, and a person's promotion of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from gateway.api.pages import BUILT
from gateway.api.services import Services
from gateway.processes.messages import Sample
from gateway.settings import InferenceSettings
from gateway.storage.tables.cameras import CameraRow
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.control.weights_desk import WeightsOnDisk
from gateway.workers.inference.shadow import FOLDER, Shadow

CHROMIUM = Path("/usr/bin/chromium")
CODE = "99000000001320000001"
PASSWORD = "Correct-Horse-7"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (Debian package chromium)"),
    pytest.mark.skipif(not (BUILT / "index.html").is_file(), reason="the console is not built (make console)"),
]


@pytest.fixture
def workers() -> dict[str, bool]:
    """The gateway's processes, and whether each is ready."""
    return {"inference": True, "camera-1": True}


@pytest.fixture
async def services(
    services: Services, shadow_card: Path, shadow_seeing_fire: Callable[[Path], Shadow], workers: dict[str, bool]
) -> Services:
    """New weights in shadow saw a fire on a street where those in force saw none."""
    now = services.clock()
    async with services.db.transaction() as session:
        session.add(
            CameraRow(
                code=CODE,
                platform="hub",
                name="测试路口东",
                stream_url="rtsp://127.0.0.1/",
                encoding="H264",
                notices=[],
                health_state="live",
                health_reason="",
                health_since=now,
                registered_at=now,
                changed_at=now,
            )
        )
    street = np.full((180, 320, 3), (96, 92, 88), np.uint8)
    cv2.circle(street, (120, 112), 20, (30, 140, 250), -1)
    folder = services.settings.data_folder
    glimpse = Glimpse(street, (320, 180), now.timestamp(), "main", lambda: street)
    await shadow_seeing_fire(folder / FOLDER).compare(CODE, glimpse, [])
    told = [
        Sample(f"gateway_shadow_{name}_total", {"worker": "inference"}, value, "counter")
        for name, value in (("looks", 12), ("differing", 1))
    ]
    told += [
        Sample("gateway_looks_total", {"worker": "inference"}, 970, "counter"),
        Sample("gateway_looks_dropped_total", {"worker": "inference", "why": "late"}, 30, "counter"),
    ]
    desk = WeightsOnDisk(folder, InferenceSettings(shadow=shadow_card), lambda _card: None)
    return replace(services, weights=desk, extra_metrics=lambda: told, workers_ready=lambda: workers)


async def test_a_leader_looks_through_what_differs_promotes_and_takes_it_back(
    page: Page, user_with: Callable[..., Awaitable[str]]
) -> None:
    username = await user_with("duty_leader")
    for field, value in (("login-username", username), ("login-password", PASSWORD)):
        await page.get_by_test_id(field).locator("xpath=descendant-or-self::input").first.fill(value)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-models").click()
    in_force, shadow = page.get_by_test_id("weights-in-force"), page.get_by_test_id("weights-shadow")
    await expect(in_force).to_contain_text("有火图片的发现率")
    await expect(in_force).to_contain_text("真实占道摊点")
    await expect(in_force.get_by_test_id("engine-load")).to_contain_text("已分析 970 个画面，丢弃 30 个（3.0%）")
    await in_force.get_by_test_id("weights-better").get_by_text("让模型更好").click()
    await expect(in_force.get_by_test_id("weights-better")).to_contain_text("--with-feedback var/models/feedback")
    await expect(shadow).to_contain_text("已分析 12 个画面，1 个有差异")
    await expect(shadow.get_by_test_id("difference")).to_contain_text("仅新模型：火焰 0.80")
    await shadow.get_by_test_id("differences-show").click()
    await page.get_by_test_id("grant-preset-verify").click()
    await page.get_by_test_id("grant-submit").click()
    picture = shadow.get_by_test_id("difference").locator("img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async one => (await one.decode(), one.naturalWidth)") == 320
    await shadow.get_by_test_id("weights-promote").click()
    await page.locator(".n-popconfirm .n-button--primary-type").last.click()
    await expect(in_force).to_contain_text("newer")
    await expect(shadow).to_contain_text("没有试用中的新模型")
    await in_force.get_by_test_id("weights-withdraw").click()
    await page.locator(".n-popconfirm .n-button--primary-type").last.click()
    await expect(in_force).to_contain_text("hazard_n")


async def test_every_page_says_that_the_engine_is_away_until_it_is_back(
    page: Page, user_with: Callable[..., Awaitable[str]], workers: dict[str, bool]
) -> None:
    username = await user_with("duty_officer")
    for field, value in (("login-username", username), ("login-password", PASSWORD)):
        await page.get_by_test_id(field).locator("xpath=descendant-or-self::input").first.fill(value)
    workers["inference"] = False
    await page.get_by_test_id("login-submit").click()
    await expect(page.get_by_test_id("worker-away")).to_contain_text("识别引擎未运行")
    workers["inference"] = True
    await expect(page.get_by_test_id("worker-away")).to_have_count(0)
