"""What the cameras' page says of how a camera is watched: its pace, what was rejected there, rules tried on a film."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from detectors.observation import Box, Detection, Look
from gateway.api.services import Services
from gateway.api.trial_jobs import TrialJobs
from gateway.processes.messages import Sample
from gateway.storage.look_files import look_logs
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import AlertRow
from gateway.workers.camera.look_log import LookLog
from models import shipped

CODE = "99000000001320000001"
MakeRow = Callable[..., CameraRow]
SignIn = Callable[..., Awaitable[None]]
UserWith = Callable[..., Awaitable[str]]


@pytest.fixture
async def services(services: Services, camera_row: MakeRow) -> AsyncIterator[Services]:
    """One camera of which it is told how it is watched, and at which rules can be tried."""
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock()))
    told = [
        Sample(f"gateway_camera_{name}", {"camera": CODE, "worker": "camera-1"}, value)
        for name, value in (("looks_per_second", 0.48), ("looks_per_second_asked", 0.5), ("look_delay_seconds", 0.21))
    ]
    jobs = TrialJobs(shipped.CARD, "auto")
    yield replace(services, extra_metrics=lambda: told, trials=jobs)
    await jobs.close()


def film(path: Path) -> Path:
    """Six seconds of a street with a glow that grows."""
    made = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, (320, 180))
    for number in range(30):
        picture = np.full((180, 320, 3), 90, np.uint8)
        picture[:60] = 180
        cv2.circle(picture, (160, 120), 5 + number, (20, 140, 250), -1)
        made.write(picture)
    made.release()
    return path


async def test_pace_rejections_and_a_trial_are_shown_beside_the_camera(
    page: Page,
    address: str,
    sign_in: SignIn,
    user_with: UserWith,
    raise_alert: Callable[[str], Awaitable[str]],
    services: Services,
    tmp_path: Path,
) -> None:
    alert_id = await raise_alert("stall")
    async with services.db.transaction() as session:
        row = await session.get(AlertRow, alert_id)
        assert row is not None
        row.why = {"box": [0.1, 0.2, 0.3, 0.4], "appearance": [256, *[0] * 27]}
    await sign_in(page, await user_with("duty_leader"))
    rejecting = """async ([id, csrf]) => (await fetch(`/api/v1/alerts/${id}/assess`, {method: 'POST',
      headers: {'Content-Type': 'application/json', 'X-CSRF-Token': csrf},
      body: JSON.stringify({verdict: 'false_positive', reason: '空三轮车'})})).status"""
    csrf = await page.evaluate("async () => (await (await fetch('/api/v1/session')).json()).csrf_token")
    assert await page.evaluate(rejecting, [alert_id, csrf]) == 200
    await page.goto(f"{address}/cameras?code={CODE}")
    watching = page.get_by_test_id("camera-watching")
    await expect(watching).to_contain_text("每秒分析 0.48 次（要求 0.50）")
    await expect(watching).to_contain_text("误报 1 / 已研判 1")
    await expect(watching.get_by_test_id("suppression")).to_contain_text("已拦下 0 次")
    await page.get_by_test_id("trial-film").set_input_files(film(tmp_path / "street.mp4"))
    # It runs behind everything else, the other tests too; that it ends, and with what, the doors' test tells.
    await expect(page.get_by_test_id("camera-trial")).to_contain_text("已分析", timeout=60_000)
    await page.get_by_test_id("trial-stop").click()
    await expect(page.get_by_test_id("camera-trial")).to_contain_text("试运行已由")
    await watching.get_by_test_id("suppression-undo").click()
    await expect(watching.get_by_test_id("suppression")).to_have_count(0)


async def test_rules_are_tried_on_what_was_seen_at_the_camera_lately_and_told_by_the_clock(
    page: Page, address: str, sign_in: SignIn, user_with: UserWith, services: Services
) -> None:
    log = LookLog(look_logs(services.settings.data_folder), CODE, 1_000_000)
    began = datetime(2026, 11, 27, 1, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    crowd = tuple(Detection("person", 0.9, Box(0.05 * n, 0.5, 0.05 * n + 0.04, 0.8)) for n in range(18))
    for n in range(450):
        log.note(Look(began + 2 * n, crowd if 100 <= n < 200 else (), "a" * 64))
    await log.close()
    await sign_in(page, await user_with("duty_leader"))
    await page.goto(f"{address}/cameras?code={CODE}")
    await page.get_by_test_id("trial-lately").click()
    await expect(page.get_by_test_id("trial-result")).to_contain_text(
        "2026-11-27 01:00:00 起 14:58，分析 450 次", timeout=60_000
    )
    await expect(page.get_by_test_id("trial-alert")).to_contain_text("01:04:20产生预警")
    begins = page.get_by_test_id("trial-begins").locator("input").first
    await begins.fill("2026-11-27 01:02")
    await begins.press("Enter")
    await page.get_by_test_id("trial-lately").click()
    await expect(page.get_by_test_id("trial-result")).to_contain_text(
        "2026-11-27 01:02:00 起 12:58，分析 390 次", timeout=60_000
    )
