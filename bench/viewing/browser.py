"""What a person sees: joins in Chromium, from the WHEP request to the first picture, and how old pictures are."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Error as PageError
from playwright.async_api import Page

from bench.console_room import chromium
from bench.viewing.film import BITS, BLOCK, FRAMES
from bench.viewing.service import Service

_PAGE = """
async ({url, headers, bits, block}) => {
  const pc = new RTCPeerConnection({iceServers: []});
  window.pc = pc; window.seen = [];
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.replaceChildren(video);
  const stream = video.srcObject = new MediaStream();
  pc.ontrack = event => stream.addTrack(event.track);
  const transceiver = pc.addTransceiver('video', {direction: 'recvonly'});
  transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs
    .filter(codec => ['video/H264', 'video/rtx'].includes(codec.mimeType)));
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== 'complete')
    await new Promise(done => pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done());
  const canvas = new OffscreenCanvas(bits, 1), paint = canvas.getContext('2d', {willReadFrequently: true});
  let first;
  const shown = new Promise(done => first = done);
  const look = (now, about) => {
    first(performance.now());
    paint.drawImage(video, 0, 0, bits * block, block, 0, 0, bits, 1);
    const pixels = paint.getImageData(0, 0, bits, 1).data;
    let number = 0;
    for (let bit = 0; bit < bits; bit++) number = number * 2 + (pixels[bit * 4] > 127);
    seen.push([performance.timeOrigin + Math.max(now, about.expectedDisplayTime), number]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const posted = performance.now();
  const answer = await fetch(url, {method: 'POST', headers: {...headers, 'Content-Type': 'application/sdp'},
    body: pc.localDescription.sdp});
  if (!answer.ok) throw new Error(await answer.text());
  window.place = answer.headers.get('location');
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  return await shown - posted;
}
"""
_LEAVE = """async headers => { pc.close(); await fetch(place, {method: 'DELETE', headers}); return seen; }"""
JOINED = 1.0
"""Seconds after the first picture from which on latency counts."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Milliseconds: of each join, and the age of each picture of the long viewing, with when it was shown (s).
    ``back``: seconds from a crash of the camera's worker to a picture."""

    first: list[float]
    ages: list[tuple[float, float]]
    back: float


async def look(service: Service, joins: int, seconds: float, sent: NDArray[np.float64]) -> Seen:
    """``sent``: the time at which each picture was sent, growing while this runs."""
    first: list[float] = []
    asked = {"url": service.watch, "headers": service.headers, "bits": BITS, "block": BLOCK}
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{service.address}/healthz")
        for _ in range(joins):
            await asyncio.sleep(random.uniform(0.1, 2.1))
            async with asyncio.timeout(20):
                first.append(await page.evaluate(_PAGE, asked))
            await page.evaluate(_LEAVE, service.headers)
        ages: list[tuple[float, float]] = []
        if seconds:
            await page.evaluate(_PAGE, asked)
            await asyncio.sleep(seconds)
            shown = await page.evaluate(_LEAVE, service.headers)
            ages = ages_of(shown, sent)
        back = await _back_after_crash(page, service, asked)
    return Seen(first, ages, back)


async def _back_after_crash(page: Page, service: Service, asked: dict[str, Any]) -> float:
    """``kill -9`` of the worker; the viewer asks again until it sees the camera, as the console does."""
    worker = next(pid for pid, line in service.processes().items() if "gateway.workers.camera" in line)
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    async with asyncio.timeout(60):
        while True:
            try:
                await page.evaluate(_PAGE, asked)
            except PageError:
                await asyncio.sleep(0.1)
            else:
                return time.monotonic() - killed


def ages_of(shown: list[tuple[float, int]], sent: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Of all pictures with a number, which comes back every ten seconds, the newest that had been sent by then."""
    times = sent[sent > 0]
    begun = shown[0][0] / 1000
    ages = []
    for at_ms, number in shown:
        at = at_ms / 1000
        newest = int(np.searchsorted(times, at, "right")) - 1
        which = newest - (newest - number) % FRAMES
        if at - begun >= JOINED and which >= 0:
            ages.append((at - begun, (at - times[which]) * 1000))
    return ages
