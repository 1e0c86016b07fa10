"""The built console in a real browser, served by the real app on this machine, with hazards handed in as workers do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import uvicorn
from playwright.async_api import Page, async_playwright, expect
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access import audit, users
from gateway.access.passwords import Passwords
from gateway.api.app import create_app
from gateway.api.pages import BUILT
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.intake import AlertIntake, evidence_folder
from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.vault import Vault

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "Correct-Horse-7"
CAMERA = "99000000001320000001"
LATE_MS = int(os.environ.get("CONSOLE_DELAY_MS", "0"))
"""Answers under ``/api/v1`` come up to so many milliseconds late: what a page does wrong with late ones shows."""
BROWSER = (
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (Debian package chromium)"),
    pytest.mark.skipif(not (BUILT / "index.html").is_file(), reason="the console is not built (make console)"),
)
expect.set_options(timeout=30_000)  # five seconds are little where other tests take the processor


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks here for the console's address looks at it in a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "address" in getattr(item, "fixturenames", ()):
            for mark in BROWSER:
                item.add_marker(mark)


@pytest.fixture
def services(sqlite_database: Database, tmp_path: Path, passwords: Passwords) -> Services:
    """By the real clock: the browser counts windows down by the Date of the answers."""
    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=sqlite_database,
        vault=Vault.at(tmp_path),
        passwords=passwords,
    )


def answering_late(app: ASGIApp) -> ASGIApp:
    """Answers are made at once and told late, so that they tell of the time before and overtake each other."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(random.uniform(0, LATE_MS / 1000))
            await send(message)

        hurried = not scope.get("path", "").startswith("/api/v1/") or scope["path"].endswith("/heartbeat")
        await app(scope, receive, send if hurried else told)

    return late


@pytest.fixture
async def address(services: Services) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    app: ASGIApp = create_app(services)
    server = uvicorn.Server(
        uvicorn.Config(
            answering_late(app) if LATE_MS else app, log_config=None, lifespan="off", timeout_graceful_shutdown=2
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    async with asyncio.timeout(30):
        await serving


@pytest.fixture
def user_with(services: Services) -> Callable[..., Awaitable[str]]:
    """Makes a user with these roles and answers the username; the password is ``PASSWORD``."""

    async def make(*roles: str) -> str:
        username = roles[0].replace("_", "-")
        async with services.db.transaction() as session:
            new = users.NewUser(username, PASSWORD, "测试用户", roles, "hub")
            await users.create(session, services.passwords, new, by=audit.SYSTEM, now=services.clock())
        return username

    return make


@pytest.fixture
async def page(address: str) -> AsyncIterator[Page]:
    """The console's first page, in a browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": 1600, "height": 900}, locale="zh-CN")
            page.set_default_timeout(20_000)
            await page.goto(address)
            yield page
        finally:
            await browser.close()


@pytest.fixture
def sign_in() -> Callable[..., Awaitable[None]]:
    """Signs a user in on the console's first page, and waits until it hears what happens; not ``live``: until it tries
    to."""

    async def make(page: Page, username: str, *, live: bool = True) -> None:
        await page.get_by_test_id("login-username").fill(username)
        await page.get_by_test_id("login-password").fill(PASSWORD)
        await page.get_by_test_id("login-submit").click()
        state = "open" if live else "connecting"
        await expect(page.get_by_test_id("link-state")).to_have_attribute("data-state", state)

    return make


class OneStreet(CameraFacts):
    """Every camera stands at one crossing, in the hub."""

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None:
        return CameraFact(code, "测试路口东", "hub", grid="990000000001001", lng=120.5, lat=30.25)


def _snapshot(path: Path) -> None:
    picture = np.full((180, 320, 3), (40, 90, 160), np.uint8)
    assert cv2.imwrite(str(path), picture)


def _clip(path: Path) -> None:
    """Two seconds of H.264 in a fragmented MP4, as the clip writer leaves it."""
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}) as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for number in range(20):
            picture = np.full((180, 320, 3), number * 12, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        output.mux(stream.encode())


@pytest.fixture
def raise_alert(services: Services) -> Callable[..., Awaitable[str]]:
    """Hands in an alert and then its clip, as a camera worker does; answers the alert's id. ``why``: its reasons. Not
    ``evident``: its worker's disk takes neither snapshot nor clip."""
    journal = services.settings.data_folder / "journal"
    journal.mkdir()
    files = EvidenceFiles(evidence_folder(services.settings), (journal,))
    intake = AlertIntake(files, OneStreet(), services.settings, services.announcer, services.opening)

    async def make(hazard: str, why: dict[str, Any] | None = None, *, evident: bool = True) -> str:
        alert_id, now = new_id(), system_clock().timestamp()
        if not evident:
            await intake.handle(AlertRaised(alert_id, CAMERA, "square", hazard, now - 3, now, 0.9, why or {}, "", ""))
            return alert_id
        snapshot, clip = journal / f"{alert_id}.jpg", journal / f"{alert_id}.mp4"
        _snapshot(snapshot)
        _clip(clip)
        digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
        await intake.handle(
            AlertRaised(alert_id, CAMERA, "square", hazard, now - 3, now, 0.9, why or {}, str(snapshot), digest)
        )
        content = clip.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        await intake.handle(
            EvidenceReady(new_id(), alert_id, "clip", str(clip), digest, len(content), now - 8, now + 2, partial=False)
        )
        return alert_id

    return make
