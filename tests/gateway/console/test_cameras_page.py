"""The cameras' page as people use it: a real ONVIF camera found and registered, watched live, changed and removed."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from playwright.async_api import Page, async_playwright, expect

from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.live import LiveHub, Notice
from gateway.processes.messages import Answer, Snapshot, StreamLent
from gateway.refusals import Refusal
from gateway.settings import CameraSettings, Settings
from gateway.storage.database import Database
from gateway.storage.vault import Vault
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.pull import CameraPull, PullLimits
from gateway.streams.talk_door import TalkDoor
from gateway.streams.way import Way
from gateway.streams.whep import WhepDoor
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet
from gateway.workers.control.assignments import HealthHeard
from gateway.workers.control.camera_records import CameraRecords

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "Correct-Horse-7"
SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
FILM = parts.film()


UserWith = Callable[..., Awaitable[str]]

ADVANCES = """async (video) => {
  const before = video.currentTime;
  for (let tries = 0; tries < 100 && video.currentTime < before + 0.5; tries += 1)
    await new Promise((done) => setTimeout(done, 50));
  return [video.currentTime >= before + 0.5, video.videoWidth];
}"""


@dataclass
class FilmMedia:
    """``CameraMedia`` with the camera worker's own WHEP door, on a film instead of a pull."""

    bus: FrameBus = field(default_factory=FrameBus)
    sub: OnDemandSource | None = None
    door: WhepDoor = field(default_factory=lambda: WhepDoor(parts.LOOPBACK))
    loudspeaker: StreamAddress | None = None
    talks: TalkDoor = field(default_factory=lambda: TalkDoor(parts.LOOPBACK, Way()))
    ended: list[str] = field(default_factory=list)
    closing: asyncio.Task[None] | None = None

    async def snapshot(self, code: str) -> Snapshot:
        done, jpeg = cv2.imencode(".jpg", np.full((180, 320, 3), (40, 90, 160), np.uint8))
        assert done
        return Snapshot(jpeg.tobytes(), system_clock().timestamp())

    async def open_viewing(self, code: str, session_id: str, offer: str, *, main: bool = False) -> Answer:
        opened = await self.door.open(self.bus, offer, viewing_id=session_id, sub=None if main else self.sub)
        return Answer(opened.answer, opened.note)

    def close_viewing(self, session_id: str) -> None:
        self.ended.append(session_id)

    async def talk_codec(self, code: str) -> str:
        if self.loudspeaker is None:
            raise Refusal("conflict", "talk_not_offered", "摄像机没有 ONVIF 对讲通道，不支持喊话", "It has none.")
        return await self.talks.codec(code, self.loudspeaker)

    async def open_talk(self, code: str, talk_id: str, offer: str) -> str:
        assert self.loudspeaker is not None
        return await self.talks.open(code, self.loudspeaker, offer, talk_id)

    def close_talk(self, talk_id: str) -> None:
        self.closing = asyncio.create_task(self.talks.close(talk_id))

    async def lend(self, code: str, reader: str, until: float, login: tuple[str, str] | None = None) -> StreamLent:
        raise Refusal("unavailable", "not_lent", "此处不转出视频流。", "No stream is lent here.")


@pytest.fixture
async def media() -> AsyncIterator[FilmMedia]:
    media = FilmMedia()
    yield media
    await asyncio.gather(media.door.close_all(), media.talks.close_all())


@pytest.fixture
def records(sqlite_database: Database, tmp_path: Path) -> CameraRecords:
    return CameraRecords(sqlite_database, Vault.at(tmp_path), Settings(data_folder=tmp_path).rules)


@pytest.fixture
def services(
    sqlite_database: Database, tmp_path: Path, passwords: Passwords, media: FilmMedia, records: CameraRecords
) -> Services:
    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=sqlite_database,
        vault=Vault.at(tmp_path),
        passwords=passwords,
        live=LiveHub(),
        cameras=records,
        camera_network=CameraNetwork(CameraSettings(), system_clock),
        media=media,
    )


@pytest.fixture
async def page(address: str) -> AsyncIterator[Page]:
    """A browser that takes media from this machine itself."""
    arguments = ["--no-sandbox", "--allow-loopback-in-peer-connection"]
    arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            page = await browser.new_page(viewport={"width": 1600, "height": 900}, locale="zh-CN")
            page.set_default_timeout(20_000)
            await page.goto(address)
            yield page
        finally:
            await browser.close()


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
async def device(footage_folder: Path) -> AsyncIterator[VirtualDevice]:
    fleet = VirtualFleet([VirtualCamera("东门", SMALL, "viewer", SECRET)], footage_folder, multicast=False)
    async with fleet:
        yield fleet.devices[0]


async def sign_in(page: Page, username: str) -> None:
    await page.get_by_test_id("login-username").fill(username)
    await page.get_by_test_id("login-password").fill(PASSWORD)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("nav-cameras").click()
    await expect(page.get_by_test_id("link-state")).to_have_attribute("data-state", "open")


async def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        await page.get_by_test_id(f"camera-form-{name}").fill(text)


async def register(page: Page, device: VirtualDevice, name: str = "东门") -> None:
    """By its RTSP address, without discovery."""
    await page.get_by_test_id("camera-register").click()
    await page.get_by_text("RTSP", exact=True).click()
    await fill(page, reached=device.rtsp_url, username="viewer", password=SECRET, name=name, lng="120.5", lat="30.25")
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-form")).to_have_count(0)
    await expect(page.get_by_test_id("camera-detail")).to_be_visible()


@asynccontextmanager
async def film_on(media: FilmMedia) -> AsyncIterator[None]:
    async with parts.playing(media.bus, FILM, ahead=20):
        yield


async def test_a_camera_is_found_on_the_network_and_registered(
    page: Page, device: VirtualDevice, user_with: UserWith, services: Services, records: CameraRecords
) -> None:
    await sign_in(page, await user_with("system_admin"))
    await expect(page.get_by_text("还没有登记摄像机")).to_be_visible()
    await page.get_by_test_id("discovery-open").click()
    await page.get_by_test_id("discovery-targets").fill(device.discovery_target)
    await page.get_by_test_id("discovery-search").click()
    found = page.get_by_test_id("discovery-device")
    await expect(found).to_contain_text("东门")
    await found.get_by_test_id("discovery-register").click()
    await expect(page.get_by_test_id("camera-form-reached")).to_have_value(device.onvif_address)

    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-form")).to_contain_text("请填写 -180 至 180 之间的度数")
    await fill(page, username="viewer", password="wrong", lng="120.5", lat="30.25")
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-form").get_by_test_id("problem")).to_contain_text("口令错误")
    await fill(page, password=SECRET)
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-form")).to_have_count(0)
    await expect(found).to_contain_text("已登记")
    await page.keyboard.press("Escape")

    row = page.get_by_test_id("camera-row")
    await expect(row).to_contain_text("东门")
    await expect(row.get_by_test_id("camera-state")).to_have_text("连接中")
    detail = page.get_by_test_id("camera-detail")
    await expect(detail.get_by_test_id("camera-facts")).to_contain_text("320×180")
    await expect(detail.get_by_test_id("camera-rules")).to_contain_text("占道经营")
    await expect(detail).to_contain_text("您的角色不能调阅视频")
    await expect(detail.get_by_test_id("camera-play")).to_have_count(0)

    code = await row.get_attribute("data-camera-code")
    assert code is not None
    kept = await records.note_health(code, HealthHeard("live", "", system_clock()))
    assert kept is not None
    services.live.publish(Notice("camera.health", *kept))
    await expect(row.get_by_test_id("camera-state")).to_have_text("正常")
    health = detail.get_by_test_id("camera-health")
    await expect(health.locator("li").first).to_contain_text("正常")
    moved = await records.note_health(code, HealthHeard("moved", "moved", system_clock()))
    assert moved is not None
    services.live.publish(Notice("camera.health", *moved))
    await expect(health.locator("li").first).to_contain_text("视角已变动")
    await expect(health.get_by_test_id("camera-learn")).to_be_visible()


async def test_a_camera_is_watched_live_under_a_reason_and_an_old_picture_is_called_old(
    page: Page, device: VirtualDevice, user_with: UserWith, media: FilmMedia
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    async with film_on(media):
        await page.get_by_test_id("camera-play").click()
        await page.get_by_test_id("grant-submit").click()
        await expect(page.get_by_text("请填写调阅事由")).to_be_visible()
        await page.get_by_test_id("grant-preset-patrol").click()
        await expect(page.get_by_test_id("grant-purpose")).to_have_value("值班巡查")
        await page.get_by_test_id("grant-submit").click()
        video = page.get_by_test_id("live-video")
        assert await video.evaluate(ADVANCES) == [True, parts.WIDTH]
        await expect(page.get_by_test_id("live-state")).to_have_count(0)
    await expect(page.get_by_test_id("live-state")).to_contain_text("以下不是实时画面", timeout=20_000)
    async with film_on(media):
        await expect(page.get_by_test_id("live-state")).to_have_count(0, timeout=20_000)
        assert await video.evaluate(ADVANCES) == [True, parts.WIDTH]
        media.ended.clear()
        await page.get_by_test_id("camera-stop").click()
        await parts.until(lambda: len(media.ended) == 1)
    await page.get_by_test_id("camera-snapshot-ask").click()
    await expect(page.get_by_test_id("camera-snapshot")).to_have_js_property("naturalWidth", 320)


async def test_a_transcoded_picture_is_called_so(
    page: Page, device: VirtualDevice, user_with: UserWith, media: FilmMedia
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    async with parts.playing(media.bus, parts.film(bframes=2), ahead=20):
        await page.get_by_test_id("camera-play").click()
        await page.get_by_test_id("grant-preset-patrol").click()
        await page.get_by_test_id("grant-submit").click()
        assert await page.get_by_test_id("live-video").evaluate(ADVANCES) == [True, parts.WIDTH]
        await expect(page.get_by_test_id("live-note")).to_have_text("已转码")
        await expect(page.get_by_test_id("live-sound")).to_have_count(0)
        assert media.door.counts().transcodings == 1


PLACES_OF_THE_BUTTON = """() => new Promise(resolve => {
    const places = new Set(), began = performance.now()
    const look = now => {
        const box = document.querySelector('[data-testid=grant-submit]')?.getBoundingClientRect()
        if (box) places.add([box.x, box.y, box.width, box.height].map(Math.round).join(' '))
        if (now - began < 1000) requestAnimationFrame(look); else resolve([...places])
    }
    requestAnimationFrame(look)
    document.querySelector('[data-testid=camera-play]').click()
})"""


async def test_the_buttons_of_a_dialog_stand_still_while_it_opens(
    page: Page, device: VirtualDevice, user_with: UserWith
) -> None:
    """A button that moves between press and release takes no click, of a hurried officer's neither."""
    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    places = await page.evaluate(PLACES_OF_THE_BUTTON)
    assert len(places) == 1, places


async def test_a_sub_stream_in_place_of_the_main_one_is_called_so_and_the_main_one_can_be_had(
    page: Page, device: VirtualDevice, user_with: UserWith, media: FilmMedia
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    media.sub = OnDemandSource(StreamAddress(device.rtsp_url, "viewer", SECRET), name="sub", limits=PullLimits())
    async with parts.playing(media.bus, parts.film(bframes=2), ahead=20):
        await page.get_by_test_id("camera-play").click()
        await page.get_by_test_id("grant-preset-patrol").click()
        await page.get_by_test_id("grant-submit").click()
        video, note, other = (page.get_by_test_id(name) for name in ("live-video", "live-note", "live-stream"))
        assert await video.evaluate(ADVANCES) == [True, 320]
        await expect(note).to_have_text("子码流 320×180")
        await expect(other).to_have_text("看主码流（转码）")
        await other.click()
        await expect(note).to_have_text("已转码")
        assert await video.evaluate(ADVANCES) == [True, parts.WIDTH]
        await other.click()
        await expect(note).to_have_text("子码流 320×180")
    await media.sub.close()


@asynccontextmanager
async def loudspeaker(folder: Path) -> AsyncIterator[tuple[StreamAddress, Path]]:
    """A camera that is pulled and can be spoken through, and the file of what it hears."""
    film, heard = folder / "film.mkv", folder / "heard"
    heard.touch()
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "bgr24")))
        container.mux(stream.encode(None))
    peer = Path(__file__).parents[1] / "streams" / "talk_peer.py"
    camera = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(peer), str(film), str(heard), "PCMA", stdout=asyncio.subprocess.PIPE
    )
    assert camera.stdout is not None
    address = StreamAddress(f"rtsp://127.0.0.1:{int(await camera.stdout.readline())}/film")
    pull = CameraPull(address, FrameBus(), lambda _state: None)
    await pull.start()
    try:
        await parts.until(lambda: pull.state.phase == "live", 10)
        yield address, heard
    finally:
        await pull.stop()
        camera.kill()
        await camera.wait()


async def test_who_holds_the_button_is_heard_at_the_camera_until_it_is_let_go(
    page: Page, device: VirtualDevice, user_with: UserWith, media: FilmMedia, tmp_path: Path
) -> None:
    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    await expect(page.get_by_test_id("talk-cannot")).to_have_text("不支持喊话")
    async with loudspeaker(tmp_path) as (address, heard):
        media.loudspeaker = address
        await page.reload()
        button = page.get_by_test_id("talk-press")
        await expect(button).to_have_text("按住喊话")
        await button.hover()
        await page.mouse.down()
        await expect(button).to_contain_text("请讲")
        await parts.until(lambda: heard.stat().st_size > 12_000, 10)
        assert media.talks.speaking == 1
        await page.mouse.up()
        await expect(button).to_have_text("按住喊话")
        await parts.until(lambda: media.talks.speaking == 0, 5)
        assert len(set(heard.read_bytes())) > 20, "more than silence"


async def test_a_camera_is_heard_by_whoever_asks_for_its_sound(
    page: Page, device: VirtualDevice, user_with: UserWith, media: FilmMedia
) -> None:
    media.bus.audio = AudioFormat("pcm_alaw", 8000, 1)

    async def hum() -> None:
        for number in range(10_000):
            packet = EncodedFrame("audio", "pcm_alaw", b"\x2a" * 160, number * 1800, 90_000, time.time(), False)
            media.bus.publish(packet)
            await asyncio.sleep(0.02)

    await sign_in(page, await user_with("duty_leader"))
    await register(page, device)
    humming = asyncio.create_task(hum())
    async with film_on(media):
        await page.get_by_test_id("camera-play").click()
        await page.get_by_test_id("grant-preset-patrol").click()
        await page.get_by_test_id("grant-submit").click()
        sound, video = page.get_by_test_id("live-sound"), page.get_by_test_id("live-video")
        await expect(sound).to_have_text("打开声音")
        await expect(video).to_have_js_property("muted", True)
        await sound.click()
        await expect(sound).to_have_text("静音")
        await expect(video).to_have_js_property("muted", False)
    humming.cancel()


async def test_a_camera_is_changed_stopped_and_removed_after_asking(
    page: Page, device: VirtualDevice, user_with: UserWith, records: CameraRecords
) -> None:
    await sign_in(page, await user_with("system_admin"))
    await register(page, device)
    detail = page.get_by_test_id("camera-detail")
    await detail.get_by_test_id("camera-edit").click()
    await fill(page, name="东门外", lat="30.26")
    await page.get_by_test_id("camera-form-submit").click()
    await expect(page.get_by_test_id("camera-row")).to_contain_text("东门外")
    await expect(detail.get_by_test_id("camera-facts")).to_contain_text("120.50000, 30.26000")

    await detail.get_by_test_id("camera-halt").click()
    await page.get_by_role("button", name="确认").click()
    await expect(detail.get_by_test_id("camera-state")).to_have_text("已停用")
    assert await records.codes() == []

    await page.get_by_test_id("camera-search").fill("没有这个名字")
    await expect(page.get_by_text("没有符合条件的摄像机")).to_be_visible()
    await page.get_by_test_id("camera-search").fill("东门")
    await expect(page.get_by_test_id("camera-row")).to_have_count(1)

    await detail.get_by_test_id("camera-remove").click()
    await page.get_by_role("button", name="确认").click()
    await expect(page.get_by_test_id("camera-row")).to_have_count(0)
    await expect(detail).to_have_count(0)


async def test_who_may_not_set_up_cameras_sees_them_all_the_same(page: Page, user_with: UserWith) -> None:
    await sign_in(page, await user_with("department"))
    await expect(page.get_by_text("还没有登记摄像机")).to_be_visible()
    await expect(page.get_by_test_id("camera-register")).to_have_count(0)
    await expect(page.get_by_test_id("discovery-open")).to_have_count(0)
