"""The models' page: the card of what runs, what new weights see otherwise, and a person's promotion of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from detectors.card_file import load_card
from gateway.api.services import Services
from gateway.processes.messages import Sample
from gateway.settings import InferenceSettings
from gateway.storage.tables.cameras import CameraRow
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.control.weights_desk import WeightsOnDisk
from gateway.workers.inference.promotion import card_in_force, promotion, withdrawal
from gateway.workers.inference.shadow import FOLDER, Shadow
from models import shipped

CODE = "99000000001320000001"
PASSWORD = "Correct-Horse-7"


class Engine:
    """What the engine tells: it runs one card, and tries another in shadow."""

    def __init__(self, shadow: Path) -> None:
        self.runs, self.shadow = load_card(shipped.CARD), load_card(shadow)
        self.differing = 1

    def begin_again(self, card: Path) -> None:
        self.runs = load_card(card)

    def samples(self) -> list[Sample]:
        worker = {"worker": "inference"}
        of = worker | {"sha256": self.shadow.sha256, "card_sha256": self.shadow.card_sha256}
        runs = {"weights": self.runs.name, "sha256": self.runs.sha256, "card_sha256": self.runs.card_sha256}
        return [
            Sample("gateway_shadow_looks_total", of, 12, "counter"),
            Sample("gateway_shadow_differing_total", of, self.differing, "counter"),
            Sample("gateway_weights_info", worker | runs, 1),
            Sample("gateway_looks_total", worker, 970, "counter"),
            Sample("gateway_looks_dropped_total", worker | {"why": "late"}, 30, "counter"),
        ]


@pytest.fixture
def engine(shadow_card: Path) -> Engine:
    return Engine(shadow_card)


@pytest.fixture
def workers() -> dict[str, bool]:
    """The gateway's processes, and whether each is ready."""
    return {"inference": True, "camera-1": True}


@pytest.fixture
async def services(
    services: Services,
    camera_row: Callable[..., CameraRow],
    shadow_card: Path,
    shadow_seeing_fire: Callable[[Path], Shadow],
    workers: dict[str, bool],
    engine: Engine,
) -> Services:
    """New weights in shadow saw a fire on a street where those in force saw none."""
    now = services.clock()
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, now))
    folder = services.settings.data_folder
    await shadow_seeing_fire(folder / FOLDER).compare(CODE, street(now.timestamp()), [])
    desk = WeightsOnDisk(folder, InferenceSettings(shadow=shadow_card), engine.begin_again)
    return replace(services, weights=desk, extra_metrics=engine.samples, workers_ready=lambda: workers)


def street(at: float) -> Glimpse:
    picture = np.full((180, 320, 3), (96, 92, 88), np.uint8)
    cv2.circle(picture, (120, 112), 20, (30, 140, 250), -1)
    return Glimpse(picture, (320, 180), at, "main", lambda: picture)


def rewritten(card: Path, **facts: Any) -> Path:
    """The card with other facts in it."""
    card.write_text(json.dumps(json.loads(card.read_text()) | facts))
    return card


def spoilt(card: Path, how: str) -> None:
    match how:
        case "exchanged":
            rewritten(card, thresholds=dict(load_card(card).thresholds) | {"fire": 0.9})
        case "damaged":
            card.with_suffix(".onnx").write_bytes(b"cut short")
        case "gone":
            card.unlink()


async def open_models(page: Page, user_with: Callable[..., Awaitable[str]]) -> None:
    username = await user_with("duty_leader")
    for field, value in (("login-username", username), ("login-password", PASSWORD)):
        await page.get_by_test_id(field).locator("xpath=descendant-or-self::input").first.fill(value)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-models").click()


async def test_a_leader_looks_through_what_differs_promotes_and_takes_it_back(
    page: Page, user_with: Callable[..., Awaitable[str]]
) -> None:
    await open_models(page, user_with)
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
    await expect(in_force.get_by_test_id("engine-state")).to_contain_text("运行中")
    await expect(in_force.get_by_test_id("weights-better")).to_contain_text("/models/promoted.1/weights.onnx")
    await in_force.get_by_test_id("weights-withdraw").click()
    asked = page.get_by_test_id("withdraw-asked")
    await expect(asked).to_contain_text("撤回「newer」")
    await expect(asked).to_contain_text(f"恢复「hazard_n」（{load_card(shipped.CARD).sha256[:8]}")
    await page.locator(".n-popconfirm .n-button--primary-type").last.click()
    await expect(in_force).to_contain_text("hazard_n")
    await expect(in_force.get_by_test_id("weights-better")).to_contain_text("从出厂模型继续训练")


async def test_differences_that_are_kept_meanwhile_come_into_the_list_and_the_reader_stays_where_he_is(
    page: Page,
    user_with: Callable[..., Awaitable[str]],
    services: Services,
    shadow_seeing_fire: Callable[[Path], Shadow],
    engine: Engine,
) -> None:
    """They were loaded once: the counts grew, and the list did not."""
    shadow, now = shadow_seeing_fire(services.settings.data_folder / FOLDER), services.clock().timestamp()

    async def kept(number: int) -> None:
        for _ in range(number):
            engine.differing += 1
            await shadow.compare(CODE, street(now + engine.differing), [])

    await open_models(page, user_with)
    listed = page.get_by_test_id("weights-differences")
    await expect(listed.get_by_test_id("difference")).to_have_count(1)
    await kept(12)
    await expect(listed.get_by_test_id("difference")).to_have_count(12, timeout=20_000)
    await listed.get_by_text("火焰").first.click()
    await listed.locator(".n-pagination-item", has_text="2").first.click()
    await expect(listed.get_by_test_id("difference")).to_have_count(1)
    await kept(2)
    await expect(listed.get_by_test_id("difference")).to_have_count(3, timeout=20_000)
    await expect(listed.locator(".n-radio-button--checked")).to_contain_text("火焰")


async def test_what_a_command_put_in_force_is_said_to_run_from_the_next_start_on_only(
    page: Page, user_with: Callable[..., Awaitable[str]], services: Services, shadow_card: Path
) -> None:
    promotion(shadow_card, services.settings.data_folder).make()
    await open_models(page, user_with)
    in_force = page.get_by_test_id("weights-in-force")
    await expect(in_force.get_by_test_id("engine-state")).to_have_text("下次启动生效")
    await expect(in_force.get_by_test_id("runs-other")).to_contain_text("「hazard_n」")
    await expect(in_force).to_contain_text("newer")


async def test_why_weights_in_shadow_cannot_be_put_in_force_is_said_there(
    page: Page, user_with: Callable[..., Awaitable[str]], shadow_card: Path, engine: Engine
) -> None:
    await open_models(page, user_with)
    shadow = page.get_by_test_id("weights-shadow")
    await expect(shadow.get_by_test_id("weights-promote")).to_be_enabled()
    spoilt(shadow_card, "exchanged")
    await expect(shadow.get_by_test_id("problem")).to_contain_text("请重启服务，先试用", timeout=20_000)
    await expect(shadow.get_by_test_id("weights-promote")).to_be_disabled()
    spoilt(shadow_card, "damaged")
    await expect(shadow.get_by_test_id("problem")).to_contain_text("校验值不符", timeout=20_000)
    spoilt(shadow_card, "gone")
    await expect(shadow.get_by_test_id("problem")).to_contain_text("找不到模型卡", timeout=20_000)


async def test_the_question_about_taking_back_stays_about_the_weights_that_it_named(
    page: Page, user_with: Callable[..., Awaitable[str]], services: Services, shadow_card: Path
) -> None:
    """Another leader took them back while it was open: the answer took back those that came in force by that."""
    data = services.settings.data_folder
    for name in ("one", "two"):
        promotion(rewritten(shadow_card, name=name), data).make()
    await open_models(page, user_with)
    in_force = page.get_by_test_id("weights-in-force")
    await in_force.get_by_test_id("weights-withdraw").click()
    await expect(page.get_by_test_id("withdraw-asked")).to_contain_text("撤回「two」")
    other = withdrawal(data)
    assert other is not None
    other.make()
    await expect(in_force.get_by_test_id("weights-card")).to_contain_text("one", timeout=20_000)
    await expect(page.get_by_test_id("withdraw-asked")).to_contain_text("撤回「two」")
    await page.locator(".n-popconfirm .n-button--primary-type").last.click()
    await expect(page.get_by_test_id("problem")).to_contain_text("可能已被撤回")
    assert load_card(card_in_force(data, InferenceSettings())).name == "one"


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
