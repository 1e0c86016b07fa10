"""The duty desk as an officer uses it: an alert comes by itself, is judged, and its event is handled."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
from playwright.async_api import Page, expect

from detectors.rules.config import FireRuleConfig

PASSWORD = "Correct-Horse-7"

UserWith = Callable[..., Awaitable[str]]
SignIn = Callable[..., Awaitable[None]]
RaiseAlert = Callable[..., Awaitable[str]]

PLAYS = """async (video) => {
  video.muted = true;
  await video.play();
  for (let tries = 0; tries < 100 && !(video.currentTime > 0.3); tries += 1)
    await new Promise((done) => setTimeout(done, 50));
  return [video.currentTime > 0.3, video.videoWidth];
}"""


async def test_an_alert_arrives_live_is_judged_and_its_event_is_accepted(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await sign_in(page, await user_with("duty_officer"))
    await expect(page.get_by_text("没有待研判的预警")).to_be_visible()

    alert_id = await raise_alert("crowd")
    card = page.get_by_test_id("alert-card")
    await expect(card).to_have_attribute("data-alert-id", alert_id)
    await expect(card).to_contain_text("人员聚集")
    await expect(card.get_by_test_id("alert-window")).to_contain_text("接警时限")
    await card.get_by_test_id("alert-acknowledge").click()
    await expect(card).to_have_attribute("data-state", "acknowledged")
    await expect(card.get_by_test_id("alert-window")).to_contain_text("研判时限")

    await card.get_by_test_id("alert-confirmed").click()
    await page.get_by_test_id("assess-submit").click()
    detail = page.get_by_test_id("event-detail")
    await expect(detail.get_by_test_id("event-state")).to_have_text("待受理")
    await expect(page.get_by_test_id("event-row")).to_have_count(1)

    await page.get_by_test_id("grant-purpose").fill("核实预警")
    await page.get_by_test_id("grant-submit").click()
    snapshot = detail.get_by_test_id("event-snapshot")
    await expect(snapshot).to_have_js_property("naturalWidth", 320)
    assert await detail.get_by_test_id("event-clip").evaluate(PLAYS) == [True, 320]

    await detail.get_by_test_id("event-action-accept").click()
    await detail.get_by_test_id("event-opinion").fill("情况属实")
    await detail.get_by_test_id("event-submit").click()
    await expect(detail.get_by_test_id("event-state")).to_have_text("已受理")
    await expect(detail.get_by_test_id("event-flow")).to_contain_text("情况属实")


async def test_an_event_without_evidence_says_why_there_is_none(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    """It said “no evidence yet”, of what would never come, too."""
    await sign_in(page, await user_with("duty_officer"))
    await raise_alert("fire", {"snapshot": "given_up"}, evident=False)
    await page.get_by_test_id("event-row").click()
    detail = page.get_by_test_id("event-detail")
    await expect(detail.get_by_test_id("event-no-evidence")).to_contain_text("已放弃本条快照")
    await expect(detail).not_to_contain_text("暂无证据")


FIRE_WHY = {
    "labels": ["fire"],
    "box": [0.4, 0.3, 0.5, 0.6],
    "looks": 6,
    "looks_seen": 5,
    "looked_at_closer": 4,
    "confirmed_closer": 4,
    "steady": False,
    "seconds_needed": 3.0,
    "seen": [{"at": 1_790_000_000.0 + n, "score": 0.5 + 0.05 * n, "box": [0.4, 0.3, 0.5, 0.6]} for n in range(5)],
    "missed": [1_790_000_002.5],
    "rule": FireRuleConfig(zone="后巷").model_dump(mode="json"),
    "model": "hazard_n",
    "weights_sha256": "9f" * 32,
}


async def test_an_officer_reads_by_the_keyboard_why_an_alert_was_raised(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await raise_alert("fire", FIRE_WHY)
    await raise_alert("crowd")
    await sign_in(page, await user_with("duty_officer"))
    old, card = (page.locator(f'[data-testid="alert-card"].{one}') for one in ("crowd", "fire"))
    await expect(card.get_by_test_id("alert-why")).to_have_count(0)
    await old.get_by_test_id("alert-why-open").click()
    await expect(old.get_by_test_id("alert-why")).to_contain_text("没有记录依据")
    await card.get_by_test_id("alert-why-open").click()
    await expect(card.get_by_test_id("alert-why")).to_contain_text("登记事由后显示")
    await expect(card.get_by_test_id("why-marks")).to_have_count(0)  # no boxes without the picture that they are on
    await card.get_by_test_id("alert-why-open").click()

    await page.get_by_test_id("event-row").click()
    await page.get_by_test_id("grant-purpose").fill("核实预警")
    await page.get_by_test_id("grant-submit").click()
    await expect(page.get_by_test_id("grant-purpose")).to_have_count(0)
    opening = page.get_by_test_id("event-detail").get_by_test_id("event-alert-why")
    await opening.press("Enter")
    await expect(opening).to_have_attribute("aria-expanded", "true")
    why = page.get_by_test_id("event-detail").get_by_test_id("alert-why")
    await expect(why.get_by_test_id("why-said")).to_contain_text("6 次观察中 5 次见到火焰，最高置信度 70%。")
    await expect(why.get_by_test_id("why-said")).to_contain_text("放大近看 4 次，4 次确认。")
    await expect(why.get_by_test_id("why-rule")).to_contain_text("5 秒内累计可见 3 秒")
    await expect(why.get_by_test_id("why-looks").get_by_role("img")).to_have_accessible_name(
        re.compile("^6 次观察，.*最低 50%，最高 70%$")
    )
    await expect(why.get_by_test_id("why-marks").locator("rect.last")).to_have_count(1)
    await why.get_by_test_id("why-boxes").press("Space")
    await expect(why.get_by_test_id("why-marks")).to_have_count(0)
    await why.get_by_test_id("why-copy").press("Enter")
    await expect(page.get_by_text("已复制 SHA-256")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "9f" * 32


async def test_a_false_alarm_needs_a_reason_and_leaves_the_list(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await sign_in(page, await user_with("duty_officer"))
    await raise_alert("stall")
    card = page.get_by_test_id("alert-card")
    await card.get_by_test_id("alert-false-positive").click()
    await page.get_by_test_id("assess-submit").click()
    await expect(page.get_by_test_id("assess-dialog")).to_contain_text("判为误报须填写理由")
    await page.get_by_test_id("assess-reason").fill("是停放的三轮车")
    await page.get_by_test_id("assess-submit").click()
    await expect(card).to_have_count(0)
    await page.get_by_test_id("show-all").first.check()
    await expect(card).to_contain_text("是停放的三轮车")


async def test_a_department_sees_events_only_and_its_page_comes_back_after_a_reload(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await raise_alert("fire")
    await sign_in(page, await user_with("department"))
    await page.get_by_test_id("event-row").click()
    await expect(page.get_by_test_id("event-detail")).to_contain_text("火情")
    await expect(page.get_by_test_id("event-action-accept")).to_have_count(0)
    await page.reload()
    await expect(page.get_by_test_id("event-state")).to_have_text("待受理")
    await expect(page.get_by_test_id("alert-card")).to_have_count(0)


async def test_a_lost_connection_is_said_and_what_was_missed_is_there_afterwards(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await sign_in(page, await user_with("duty_officer"))
    await page.context.set_offline(True)
    await expect(page.get_by_test_id("link-lost")).to_contain_text("连接中断", timeout=15_000)
    alert_id = await raise_alert("crowd")
    await page.context.set_offline(False)
    await expect(page.get_by_test_id("alert-card")).to_have_attribute("data-alert-id", alert_id)
    await expect(page.get_by_test_id("link-lost")).to_have_count(0)


async def _moved_on_by_the_leader(address: str, user_with: UserWith) -> None:
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=20) as client:
        body = {"username": await user_with("duty_leader"), "password": PASSWORD}
        client.headers["Authorization"] = f"Bearer {(await client.post('/session', json=body)).json()['token']}"
        [event] = (await client.get("/events")).json()["items"]
        step = {"revision": event["revision"], "opinion": "派网格员核实"}
        answer = await client.post(f"/events/{event['no']}/actions/verify", json=step)
        assert answer.status_code == 200, answer.text


async def _opens_the_event(page: Page) -> None:
    """And gives no reason for looking at its evidence."""
    await page.get_by_test_id("event-row").click()
    await expect(page.get_by_test_id("grant-purpose")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("grant-purpose")).to_have_count(0)


async def _opens_the_form(page: Page) -> None:
    await _opens_the_event(page)
    await page.get_by_test_id("event-action-accept").click()
    await page.get_by_test_id("event-opinion").fill("情况属实")


async def test_a_step_that_somebody_else_took_meanwhile_is_seen_at_once(
    page: Page, sign_in: SignIn, address: str, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await raise_alert("fire")
    await sign_in(page, await user_with("duty_officer"))
    await _opens_the_form(page)
    await _moved_on_by_the_leader(address, user_with)
    await expect(page.get_by_test_id("event-state")).to_have_text("核实中")
    await expect(page.get_by_text("事件状态刚被他人改变")).to_be_visible()
    await expect(page.get_by_test_id("event-action-form")).to_have_count(0)


async def test_without_the_stream_a_stale_step_is_refused_and_the_event_shown_as_it_is(
    page: Page, sign_in: SignIn, address: str, user_with: UserWith, raise_alert: RaiseAlert
) -> None:
    await raise_alert("fire")
    await page.route("**/api/v1/stream", lambda route: route.abort())
    await sign_in(page, await user_with("duty_officer"), live=False)
    await _opens_the_form(page)
    await _moved_on_by_the_leader(address, user_with)
    await page.get_by_test_id("event-submit").click()
    await expect(page.get_by_test_id("event-detail").get_by_test_id("problem")).to_contain_text("核实中")
    await expect(page.get_by_test_id("event-state")).to_have_text("核实中")


async def test_a_department_is_chosen_and_feeds_back_with_its_photograph(
    page: Page, sign_in: SignIn, user_with: UserWith, raise_alert: RaiseAlert, tmp_path: Path
) -> None:
    await raise_alert("fire")
    await sign_in(page, await user_with("duty_leader", "dispatcher", "department"))
    await _opens_the_event(page)
    for action, state in (("accept", "已受理"), ("dispatch", "待签收"), ("sign", "已签收"), ("handle", "处置中")):
        await page.get_by_test_id(f"event-action-{action}").click()
        if action == "dispatch":
            await page.get_by_test_id("step-department").click()
            # The proposal stands in the field already; choosing it from the list is choosing it.
            await page.locator(".n-base-select-option").filter(has_text="枢纽平台（hub）").click()
        await page.get_by_test_id("event-submit").click()
        await expect(page.get_by_test_id("event-state")).to_have_text(state)
    await page.get_by_test_id("event-action-feedback").click()
    await page.get_by_test_id("event-submit").click()
    await expect(page.get_by_test_id("event-detail").get_by_test_id("problem")).to_contain_text("处置后照片")
    photo = tmp_path / "after.jpg"
    assert cv2.imwrite(str(photo), np.full((240, 320, 3), (60, 140, 60), np.uint8))
    await page.get_by_test_id("step-photo").set_input_files(photo)
    await page.get_by_test_id("event-submit").click()
    await expect(page.get_by_test_id("event-state")).to_have_text("待核查")
