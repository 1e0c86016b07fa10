"""The organisation's pages: grids are previewed and imported, a rule says who would get an event, one is reported by
hand with its photograph, and stands on the map and in the figures."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import Page, expect

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform, ensure_hub

UserWith = Callable[..., Awaitable[str]]
SignIn = Callable[..., Awaitable[None]]


def _grids(path: Path) -> Path:
    def grid(serial: int, west: float, east: float) -> dict[str, object]:
        ring = [[west, 30.2], [east, 30.2], [east, 30.3], [west, 30.3], [west, 30.2]]
        named = {"code": f"990001001001{serial:03}", "name": f"测试{serial}网格"}
        return {
            "type": "Feature", "properties": named, "geometry": {"type": "Polygon", "coordinates": [ring]},
        }  # fmt: skip

    features = [grid(1, 120.4, 120.5), grid(2, 120.49, 120.6), grid(1, 121, 122)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


async def test_grids_are_previewed_and_then_imported(
    page: Page, sign_in: SignIn, user_with: UserWith, services: Services, tmp_path: Path
) -> None:
    await sign_in(page, await user_with("system_admin"))
    await page.get_by_test_id("nav-grid").click()
    await page.get_by_test_id("grid-file").set_input_files(str(_grids(tmp_path / "grids.geojson")))
    await expect(page.get_by_test_id("grid-apply")).to_be_disabled()
    await page.get_by_test_id("grid-preview").click()
    await expect(page.get_by_test_id("grid-counts")).to_contain_text("新增 2")
    await expect(page.get_by_test_id("grid-import")).to_contain_text("编码与第 1 行重复")
    await expect(page.get_by_test_id("grid-finding")).to_contain_text("重叠")
    await page.get_by_test_id("grid-finding").get_by_role("button").click()
    await page.get_by_test_id("grid-apply").click()
    await expect(page.get_by_text("已导入")).to_be_visible()
    await expect(page.get_by_text("2 个网格")).to_be_visible()


async def test_an_event_reported_by_hand_is_whose_the_rule_says_and_stands_on_the_map(
    page: Page, sign_in: SignIn, user_with: UserWith, services: Services, tmp_path: Path
) -> None:
    async with services.db.transaction() as session:
        await ensure_hub(session, "hub", "枢纽")
        await add_sub_platform(session, "urban", "城管局", "city_department", "hub")
    photo = tmp_path / "seen.jpg"
    assert cv2.imwrite(str(photo), np.full((120, 160, 3), 90, np.uint8))
    await sign_in(page, await user_with("duty_leader", "duty_officer"))

    await page.get_by_test_id("nav-grid").click()
    await page.get_by_text("派遣规则", exact=True).first.click()
    await expect(page.get_by_text("还没有派遣规则")).to_be_visible()
    await page.get_by_test_id("rule-add").click()
    await page.get_by_test_id("rule-department").click()
    await page.get_by_text("城管局", exact=True).last.click()
    await page.get_by_test_id("rule-form").get_by_role("button", name="保存").click()
    await expect(page.get_by_test_id("dispatch-rule")).to_contain_text("城管局")
    await page.get_by_test_id("try-class").click()
    await page.get_by_text("04-96 占用消防通道").last.click()
    await page.get_by_test_id("try-run").click()
    await expect(page.get_by_test_id("try-answer")).to_contain_text("规则 1")

    await page.get_by_test_id("nav-duty").click()
    await page.get_by_test_id("report-event").click()
    await page.get_by_test_id("report-class").click()
    await page.get_by_text("04-96 占用消防通道").last.click()
    await page.get_by_test_id("report-description").fill("消防通道被堵")
    await page.get_by_test_id("report-form").get_by_test_id("grid-map").click()
    await page.get_by_test_id("report-photo").set_input_files(str(photo))
    await page.get_by_test_id("report-send").click()
    await expect(page.get_by_test_id("report-form")).to_have_count(0)
    await expect(page.get_by_text("规则 1：占用消防通道，不限地点 → 城管局")).to_be_visible()

    await page.goto(f"{page.url.split('/duty')[0]}/map")
    await expect(page.get_by_test_id("map-count")).to_contain_text("1 件")
    await page.get_by_test_id("nav-statistics").click()
    await expect(page.get_by_test_id("rate").first).to_contain_text("0 ÷ 1")
