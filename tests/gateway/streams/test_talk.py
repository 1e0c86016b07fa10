"""Whoever may speaks through a camera's loudspeaker: G.711 from the browser over the camera's own ONVIF backchannel."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from gateway.refusals import Refusal
from gateway.streams import aiortc_seams as seams
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.pull import CameraPull
from gateway.streams.talk_door import TalkDoor
from gateway.streams.talk_line import TalkLine, talk_track
from gateway.streams.way import Way

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

pytestmark = pytest.mark.integration
PEER = Path(__file__).with_name("talk_peer.py")
LOGIN = ("viewer", "se:cret")


@dataclass
class Camera:
    process: subprocess.Popen[str]
    port: int
    file: Path

    def address(self, path: str = "film", password: str = LOGIN[1]) -> StreamAddress:
        return StreamAddress(f"rtsp://127.0.0.1:{self.port}/{path}", LOGIN[0], password)

    def heard(self) -> bytes:
        return self.file.read_bytes()

    def has_heard(self, size: int) -> bool:
        return len(self.heard()) >= size


@contextlib.contextmanager
def camera_that_takes(codec: str, films: Path, folder: Path) -> Iterator[Camera]:
    heard = folder / "heard"
    heard.touch()
    command = ["/usr/bin/python3", str(PEER), str(films / "film.mkv"), str(heard), codec, *LOGIN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield Camera(process, int(process.stdout.readline()), heard)
    finally:
        process.kill()
        process.communicate(timeout=5)


@contextlib.asynccontextmanager
async def watched(camera: Camera) -> AsyncIterator[CameraPull]:
    """Pulled, as a camera is that somebody speaks through."""
    states: list[Any] = []
    pull = CameraPull(camera.address(), FrameBus(), states.append)
    await pull.start()
    await parts.until(lambda: pull.state.phase == "live", 10)
    yield pull
    await pull.stop()
    assert [state.reason for state in states if state.reason] == [], "the pull was not disturbed"


@pytest.fixture
def camera(films: Path, tmp_path: Path, _gstreamer: None) -> Iterator[Camera]:
    with camera_that_takes("PCMA", films, tmp_path) as made:
        yield made


class Tone(MediaStreamTrack):
    """A tone of 500 Hz, 20 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(0.02)
        at = np.arange(160) + 160 * self._number
        samples = (8000 * np.sin(2 * np.pi * 500 * at / 8000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 160 * self._number, Fraction(1, 8000)
        self._number += 1
        return frame


@contextlib.asynccontextmanager
async def speaker(*codecs: str) -> AsyncIterator[tuple[RTCPeerConnection, str]]:
    """A browser's stand-in and its offer."""
    connection = seams.new_connection()
    transceiver = connection.addTransceiver(Tone(), direction="sendonly")
    known = RTCRtpSender.getCapabilities("audio").codecs
    transceiver.setCodecPreferences([codec for codec in known if codec.mimeType in codecs])
    await connection.createOffer()
    seams.bind_addresses(connection, parts.LOOPBACK)
    await connection.setLocalDescription(await connection.createOffer())
    yield connection, connection.localDescription.sdp
    await connection.close()


async def test_what_is_said_reaches_the_camera_byte_by_byte_and_its_pictures_go_on(camera: Camera) -> None:
    async with watched(camera):
        said = [bytes([number]) * 160 for number in range(25)]
        for speech in (1, 2):
            line = await TalkLine.open(camera.address(), Way())
            running = asyncio.create_task(line.run())
            for number, samples in enumerate(said):
                line.say(65_530 + number, number * 160, samples, begins=number == 0)
            await parts.until(partial(camera.has_heard, 4000 * speech), 5)
            assert camera.heard() == b"".join(said) * speech
            assert not running.done()
            running.cancel()
            line.close()


async def test_a_camera_tells_what_it_takes_or_that_it_takes_nothing(camera: Camera) -> None:
    assert (await talk_track(camera.address(), Way())).codec == "pcm_alaw"
    for address, reason in (
        (camera.address("mute"), "talk_not_offered"),
        (camera.address("nowhere"), "not_found"),
        (camera.address(password="wrong"), "auth_failed"),
        (StreamAddress("rtsp://127.0.0.1:1/film"), "refused"),
    ):
        with pytest.raises(Refusal) as refused:
            await talk_track(address, Way())
        assert refused.value.reason == reason


@pytest.mark.usefixtures("_gstreamer")
@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
async def test_a_browser_is_heard_at_the_camera_in_the_codec_it_takes(films: Path, tmp_path: Path, codec: str) -> None:
    ended: list[tuple[str, str]] = []
    with camera_that_takes(codec, films, tmp_path) as camera:
        door = TalkDoor(parts.LOOPBACK, Way(), on_closed=lambda talk, why: ended.append((talk, why)))
        async with watched(camera), speaker("audio/PCMU", "audio/PCMA") as (browser, offer):
            answer = await door.open("1", camera.address(), offer, "a")
            await browser.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await parts.until(lambda: len(camera.heard()) > 8000, 8)
            async with speaker("audio/PCMA") as (_, other):
                with pytest.raises(Refusal, match="camera_spoken_through"):
                    await door.open("1", camera.address(), other, "b")
            await door.close("a")
        assert (ended, door.speaking) == ([("a", "closed")], 0)
        assert loudest_tone(camera.heard()[:8000], "pcm_alaw" if codec == "PCMA" else "pcm_mulaw") == 500


def loudest_tone(data: bytes, codec: str) -> int:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8000, "mono"
    samples = np.concatenate([frame.to_ndarray().ravel() for frame in decoder.decode(av.Packet(data))])
    spectrum = np.abs(np.fft.rfft(samples[:8000].astype(float)))
    return int(np.argmax(spectrum))


async def test_a_speech_ends_after_its_time_and_when_the_camera_goes_away(camera: Camera) -> None:
    ended: list[tuple[str, str]] = []
    door = TalkDoor(parts.LOOPBACK, Way(), longest=0.5, on_closed=lambda talk, why: ended.append((talk, why)))
    patient = TalkDoor(parts.LOOPBACK, Way(), on_closed=lambda talk, why: ended.append((talk, why)))
    async with speaker("audio/PCMA") as (_, offer):
        await door.open("1", camera.address(), offer, "a")
        await parts.until(lambda: ended == [("a", "time_over")], 3)
        await patient.open("1", camera.address(), offer, "b")
        camera.process.kill()
        await parts.until(lambda: ("b", "camera_lost") in ended, 5)
    assert door.speaking == patient.speaking == 0


async def test_an_offer_without_the_cameras_codec_and_one_of_nonsense_leave_nothing_behind(camera: Camera) -> None:
    door = TalkDoor(parts.LOOPBACK, Way())
    async with speaker("audio/opus") as (_, opus), speaker("audio/PCMU") as (_, mulaw):
        for offer, reason in ((opus, "g711_not_offered"), (mulaw, "g711_not_offered"), ("nonsense", "sdp_malformed")):
            with pytest.raises(Refusal) as refused:
                await door.open("1", camera.address(), offer, "a")
            assert (refused.value.reason, door.speaking) == (reason, 0)
