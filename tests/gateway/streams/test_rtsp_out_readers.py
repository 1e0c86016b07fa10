"""Real readers at the RTSP door: FFmpeg's tools GStreamer, and the gateway's own pull; one and several."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.keyframes import decode_keyframe
from gateway.streams.nal import nal_units
from gateway.streams.pull import CameraPull, PullLimits, PullState
from gateway.streams.rtsp_out import RtspServer
from gateway.streams.source import LocalSource, RemoteSource

pytestmark = pytest.mark.integration

PATH, PATH_H265 = "cameras/1", "cameras/2"
LIMITS = PullLimits(opening=6.0, silence=2.0)


@dataclass
class Door:
    server: RtspServer
    port: int
    buses: dict[str, FrameBus]

    def lend(self, reader: str, *, path: str = PATH, seconds: float = 60) -> StreamAddress:
        username, password = self.server.lend(path, reader, time.time() + seconds)
        return StreamAddress(f"rtsp://127.0.0.1:{self.port}/{path}", username, password)


def with_login(address: StreamAddress) -> str:
    """The form in which other readers are told the login."""
    return address.url.replace("://", f"://{address.username}:{address.password}@")


@pytest.fixture
async def door(live: FrameBus, live_h265: FrameBus) -> AsyncIterator[Door]:
    buses = {PATH: live, PATH_H265: live_h265}
    server = RtspServer(lambda path: LocalSource(buses[path]) if path in buses else None)
    yield Door(server, await server.start("127.0.0.1", 0), buses)
    await server.stop()


class Reading:
    """What a remote source brought and said."""

    def __init__(self, address: StreamAddress) -> None:
        self.states: list[PullState] = []
        self.frames: list[EncodedFrame] = []
        self.source = RemoteSource(address, self.states.append, limits=LIMITS)
        self.source.bus.tap(self.frames.append)

    @property
    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if state.reason is not None]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def tool(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, error = await process.communicate()
    assert process.returncode == 0, error.decode()[-500:]
    return out


async def test_another_gateway_process_gets_the_same_frames(door: Door, live: FrameBus) -> None:
    sent: list[EncodedFrame] = list(live.gop())
    live.tap(sent.append)
    reading = Reading(door.lend("room"))
    reading.source.bus.subscribe("viewer", 1)  # while nobody views, what came waits for a moment
    await reading.source.start()
    await until(lambda: len(reading.frames) >= 60)
    await reading.source.stop()
    frames = reading.frames[:60]
    assert frames[0].keyframe
    first = next(at for at, frame in enumerate(sent) if nal_units(frame.data)[-1] == nal_units(frames[0].data)[-1])
    assert first == 0, "it begins with the group of pictures that was there"
    for ours, theirs in zip(sent, frames, strict=False):
        assert sorted(nal_units(ours.data)) == sorted(nal_units(theirs.data))
    # The cached pictures take no time of their own: what comes after them is the present.
    steps = [later.pts - earlier.pts for earlier, later in pairwise(frames)]
    assert set(steps) == {36, 3600}
    assert steps == sorted(steps)
    assert abs((frames[-1].pts - frames[0].pts) / 90_000 - (frames[-1].arrival - frames[0].arrival)) < 0.3
    await until(lambda: door.server.readers == 0)


async def test_a_recorder_gets_the_times_of_the_camera_to_the_tick(door: Door) -> None:
    bus, frames = FrameBus(), list[EncodedFrame]()
    bus.tap(frames.append)
    pull = CameraPull(door.lend("recorder"), bus, lambda _state: None, limits=LIMITS)
    await pull.start()
    await until(lambda: len(frames) >= 40)
    await pull.stop()
    assert {later.pts - earlier.pts for earlier, later in pairwise(frames)} == {3600}


async def test_h265_is_given_on_as_well(door: Door) -> None:
    reading = Reading(door.lend("room", path=PATH_H265))
    await reading.source.start()
    await until(lambda: sum(frame.keyframe for frame in reading.frames) >= 2)
    await reading.source.stop()
    assert {frame.codec for frame in reading.frames} == {"hevc"}
    assert decode_keyframe(next(frame for frame in reading.frames if frame.keyframe)).shape == (180, 320, 3)


@pytest.mark.parametrize(("path", "codec"), [(PATH, "h264"), (PATH_H265, "hevc")])
async def test_ffprobe_reads_what_it_is(door: Door, path: str, codec: str) -> None:
    url = with_login(door.lend("wall", path=path))
    told = await tool(
        "ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json", url
    )  # fmt: skip
    (stream,) = json.loads(told)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == (codec, 320, 180)
    assert stream["r_frame_rate"] == "25/1"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_decodes_every_picture(door: Door, transport: str) -> None:
    url = with_login(door.lend("wall"))
    pictures = await tool(
        "ffmpeg", "-v", "error", "-xerror", "-err_detect", "explode", "-rtsp_transport", transport, "-i", url,
        "-frames:v", "50", "-vf", "scale=32:18", "-f", "rawvideo", "-pix_fmt", "gray", "-",
    )  # fmt: skip
    assert len(pictures) == 50 * 32 * 18


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_reads_it_too(door: Door, transport: str) -> None:
    """It answers with MD5 to whatever it is asked, and takes the last challenge."""
    address = door.lend("wall")
    await tool(
        "gst-launch-1.0", "-q", "rtspsrc", f"location={address.url}", f"user-id={address.username}",
        f"user-pw={address.password}", f"protocols={transport}", "latency=50", "!", "rtph264depay", "!",
        "video/x-h264,alignment=au", "!", "identity", "eos-after=40", "!", "fakesink", "sync=false",
    )  # fmt: skip


async def test_a_reader_hears_the_camera_as_well(door: Door, live: FrameBus) -> None:
    live.audio = AudioFormat("pcm_alaw", 8000, 1)

    async def hum() -> None:
        for number in range(10_000):
            live.publish(EncodedFrame("audio", "pcm_alaw", b"\xd5" * 160, number * 1800, 90_000, time.time(), False))
            await asyncio.sleep(0.02)

    humming = asyncio.create_task(hum())
    for transport in ("tcp", "udp"):
        url = with_login(door.lend(f"wall-{transport}"))
        told = await tool(
            "ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-t", "1", "-map", "0:a",
            "-f", "s16le", "-",
        )  # fmt: skip
        # Where the machine is busy, what is late is left out rather than heard late.
        assert 3_200 <= len(told) <= 16_800, "of a second, what is after the picture's beginning"
        pictures = await tool(
            "ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-frames:v", "20", "-map", "0:v",
            "-vf", "scale=32:18", "-f", "rawvideo", "-pix_fmt", "gray", "-",
        )  # fmt: skip
        assert len(pictures) == 20 * 32 * 18
    humming.cancel()
    assert live.sound.listeners == 0


async def test_pictures_that_travel_in_another_order_are_shown_in_theirs(door: Door, live_bframes: FrameBus) -> None:
    door.buses[PATH] = live_bframes
    reading = Reading(door.lend("room"))
    await reading.source.start()
    await until(lambda: len(reading.frames) >= 90)
    await reading.source.stop()
    shown = sorted(frame.pts + frame.composition_offset for frame in reading.frames[25:75])
    assert {b - a for a, b in pairwise(shown)} == {3600}
    stream = next(state.stream for state in reversed(reading.states) if state.stream is not None)
    assert stream.b_frames


async def test_a_wrong_password_is_told_to_the_reader(door: Door) -> None:
    reading = Reading(replace(door.lend("room"), password="not-this"))
    await reading.source.start()
    await until(lambda: reading.reasons)
    await reading.source.stop()
    assert reading.reasons[0] == "auth_failed"


async def test_credentials_that_run_out_end_the_stream_and_open_it_no_more(door: Door) -> None:
    reading = Reading(door.lend("room", seconds=1.5))
    await reading.source.start()
    await until(lambda: len(reading.reasons) >= 2)
    await reading.source.stop()
    assert reading.frames
    assert reading.reasons[0] in ("stream_ended", "connection_lost")
    assert reading.reasons[1] == "auth_failed"


async def test_several_readers_see_the_same_and_share_one_bus(door: Door, live: FrameBus) -> None:
    readings = [Reading(door.lend(f"room-{number}")) for number in range(6)]
    for reading in readings:
        await reading.source.start()
    await until(lambda: all(len(reading.frames) >= 40 for reading in readings))
    assert door.server.readers == 6
    assert door.server.drops == 0
    await asyncio.gather(*(reading.source.stop() for reading in readings))
    await until(lambda: live.stats().subscribers == 0)
