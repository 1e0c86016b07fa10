"""The rooms' real media in this process, for the console's tests: what the room worker does, without its process; and
browsers that go into them.

Loaded by path, as the tests stand in no package.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from camera_registry.codes import CodeRange
from camera_registry.ports import Site
from camera_registry.registration import CameraFound
from gateway.access.passwords import Passwords
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.live import LiveHub
from gateway.processes.messages import Answer, MemberChanged, RoomRecorded
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.composer_messages import Recorded
from gateway.rooms.desk import RoomDesk
from gateway.rooms.presence import MemberChange
from gateway.rooms.rooms import Rooms
from gateway.settings import RuleSettings, Settings, WebRtcSettings
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.vault import Vault
from gateway.streams.bus import FrameBus
from gateway.workers.control.camera_records import CameraRecords

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "Correct-Horse-7"
CAMERA = "测试路口东"
MEDIA = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
]
SENDS_NO_H264 = """{
  const all = RTCRtpSender.getCapabilities.bind(RTCRtpSender);
  RTCRtpSender.getCapabilities = (kind) => {
    const found = all(kind);
    return { ...found, codecs: found.codecs.filter((codec) => codec.mimeType !== 'video/H264') };
  };
}"""
PICTURES = """(video) => new Promise((done) => {
  let frames = 0;
  const count = () => {
    frames += 1;
    if (frames < 5) video.requestVideoFrameCallback(count);
    else done(video.videoWidth);
  };
  video.requestVideoFrameCallback(count);
  setTimeout(() => done(0), 15000);
})"""
"""Answers the width, once five pictures have come; 0: they have not."""


@dataclass
class BusSource:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)

    async def start(self) -> None:
        """The film runs already."""

    async def stop(self) -> None:
        """The film runs on."""


class RoomsHere:
    """``MediaEngine`` over ``Rooms`` itself; what they say goes to the desk in the order it was said."""

    def __init__(self, network: WebRtcSettings, folder: Path) -> None:
        self.camera = BusSource()
        self.folder = folder
        self.rooms = Rooms(network, self._heard, on_recorded=self._recorded, folder=folder)
        self._said: asyncio.Queue[MemberChanged | RoomRecorded] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    def start(self, desk: RoomDesk) -> None:
        self.rooms.start()
        self._telling = asyncio.get_running_loop().create_task(self._tell(desk))

    async def stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self.rooms.close()

    async def open(self, room_id: str, title: str) -> None:
        await self.rooms.open_room(room_id, title)

    async def close(self, room_id: str) -> None:
        await self.rooms.close_room(room_id)

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        await self.rooms.add_camera(room_id, member_id, self.camera)

    async def add_person(self, room_id: str, member_id: str) -> None:
        await self.rooms.add_person(room_id, member_id)

    async def remove(self, room_id: str, member_id: str) -> None:
        await self.rooms.remove(room_id, member_id)

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return await self.rooms.publish(room_id, member_id, offer)

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        return Answer(await self.rooms.subscribe(room_id, viewer_id, member_id, offer))

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        await self.rooms.stop_publishing(room_id, member_id)

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        await self.rooms.stop_subscription(room_id, viewer_id, member_id)

    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        """No network stands behind these rooms: it rings on."""

    async def stop_ringing(self, room_id: str, ring_id: str) -> None:
        """It rang nowhere."""

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        self.rooms.arrange(room_id, revision, arrangement)

    def alive(self, room_id: str, member_id: str) -> None:
        self.rooms.alive(room_id, member_id)

    def _heard(self, change: MemberChange) -> None:
        told = MemberChanged(change.room_id, change.member_id, change.state, change.reason, change.at)
        self._said.put_nowait(told)

    def _recorded(self, room: str, file: Recorded) -> None:
        told = RoomRecorded(
            room, file.member, file.path, file.sha256, file.size, file.starts_at, file.ends_at, file.partial
        )
        self._said.put_nowait(told)

    async def _tell(self, desk: RoomDesk) -> None:
        while True:
            said = await self._said.get()
            if isinstance(said, RoomRecorded):
                await desk.recordings.keep(said)
            else:
                await desk.reports.changed(said)


@asynccontextmanager
async def services_with(
    media: RoomsHere, database: Database, folder: Path, passwords: Passwords
) -> AsyncIterator[Services]:
    """The service's parts over these media, with one camera."""
    vault, live = Vault.at(folder), LiveHub()
    files = EvidenceFiles(folder / "evidence", (media.folder,))
    desk = RoomDesk.over(database, media, live, system_clock, files, vault, media.folder)
    media.start(desk)
    found = CameraFound(stream_url="rtsp://127.0.0.1:8555/main", encoding="H264")
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        site = Site(CAMERA, "hub", "990000000001001", 120.5, 30.25, "测试路 1 号")
        await store.add(await store.next_code(CodeRange("99000000")), found, site, None, "", datetime.now(UTC))
    yield Services(
        settings=Settings(data_folder=folder, platform_code="hub"),
        db=database,
        vault=vault,
        passwords=passwords,
        live=live,
        cameras=CameraRecords(database, vault, RuleSettings()),
        rooms=desk,
    )
    await media.stop()


@asynccontextmanager
async def browser_with(arguments: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


async def signed_in(
    browser: Browser, address: str, username: str, path: str = "/rooms", *, sends_h264: bool = True
) -> Page:
    """A browser of its own, as far as sessions go; of what is forwarded it sends VP8 alone without ``sends_h264``."""
    context = await browser.new_context(viewport={"width": 1600, "height": 900}, locale="zh-CN")
    if not sends_h264:
        await context.add_init_script(SENDS_NO_H264)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(address + path)
    await page.get_by_test_id("login-username").fill(username)
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()
    await expect(page.get_by_test_id("link-state")).to_have_attribute("data-state", "open")
    return page


async def open_room(page: Page, title: str) -> str:
    """Answers its address."""
    await page.get_by_test_id("room-title").fill(title)
    await page.get_by_test_id("room-create").click()
    await page.wait_for_url("**/rooms/*")
    await expect(page.get_by_role("heading", name=title)).to_be_visible()
    return page.url


async def bring_camera(page: Page, name: str) -> None:
    await page.get_by_test_id("room-add-camera").click()
    await page.get_by_test_id("room-cameras").get_by_text(name).click()
    await page.get_by_test_id("grant-purpose").fill("应急会商")
    await page.get_by_test_id("grant-submit").click()


def tiles(page: Page, kind: str | None = None) -> Locator:
    """Of others: cameras, or persons."""
    return page.locator(f"[data-testid=room-tile][data-kind={kind}]:not(.own)" if kind else "[data-testid=room-tile]")
