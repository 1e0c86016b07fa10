"""The editor of rules as people use it: a zone drawn over the picture, kept, seen again; what is refused says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from playwright.async_api import Locator, Page, expect
from sqlalchemy import select, update

from gateway.api.media import NoCameraMedia
from gateway.api.services import Services
from gateway.processes.messages import Snapshot
from gateway.storage.tables.cameras import CameraRow

CODE = "99000000001320000001"
MakeRow = Callable[..., CameraRow]
SignIn = Callable[..., Awaitable[None]]
UserWith = Callable[..., Awaitable[str]]


class OneStreet(NoCameraMedia):
    """One picture of a street, taken now."""

    def __init__(self, services: Services) -> None:
        self._services = services
        street = np.full((360, 640, 3), (96, 92, 88), np.uint8)
        street[:130] = (210, 190, 160)
        cv2.fillPoly(street, [np.array([[220, 130], [420, 130], [640, 360], [0, 360]])], (70, 70, 72))
        cv2.rectangle(street, (430, 90), (560, 200), (60, 90, 160), -1)
        self._jpeg = cv2.imencode(".jpg", street)[1].tobytes()

    async def snapshot(self, code: str) -> Snapshot:
        return Snapshot(self._jpeg, self._services.clock().timestamp())


@pytest.fixture
async def services(services: Services, camera_row: MakeRow) -> Services:
    """One camera that gives pictures."""
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock()))
    return replace(services, media=OneStreet(services))


@pytest.fixture
async def editor(page: Page, address: str, sign_in: SignIn, user_with: UserWith) -> Locator:
    """The editor, opened by a duty leader who has registered why."""
    await sign_in(page, await user_with("duty_leader"))
    await page.goto(f"{address}/cameras?code={CODE}")
    await page.get_by_test_id("rules-edit").click()
    await page.get_by_test_id("grant-preset-patrol").click()
    await page.get_by_test_id("grant-submit").click()
    await expect(page.get_by_test_id("zone-picture")).to_be_visible()
    return page.get_by_test_id("rule-editor")


async def draw(editor: Locator, corners: list[tuple[float, float]]) -> None:
    """Click the corners, given in shares of the picture, and close the outline."""
    canvas = editor.get_by_test_id("zone-editor")
    box = await canvas.bounding_box()
    assert box is not None
    for x, y in corners:
        await canvas.click(position={"x": x * box["width"], "y": y * box["height"]})
    await editor.get_by_test_id("zone-finish").click()


async def test_a_rule_that_cannot_be_used_any_more_is_told_and_goes_with_a_save(
    page: Page, editor: Locator, services: Services
) -> None:
    past = [{"kind": "fire"}, {"kind": "crowd", "zone": "校门", "people": 1}]
    async with services.db.transaction() as session:
        await session.execute(update(CameraRow).where(CameraRow.code == CODE).values(rules=past))
    await page.reload()
    told = page.get_by_test_id("rule-unusable")
    await expect(told).to_contain_text("不应小于 2")
    await expect(told).to_contain_text("校门")
    await page.get_by_test_id("rules-edit").click()
    await expect(editor.get_by_test_id("rule-tab")).to_have_count(1)
    await page.get_by_test_id("rules-save").click()
    await expect(told).to_have_count(0)


async def test_a_zone_drawn_over_the_picture_is_in_force_and_there_again_after_a_reload(
    page: Page, editor: Locator, services: Services
) -> None:
    await editor.get_by_test_id("rule-add-stall").click()
    await editor.get_by_test_id("rule-zone").fill("东侧人行道")
    await editor.get_by_test_id("draw-zone").click()
    await draw(editor, [(0.25, 0.5), (0.75, 0.5), (0.75, 0.9), (0.25, 0.9)])
    corner = editor.get_by_test_id("corner-0")
    await corner.focus()
    await corner.press("Shift+ArrowLeft")
    await editor.get_by_test_id("middle-2").focus()
    await editor.get_by_test_id("middle-2").press("Enter")
    await expect(editor.get_by_test_id("corner-4")).to_be_visible()
    await page.get_by_test_id("rules-undo").click()
    await expect(editor.get_by_test_id("corner-4")).to_have_count(0)
    await page.get_by_test_id("rules-save").click()
    await expect(page.get_by_test_id("camera-rules")).to_contain_text("东侧人行道")

    await page.reload()
    await page.get_by_test_id("rules-edit").click()
    await editor.get_by_test_id("rule-tab").last.click()
    await expect(editor.get_by_test_id("rule-zone")).to_have_value("东侧人行道")
    await expect(editor.get_by_test_id("shapes-zone")).to_contain_text("4 个角点")
    async with services.db.reading() as session:
        row = await session.get(CameraRow, await camera_id(services))
        assert row is not None
        assert row.rules is not None
        kept = row.rules[-1]
    assert kept["kind"] == "stall"
    assert kept["polygon"][0] == pytest.approx([0.20, 0.5], abs=0.005)
    assert kept["polygon"][2] == pytest.approx([0.75, 0.9], abs=0.005)


async def test_what_cannot_be_is_said_where_it_is(page: Page, editor: Locator, services: Services) -> None:
    await editor.get_by_test_id("draw-zone").click()
    await draw(editor, [(0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)])
    await expect(editor.get_by_test_id("zone-fault")).to_contain_text("边界自相交")
    await page.get_by_test_id("rules-save").click()
    await page.get_by_test_id("rules-undo").click()
    await expect(editor.get_by_test_id("zone-fault")).to_have_count(0)

    await editor.get_by_test_id("rule-seen_seconds").fill("9")
    await page.get_by_test_id("rules-save").click()
    await expect(editor.get_by_test_id("rule-form")).to_contain_text("可见时长超过观察窗口")
    await expect(editor).to_be_visible()

    async with services.db.transaction() as session:
        row = await session.get(CameraRow, await camera_id(services))
        assert row is not None
        assert row.rules is None
        row.note = "改动"
    await editor.get_by_test_id("rule-seen_seconds").fill("4")
    await page.get_by_test_id("rules-save").click()
    await page.get_by_test_id("rules-conflict").get_by_test_id("rules-reload").click()
    await expect(editor.get_by_test_id("rule-seen_seconds")).to_have_value("3")


async def camera_id(services: Services) -> str:
    async with services.db.reading() as session:
        found = await session.scalar(select(CameraRow.id).where(CameraRow.code == CODE))
    assert found is not None
    return found
