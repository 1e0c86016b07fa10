"""Members whose browser has no H.264: they publish and watch VP8; what comes in the other codec is made playable."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame

from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.rooms import Rooms
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

PEOPLE = ("vp8", "viewer", "other")
MOST_TRANSCODINGS = 2


@dataclass
class BusSource:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Grey(VideoStreamTrack):
    """A bright picture with a bar that moves."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level
        self._number = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = np.full((180, 320, 3), self._level, np.uint8)
        picture[:, self._number * 4 % 320 :][:, :20] = 20
        self._number += 1
        frame = VideoFrame.from_ndarray(picture, "bgr24")
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass(frozen=True)
class Films:
    """Made before anybody must beat: encoding takes the loop."""

    dark: list[EncodedFrame]
    bright: list[EncodedFrame]


@pytest.fixture(scope="module")
def films() -> Films:
    return Films(parts.film(grey=40), parts.vp8_film(grey=170))


@pytest.fixture
async def rooms(films: Films) -> AsyncIterator[Rooms]:
    opened = Rooms(parts.LOOPBACK, lambda _change: None)
    opened.start()
    await opened.open_room("r")
    for name in PEOPLE:
        await opened.add_person("r", name)

    async def beat() -> None:
        while True:
            for name in PEOPLE:
                opened.alive("r", name)
            await asyncio.sleep(0.5)

    beating = asyncio.create_task(beat())
    yield opened
    beating.cancel()
    await opened.close()


@asynccontextmanager
async def peer(codec: str, track: VideoStreamTrack | None = None) -> AsyncIterator[tuple[RTCPeerConnection, str]]:
    """A client that speaks one video codec alone, sending ``track`` or receiving; and its offer."""
    connection = seams.new_connection()
    transceiver = connection.addTransceiver(track or "video", direction="sendonly" if track else "recvonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([one for one in known if one.mimeType in (f"video/{codec}", "video/rtx")])
    await connection.createOffer()
    ice = transceiver.receiver.transport.transport._connection
    ice.get_component_candidates = seams._host_candidates(ice, parts.LOOPBACK)  # type: ignore[method-assign]
    await connection.setLocalDescription(await connection.createOffer())
    try:
        yield connection, connection.localDescription.sdp
    finally:
        await connection.close()


async def connected(connection: RTCPeerConnection, answer: str) -> None:
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def shows(connection: RTCPeerConnection, brightness: int) -> None:
    """Wait until the picture that comes is so bright."""
    track = connection.getReceivers()[0].track
    async with asyncio.timeout(30):
        while abs(np.median((await track.recv()).to_ndarray(format="gray")) - brightness) > 15:
            continue


async def test_who_has_vp8_alone_is_seen_by_all_and_sees_all_and_so_does_who_has_h264_alone(
    rooms: Rooms, films: Films
) -> None:
    camera = BusSource()
    await rooms.add_camera("r", "camera", camera)
    async with (
        parts.playing(camera.bus, films.dark, ahead=10),
        peer("VP8", Grey(180)) as (publisher, offer),
        peer("VP8") as (viewer, to_see_vp8),
        peer("VP8") as (to_camera, to_see_camera),
        peer("H264") as (other, to_see_vp8_as_h264),
    ):
        answer = await rooms.publish("r", "vp8", offer)
        assert "VP8" in answer
        assert "H264" not in answer
        await connected(publisher, answer)
        await connected(viewer, await rooms.subscribe("r", "viewer", "vp8", to_see_vp8))
        await shows(viewer, 175)
        assert rooms.counts().transcodings == 0, "its frames are forwarded as they are"
        await connected(to_camera, await rooms.subscribe("r", "viewer", "camera", to_see_camera))
        await shows(to_camera, 40)
        await connected(other, await rooms.subscribe("r", "other", "vp8", to_see_vp8_as_h264))
        await shows(other, 175)
        assert rooms.counts().transcodings == 2
        await rooms.stop_subscription("r", "viewer", "camera")
        await rooms.stop_subscription("r", "other", "vp8")
        assert rooms.counts().transcodings == 0, "nobody needs them any more"
        await shows(viewer, 175)


async def test_what_the_stage_shows_next_is_transcoded_no_longer_where_the_viewer_can_play_it(
    rooms: Rooms, films: Films
) -> None:
    dark, bright = BusSource(), BusSource()
    await rooms.add_camera("r", "h264", dark)
    await rooms.add_camera("r", "in-vp8", bright)
    async with (
        parts.playing(dark.bus, films.dark, ahead=10),
        parts.playing(bright.bus, films.bright, ahead=10),
        peer("H264") as (viewer, offer),
    ):
        rooms.arrange("r", 1, Arrangement(stage="h264"))
        await connected(viewer, await rooms.subscribe("r", "viewer", "stage", offer))
        for revision, (member, brightness, transcoded) in enumerate(
            (("h264", 40, 0), ("in-vp8", 170, 1), ("h264", 40, 0), ("in-vp8", 170, 1)), 2
        ):
            rooms.arrange("r", revision, Arrangement(stage=member))
            await shows(viewer, brightness)
            async with asyncio.timeout(10):
                while rooms.counts().transcodings != transcoded:
                    await asyncio.sleep(0.05)
            await shows(viewer, brightness)


async def test_more_than_the_machine_can_transcode_are_refused_with_a_reason_and_the_others_go_on(
    rooms: Rooms, films: Films
) -> None:
    keyframe = replace(films.dark[0], arrival=time.time())
    for number in range(MOST_TRANSCODINGS + 1):
        camera = BusSource()
        await rooms.add_camera("r", f"camera{number}", camera)
        camera.bus.publish(keyframe)
    async with peer("VP8") as (_, offer):
        for number in range(MOST_TRANSCODINGS):
            await rooms.subscribe("r", "viewer", f"camera{number}", offer)
            await rooms.subscribe("r", "other", f"camera{number}", offer)
        with pytest.raises(Refusal, match="transcodings_too_many"):
            await rooms.subscribe("r", "viewer", f"camera{MOST_TRANSCODINGS}", offer)
        with pytest.raises(Refusal, match="codecs_not_offered"):
            await rooms.subscribe("r", "viewer", "camera0", offer.replace("VP8", "VP7"))
        with pytest.raises(Refusal, match="codecs_not_offered"):
            await rooms.publish("r", "vp8", offer.replace("VP8", "VP7"))
        with pytest.raises(Refusal, match="sdp_malformed"):
            h264 = re.sub("a=fmtp:.*", "a=fmtp:97 packetization-mode", offer.replace("VP8", "H264"))
            await rooms.publish("r", "vp8", h264)
        assert (rooms.counts().transcodings, rooms.watchings) == (MOST_TRANSCODINGS, 2 * MOST_TRANSCODINGS)
        for member in ("viewer", "other"):
            await rooms.stop_subscription("r", member, "camera0")
        for name in "abcd":  # a person's picture is small
            await rooms.add_person("r", name)
            rooms._rooms["r"]._members[name].bus.publish(keyframe)
            await rooms.subscribe("r", "viewer", name, offer)
        assert rooms.counts().transcodings == MOST_TRANSCODINGS - 1 + 4
        with pytest.raises(Refusal, match="transcodings_too_many"):
            await rooms.subscribe("r", "viewer", "camera0", offer)


@parts.needs_chromium
async def test_a_browser_that_sends_vp8_is_seen_and_one_connection_shows_the_stage_in_either_codec(
    rooms: Rooms, films: Films
) -> None:
    dark, bright = BusSource(), BusSource()
    await rooms.add_camera("r", "h264", dark)
    await rooms.add_camera("r", "in-vp8", bright)

    async def page_of(browser: Any, member: str) -> Any:
        page = await browser.new_page()

        async def whip(name: str, offer: str) -> str:
            return await rooms.publish("r", name, offer)

        async def whep(name: str, offer: str) -> str:
            return await rooms.subscribe("r", member, name, offer)

        await page.expose_function("whip", whip)
        await page.expose_function("whep", whep)
        await page.route("http://127.0.0.1/**", lambda route: route.fulfill(body=parts.PAGE, content_type="text/html"))
        await page.goto("http://127.0.0.1/room")
        return parts.Viewer(page)

    async with (
        parts.playing(dark.bus, films.dark, ahead=10),
        parts.playing(bright.bus, films.bright, ahead=10),
        parts.chromium() as browser,
    ):
        one, two = await page_of(browser, "vp8"), await page_of(browser, "viewer")
        await one.page.evaluate("publish('vp8', 'video/VP8')")
        await two.page.evaluate("watch('vp8', true, 'whep')")
        before = await two.numbers("vp8")
        await asyncio.sleep(2)
        after = await two.numbers("vp8")
        assert after["width"] == 640
        assert after["decoded"] - before["decoded"] > 8
        assert after["sound"] - before["sound"] > 500

        rooms.arrange("r", 1, Arrangement(stage="h264"))
        await two.page.evaluate("watch('stage', false, 'whep')")
        for revision, (member, least, most) in enumerate(
            (("h264", 20, 80), ("in-vp8", 130, 210), ("h264", 20, 80), ("in-vp8", 130, 210)), 2
        ):
            rooms.arrange("r", revision, Arrangement(stage=member))
            async with asyncio.timeout(20):
                while not least < await two.page.evaluate("brightness('stage')") < most:
                    await asyncio.sleep(0.05)
        assert rooms.counts().transcodings == 0
