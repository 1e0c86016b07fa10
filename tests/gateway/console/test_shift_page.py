"""The shift's page: one asks for a switch, another approves it, and every page says so across its head."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

SignIn = Callable[..., Awaitable[None]]


async def mode_page(page: Page) -> None:
    await page.get_by_test_id("nav-shift").click()
    await page.get_by_text("平战转换", exact=True).first.click()


async def test_a_drill_is_asked_for_approved_by_another_and_told_on_every_page(
    page: Page, sign_in: SignIn, user_with: Callable[..., Awaitable[str]], raise_alert: Callable[[str], Awaitable[str]]
) -> None:
    officer, leader = await user_with("duty_officer"), await user_with("duty_leader")
    await sign_in(page, officer)
    await mode_page(page)
    await page.get_by_text("战时演练", exact=True).click()
    await page.get_by_test_id("mode-reason").locator("textarea").fill("消防演练")
    await page.get_by_test_id("mode-ask").click()
    await expect(page.get_by_test_id("mode-switch")).to_have_attribute("data-state", "asked")
    await expect(page.get_by_test_id("mode-approve")).to_have_count(0)
    await expect(page.get_by_test_id("mode-banner")).to_have_count(0)
    await page.get_by_test_id("sign-out").click()

    await sign_in(page, leader)
    await mode_page(page)
    await page.get_by_test_id("mode-approve").click()
    banner = page.get_by_test_id("mode-banner")
    await expect(banner).to_contain_text("战时演练")
    await raise_alert("crowd")
    await page.get_by_test_id("nav-duty").click()
    await expect(banner).to_be_visible()
    await expect(page.get_by_test_id("alert-card")).to_contain_text("演练")
    await mode_page(page)
    await page.get_by_test_id("mode-opinion").locator("input").fill("演练结束")
    await page.get_by_test_id("mode-end").click()
    await expect(banner).to_have_count(0)


async def test_the_log_is_written_and_the_shift_is_handed_over_and_signed_for(
    page: Page, sign_in: SignIn, user_with: Callable[..., Awaitable[str]], raise_alert: Callable[[str], Awaitable[str]]
) -> None:
    officer, leader = await user_with("duty_officer"), await user_with("duty_leader")
    await raise_alert("fire")
    await sign_in(page, officer)
    await page.get_by_test_id("nav-shift").click()
    entries = page.get_by_test_id("log-entry")
    await expect(entries.filter(has_text="预警：火情")).to_have_count(1)
    await page.get_by_test_id("log-text").locator("textarea").first.fill("东市口来电询问")
    await page.get_by_test_id("log-write").click()
    note = entries.filter(has_text="东市口来电询问")
    await expect(note).to_have_count(1)
    await note.get_by_role("button").click()
    await page.get_by_test_id("log-text").locator("textarea").first.fill("应为西市口")
    await page.get_by_test_id("log-write").click()
    await expect(entries.filter(has_text="应为西市口")).to_contain_text("更正")
    await expect(note).to_have_count(1)

    await page.get_by_text("交接班", exact=True).first.click()
    await expect(page.get_by_test_id("part-overdue")).to_be_visible()
    await page.get_by_test_id("handover-to").locator("input").fill(leader)
    await page.get_by_test_id("handover-give").click()
    given = page.get_by_test_id("handover")
    await expect(given).to_have_attribute("data-state", "given")
    await expect(page.get_by_test_id("handover-sign")).to_have_count(0)
    await page.get_by_test_id("sign-out").click()

    await sign_in(page, leader)
    await page.get_by_test_id("nav-shift").click()
    await page.get_by_text("交接班", exact=True).first.click()
    await page.get_by_test_id("handover-sign").click()
    await expect(given).to_have_attribute("data-state", "signed")
    await page.get_by_text("报表", exact=True).first.click()
    await page.get_by_test_id("report-weekly").click()
    await expect(page.get_by_test_id("report")).to_have_attribute("data-state", "wanted")
