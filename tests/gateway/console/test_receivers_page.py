"""The receivers' page as an administrator uses it: added, tried, mapped, opened for the way back, replayed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from playwright.async_api import Page, expect
from sqlalchemy import update

from gateway.api.services import Services
from gateway.events.outward.sender import OutboxSender
from gateway.storage.tables.outward import DeliveryRow

PASSWORD = "Correct-Horse-7"

MAPPING = {"fields": [{"to": "caseInfo.outerNo", "from": "data.no"}]}


@pytest.fixture
async def hook() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A receiver on this machine: its address, and what it got."""
    got: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", got
    await runner.cleanup()


@pytest.fixture
async def sending(services: Services) -> AsyncIterator[None]:
    sender = OutboxSender(services.db, services.vault, services.clock, services.settings.receivers, round_seconds=0.1)
    task = asyncio.create_task(sender.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_from_the_first_receiver_to_a_replayed_dead_letter(
    page: Page,
    user_with: Callable[..., Awaitable[str]],
    hook: tuple[str, list[bytes]],
    sending: None,
    services: Services,
) -> None:
    url, got = hook
    await page.get_by_test_id("login-username").fill(await user_with("system_admin"))
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-receivers").click()

    await page.get_by_test_id("receiver-add").click()
    await page.get_by_test_id("receiver-name").fill("网格服务平台")
    await page.get_by_test_id("receiver-address").fill(url)
    await page.get_by_test_id("receiver-save").click()
    await expect(page.get_by_test_id("secret")).to_have_value(re.compile("whsec_.{40,}"))
    await page.get_by_test_id("secret-kept").click()
    await expect(page.get_by_test_id("secret")).to_have_count(0)

    await page.get_by_test_id("receiver-test").click()
    await expect(page.locator("[data-testid=delivery][data-state=delivered]")).to_have_count(1)
    await expect(page.locator("[data-testid=receiver][data-health=well]")).to_have_count(1)
    assert json.loads(got[0])["type"] == "gateway.receiver.test"

    await page.get_by_text("字段映射", exact=True).click()
    empty = {"fields": [{"to": "caseInfo.until", "from": "data.closed_at"}]}
    await page.get_by_test_id("mapping").fill(json.dumps(empty))
    await page.get_by_test_id("mapping-preview").click()
    await expect(page.get_by_test_id("problem")).to_contain_text("caseInfo.until")
    await page.get_by_test_id("mapping").fill(json.dumps(MAPPING))
    await page.get_by_test_id("mapping-save").click()
    await expect(page.get_by_test_id("mapping-result")).to_contain_text("TEST-000001")
    await expect(page.get_by_test_id("receiver")).to_contain_text("映射 v1")

    await page.get_by_text("状态回传", exact=True).click()
    await page.get_by_test_id("inbound-save").click()
    await expect(page.get_by_test_id("secret-once")).to_contain_text("/api/v1/inbound/")
    await page.get_by_test_id("secret-kept").click()

    async with services.db.transaction() as session:
        await session.execute(
            update(DeliveryRow).values(state="dead", attempts=11, last_error="status_503", delivered_at=None)
        )
    await page.get_by_text("投递记录", exact=True).click()
    await page.get_by_test_id("show-all").check()
    await expect(page.locator("[data-testid=delivery][data-state=dead]")).to_contain_text("对方答 503")
    await page.get_by_test_id("replay-all").click()
    await page.locator(".n-popconfirm").get_by_role("button").last.click()
    await expect(page.locator("[data-testid=delivery][data-state=delivered]")).to_have_count(1)
    assert json.loads(got[-1]) == {"caseInfo": {"outerNo": "TEST-000001"}}
