"""A camera's recordings in the console: played under the registered reason, planned, rules tried on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Page, expect

from gateway.api.services import Services
from gateway.api.trial_jobs import TrialJobs
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.streams.recordings import camera_recordings, recording_name
from models import shipped

CODE = "99000000001320000001"
MakeRow = Callable[..., CameraRow]
SignIn = Callable[..., Awaitable[None]]
UserWith = Callable[..., Awaitable[str]]


@pytest.fixture
async def services(services: Services) -> AsyncIterator[Services]:
    jobs = TrialJobs(shipped.CARD, "auto")
    yield replace(services, trials=jobs)
    await jobs.close()


@pytest.fixture
async def camera_with_a_recording(services: Services, camera_row: MakeRow) -> None:
    now = services.clock()
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, now))
    folder = camera_recordings(services.settings.data_folder) / CODE
    folder.mkdir(parents=True)
    begun = now.timestamp() - 5
    film(folder / recording_name(begun, begun + 4, new_id(), partial=True))


def film(path: Path) -> None:
    """Four seconds of H.264 in an MP4, grey."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((180, 320, 3), 90, np.uint8), "bgr24")))
        container.mux(stream.encode(None))


async def test_a_recording_is_played_and_tried_rules_on_and_the_plan_is_changed(
    page: Page, address: str, sign_in: SignIn, user_with: UserWith, services: Services, camera_with_a_recording: None
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    await page.goto(f"{address}/cameras?code={CODE}")
    part = page.get_by_test_id("camera-recordings")
    await expect(part.get_by_test_id("recording")).to_contain_text("中断")
    await part.get_by_test_id("recording-play").click()
    await page.get_by_test_id("grant-purpose").locator("xpath=descendant-or-self::input").first.fill("核实")
    await page.get_by_test_id("grant-submit").click()
    plays = """() => {
      const video = document.querySelector('[data-testid=recording-video]')
      return video?.readyState >= 2 && Math.round(video.duration) === 4
    }"""
    await page.wait_for_function(plays, timeout=60_000)
    await part.get_by_test_id("recording-plan-edit").click()
    await part.get_by_test_id("recording-plan-save").click()
    await expect(part).to_contain_text("每日 00:00–24:00")
    await part.get_by_test_id("recording-try").click()
    await expect(page.get_by_test_id("camera-trial")).to_contain_text("已分析", timeout=60_000)
