"""Answers that come late: what the operator has done meanwhile stays as it is. And a page that is no longer there after
an upgrade is fetched anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from playwright.async_api import Page, Route, expect

UserWith = Callable[..., Awaitable[str]]
SignIn = Callable[..., Awaitable[None]]


@asynccontextmanager
async def held(page: Page, pattern: str) -> AsyncIterator[None]:
    """What matches is asked at once; the answers are told at the end of the block, and have been told after it."""
    free, told = asyncio.Event(), []

    async def late(route: Route) -> None:
        done = asyncio.Event()
        told.append(done)
        answer = await route.fetch()
        await free.wait()
        await route.fulfill(response=answer)
        done.set()

    await page.route(pattern, late)
    yield
    free.set()
    for done in told:
        await done.wait()
    assert told, "nothing was asked"
    await page.unroute(pattern)


async def test_the_late_answer_to_a_step_does_not_close_the_form_of_the_next(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: Callable[[str], Awaitable[str]]
) -> None:
    await raise_alert("fire")
    await sign_in(page, await user_with("duty_leader", "dispatcher"))
    await page.get_by_test_id("event-row").click()
    await expect(page.get_by_test_id("grant-purpose")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("event-action-accept").click()
    async with held(page, "**/actions/accept"):
        await page.get_by_test_id("event-submit").click()
        await expect(page.get_by_test_id("event-state")).to_have_text("已受理")
        await page.get_by_test_id("event-action-dispatch").click()
        await page.get_by_test_id("event-opinion").fill("请速到场")
    await page.evaluate("() => fetch('/healthz')")  # by now the page has heard it
    await expect(page.get_by_test_id("event-opinion")).to_have_value("请速到场")
    await page.get_by_test_id("event-submit").click()
    await expect(page.get_by_test_id("event-flow")).to_contain_text("请速到场")


async def test_a_login_is_added_while_those_there_are_still_being_fetched(
    page: Page, sign_in: SignIn, user_with: UserWith
) -> None:
    await sign_in(page, await user_with("system_admin"))
    await page.get_by_test_id("nav-cameras").click()
    async with held(page, "**/credential-sets"):
        await page.get_by_test_id("credentials-open").click()
        for field, text in (
            ("name", "测试网段"),
            ("networks", "127.0.0.0/8"),
            ("username", "viewer"),
            ("password", "x"),
        ):
            await page.get_by_test_id(f"credential-{field}").fill(text)
        await page.get_by_test_id("credential-submit").click()
    await expect(page.get_by_test_id("credential-set")).to_contain_text("测试网段")
    await expect(page.get_by_test_id("credential-name")).to_have_value("")


async def test_after_an_upgrade_a_page_not_yet_opened_is_fetched_anew(
    page: Page, sign_in: SignIn, user_with: UserWith
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    old = [page]
    page.on("framenavigated", lambda _: old.clear())

    async def script(route: Route) -> None:
        await (route.fulfill(status=404) if old else route.continue_())

    await page.route("**/assets/StatisticsPage-*.js", script)
    await page.get_by_test_id("nav-statistics").click()
    await expect(page.get_by_test_id("rate").first).to_be_visible()
    assert not old
