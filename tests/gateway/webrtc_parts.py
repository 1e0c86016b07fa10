"""Parts for tests of WebRTC: a real H.264 film on a bus, the loopback network, and a headless Chromium.

Loaded by path from the tests of viewing and of rooms, which stand in different folders.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright

from gateway.settings import WebRtcSettings
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame

LOOPBACK = WebRtcSettings(addresses=("127.0.0.1",))
FRAMES_PER_SECOND = 25
GOP = 50
WIDTH, HEIGHT = 640, 360
TICKS = 90_000 // FRAMES_PER_SECOND
CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def film(
    frames: int = 2 * GOP, *, bframes: int = 0, grey: int = 60, width: int = WIDTH, height: int = HEIGHT, gop: int = GOP
) -> list[EncodedFrame]:
    """A moving bar as H.264, a keyframe every two seconds or ``gop`` frames; baseline unless B-frames are asked for."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FRAMES_PER_SECOND), Fraction(FRAMES_PER_SECOND)
    codec.gop_size = gop
    codec.options = {"preset": "ultrafast", "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:annexb=1"}
    if bframes:
        codec.options |= {"bf": str(bframes), "preset": "veryfast"}
        codec.profile = "Main"
    else:
        codec.options |= {"tune": "zerolatency"}
        codec.profile = "Baseline"
    codec.open()
    packets = []
    for number in range(frames):
        picture = np.full((height, width, 3), grey, np.uint8)
        picture[:, number * 6 % width : number * 6 % width + 40] = 230
        frame = av.VideoFrame.from_ndarray(picture, "bgr24")
        frame.pts, frame.time_base = number, codec.time_base
        packets += codec.encode(frame)
    packets += codec.encode(None)
    parameters = bytes(codec.extradata or b"")
    made = []
    for number, packet in enumerate(packets):
        data = bytes(packet)
        if packet.is_keyframe and not any(data.startswith(head) for head in (b"\0\0\0\1\x67", b"\0\0\1\x67")):
            data = parameters + data
        made.append(
            EncodedFrame("video", "h264", data, number * TICKS, 90_000, 0.0, packet.is_keyframe, 0, width, height)
        )
    return made


def vp8_film(frames: int = GOP, *, grey: int = 60) -> list[EncodedFrame]:
    """As ``film``, in VP8, with one keyframe at its beginning."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.bit_rate, codec.gop_size = Fraction(1, FRAMES_PER_SECOND), 1_000_000, 10_000
    codec.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    made = []
    for number in range(frames):
        picture = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
        picture[:, number * 6 % WIDTH : number * 6 % WIDTH + 40] = 230
        frame = av.VideoFrame.from_ndarray(picture, "bgr24")
        frame.pts, frame.time_base = number, codec.time_base
        for packet in codec.encode(frame):
            made.append(EncodedFrame("video", "vp8", bytes(packet), number * TICKS, 90_000, 0.0, packet.is_keyframe))
    return made


@asynccontextmanager
async def playing(bus: FrameBus, frames: list[EncodedFrame], *, ahead: int = 0) -> AsyncIterator[None]:
    """Show the film on the bus in real time, over and over; ``ahead`` frames are there at once."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        while True:
            frame = frames[number % len(frames)]
            bus.publish(replace(frame, pts=number * TICKS, arrival=time.time()))
            number += 1
            if number > ahead:
                await asyncio.sleep(max(0.0, begun + (number - ahead) / FRAMES_PER_SECOND - loop.time()))

    task = asyncio.create_task(play())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True)
class Viewer:
    """A page that can publish and watch; signalling goes through the functions exposed to it."""

    page: Page

    async def numbers(self, element: str) -> dict[str, float]:
        """Playing time, decoded frames and size of a video element, and bytes of its sound."""
        return dict(await self.page.evaluate("name => numbers(name)", element))


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--allow-loopback-in-peer-connection",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        try:
            yield browser
        finally:
            await browser.close()


PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const peers = {};
async function gathered(pc) {
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== 'complete')
    await new Promise(done => pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done());
  return pc.localDescription.sdp;
}
async function watch(name, withSound, signal) {
  const pc = peers[name] = new RTCPeerConnection();
  const video = document.createElement('video');
  video.id = name; video.muted = true; video.autoplay = true; document.body.append(video);
  const stream = video.srcObject = new MediaStream();
  pc.ontrack = event => stream.addTrack(event.track);
  if (withSound) pc.addTransceiver('audio', {direction: 'recvonly'});
  pc.addTransceiver('video', {direction: 'recvonly'});
  const first = new Promise(done => video.requestVideoFrameCallback(done));
  const answer = await window[signal](name, await gathered(pc));
  const begun = performance.now();
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
  await first;
  return performance.now() - begun;
}
async function publish(name, codec = 'video/H264') {
  const pc = peers['publish'] = new RTCPeerConnection();
  const media = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 360}, audio: true});
  for (const track of media.getTracks()) {
    const transceiver = pc.addTransceiver(track, {direction: 'sendonly'});
    if (track.kind === 'video')
      transceiver.setCodecPreferences(RTCRtpSender.getCapabilities('video').codecs.filter(
        found => found.mimeType === codec || found.mimeType === 'video/rtx'));
  }
  const answer = await window.whip(name, await gathered(pc));
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
}
async function numbers(name) {
  const video = document.getElementById(name);
  let sound = 0, decoded = 0, keyframes = 0, lost = 0;
  for (const report of (await peers[name].getStats()).values()) {
    if (report.type !== 'inbound-rtp') continue;
    if (report.kind === 'audio') sound = report.bytesReceived;
    else { decoded = report.framesDecoded; keyframes = report.keyFramesDecoded; lost = report.packetsLost; }
  }
  return {time: video.currentTime, width: video.videoWidth, decoded, keyframes, lost, sound};
}
function brightness(name) {
  const video = document.getElementById(name);
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 36;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 36);
  const pixels = context.getImageData(0, 0, 64, 36).data;
  const greens = Array.from({length: 64 * 36}, (_, at) => pixels[at * 4 + 1]).sort((a, b) => a - b);
  return greens[greens.length / 2];
}
</script>"""


async def until(condition, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    """Wait for a condition, sync or async, at most so long."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.05)
