"""Rules tried on a film beside their camera: found again by whoever lost it, and silent only where rules watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.api.services import Services
from gateway.api.trial_jobs import TrialJob, TrialJobs, TriedCamera
from gateway.storage.tables.cameras import CameraRow
from gateway.workers.trial.trial import RuleTried, Stretch, Trial
from models import shipped

HERE, THERE = "99000000001320000001", "99000000001320000002"
MakeRow = Callable[..., CameraRow]
SignIn = Callable[..., Awaitable[None]]
UserWith = Callable[..., Awaitable[str]]


class HeldTrials(TrialJobs):
    """Trials that end when the test says: a real one takes what time is left over."""

    def __init__(self) -> None:
        super().__init__(shipped.CARD, "auto")
        self.end = asyncio.Event()
        self.log_from: float | None = None

    async def _run(self, job: TrialJob, film: Path, asked: dict[str, Any]) -> None:
        await self.end.wait()
        rules = [
            RuleTried("fire", "桥下", off=True, off_hours_seconds=6.0, needs_seconds=3.0, blind=False),
            RuleTried("stall", "门口", off=False, off_hours_seconds=0.0, needs_seconds=300.0, blind=False),
            RuleTried("crowd", "广场", False, 0.0, 3.0, False, unasked_seconds=4.0),
        ]
        held = Stretch("stall", "门口", "half_way", 2.0, 5.0, 0.99, 0.8, ("rejection",))
        trial = Trial(asked["starts_at"], 6.0, 4, weights_sha256="ab" * 32, rejections=1, rules=rules, timeline=[held])
        trial.frozen_seconds, trial.other_view_seconds, trial.log_from = 2.0, 1.0, self.log_from
        job.state, job.result = "done", trial.as_json()


@pytest.fixture
async def trials() -> AsyncIterator[HeldTrials]:
    jobs = HeldTrials()
    yield jobs
    await jobs.close()


@pytest.fixture
async def services(services: Services, trials: HeldTrials, camera_row: MakeRow) -> Services:
    """Two cameras at which rules can be tried."""
    async with services.db.transaction() as session:
        session.add_all(camera_row(code, services.clock()) for code in (HERE, THERE))
    return replace(services, trials=trials)


async def test_a_trial_is_found_again_by_who_left_its_page_and_no_alert_of_rules_that_did_not_watch_is_no_proof(
    page: Page,
    address: str,
    sign_in: SignIn,
    user_with: UserWith,
    trials: HeldTrials,
    tmp_path: Path,
) -> None:
    """It ran on unseen, one answer that failed was the last that was asked for, and "0 alerts" was all that it said."""
    username = await user_with("duty_leader")
    await sign_in(page, username)
    await page.goto(f"{address}/cameras?code={HERE}")
    begins = page.get_by_test_id("trial-begins").locator("input").first
    await begins.fill("2026-11-27 12:00")
    await begins.press("Enter")
    (tmp_path / "street.mp4").write_bytes(b"film")
    await page.get_by_test_id("trial-film").set_input_files(tmp_path / "street.mp4")
    await expect(page.get_by_test_id("trial-running")).to_contain_text(username)
    await page.goto(f"{address}/cameras?code={THERE}")
    await expect(page.get_by_test_id("trial-elsewhere")).to_contain_text(username)
    await expect(page.get_by_test_id("trial-elsewhere")).to_contain_text(HERE)
    await page.goto(f"{address}/cameras?code={HERE}")
    await expect(page.get_by_test_id("trial-running")).to_contain_text(username)
    part = page.get_by_test_id("camera-trial")
    await page.route("**/api/v1/trials/*", lambda route: route.abort())
    await expect(part.get_by_test_id("problem")).to_be_visible()
    await page.unroute("**/api/v1/trials/*")
    trials.end.set()
    await expect(part.get_by_test_id("trial-result")).to_contain_text("2026-11-27 12:00")
    await expect(part.get_by_test_id("trial-unproved")).to_be_visible()
    await expect(part.get_by_test_id("trial-silent")).to_have_count(0)
    await expect(part.get_by_test_id("trial-caveats")).to_contain_text("火情 · 桥下：已停用，按启用试运行；全程都不在")
    await expect(part.get_by_test_id("trial-caveats")).to_contain_text("占道经营 · 门口：须持续 300 秒才触发")
    await expect(part.get_by_test_id("trial-caveats")).to_contain_text("人员聚集 · 广场：人数较多但当时未细数 4 秒")
    await expect(part.get_by_test_id("trial-held-back")).to_contain_text("第 2.0 秒至第 5.0 秒本会预警")
    await expect(part.get_by_test_id("trial-frozen")).to_contain_text("2 秒画面冻结")
    await expect(part.get_by_test_id("trial-other-view")).to_contain_text("1 秒摄像机处于其他视角")


async def test_who_comes_back_to_a_camera_is_shown_its_last_trial_with_what_it_found(
    page: Page,
    address: str,
    sign_in: SignIn,
    user_with: UserWith,
    services: Services,
    trials: HeldTrials,
    tmp_path: Path,
) -> None:
    """Whoever left the page before it ended, or closed the dialog, never heard what it had found."""
    await sign_in(page, await user_with("duty_leader"))
    here = TriedCamera(HERE, "hub", "3", ())
    asked = {"starts_at": 1_795_000_000.0, "platform": "hub", "asked_by": "张三", "now": services.clock()}
    trials.begin(tmp_path / "street.mp4", [], here, **asked)
    trials.end.set()
    await page.goto(f"{address}/cameras?code={HERE}")
    part = page.get_by_test_id("camera-trial")
    await expect(part.get_by_test_id("trial-asked")).to_contain_text("张三")
    await expect(part.get_by_test_id("trial-asked")).to_contain_text("预置位 3")
    await expect(part.get_by_test_id("trial-view-unchecked")).to_be_visible()
    await expect(part.get_by_test_id("trial-held-back")).to_be_visible()
    await page.get_by_test_id("rules-edit").click()
    dialog = page.get_by_test_id("rule-editor")
    await expect(dialog.get_by_test_id("trial-held-back")).to_be_visible()
    await page.goto(f"{address}/cameras?code={THERE}")
    await expect(page.get_by_test_id("trial-begin")).to_be_visible()
    await expect(page.get_by_test_id("trial-result")).to_have_count(0)


@pytest.mark.parametrize(
    ("preset", "log_from", "named", "unchecked"),
    [(None, None, "", 0), ("", None, "不在任何预置位", 1), ("3", 1_794_000_000.0, "预置位 3", 0)],
)
async def test_for_which_view_rules_were_tried_is_said_and_that_a_film_does_not_tell_its_own(
    page: Page,
    address: str,
    sign_in: SignIn,
    user_with: UserWith,
    services: Services,
    trials: HeldTrials,
    tmp_path: Path,
    preset: str | None,
    log_from: float | None,
    named: str,
    unchecked: int,
) -> None:
    """Rules of one preset were tried on a film of another, and nothing told them apart."""
    await sign_in(page, await user_with("duty_leader"))
    asked = {"starts_at": 1_795_000_000.0, "platform": "hub", "asked_by": "张三", "now": services.clock()}
    trials.log_from = log_from
    trials.begin(tmp_path / "street.mp4", [], TriedCamera(HERE, "hub", preset, ()), **asked)
    trials.end.set()
    await page.goto(f"{address}/cameras?code={HERE}")
    part = page.get_by_test_id("camera-trial")
    await expect(part.get_by_test_id("trial-result")).to_be_visible()
    await expect(part.get_by_test_id("trial-asked")).to_contain_text(named)
    await expect(part.get_by_test_id("trial-view-unchecked")).to_have_count(unchecked)


async def test_a_trial_for_another_camera_can_be_stopped_from_here(
    page: Page,
    address: str,
    sign_in: SignIn,
    user_with: UserWith,
    services: Services,
    trials: HeldTrials,
    tmp_path: Path,
) -> None:
    """Nobody could try anything for half an hour, and nobody knew why."""
    await sign_in(page, await user_with("duty_leader"))
    trials.begin(tmp_path / "street.mp4", [], starts_at=0.0, platform="hub", asked_by="张三", now=services.clock())
    await page.goto(f"{address}/cameras?code={THERE}")
    await expect(page.get_by_test_id("trial-elsewhere")).to_contain_text("张三")
    await page.get_by_test_id("trial-elsewhere-stop").click()
    await expect(page.get_by_test_id("trial-elsewhere")).to_have_count(0)
    assert [job.reason for job in trials.kept(services.clock())] == ["trial_stopped"]
