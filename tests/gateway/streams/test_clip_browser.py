"""A closed clip plays in a real browser: its length is known at once, and any moment of it can be looked at."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from gateway.streams.clip import ClipWriter
from gateway.streams.frame import EncodedFrame

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.integration, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

PAGE = """<!doctype html><video id="clip" src="clip.mp4" muted preload="auto"></video><script>
const clip = document.getElementById('clip');
const happens = what => new Promise((done, fail) => {
  clip.addEventListener(what, done, {once: true});
  clip.addEventListener('error', () => fail(clip.error.message), {once: true});
});
// "seeked" may come before the picture that is then drawn: it is waited for by its own time.
const shown = moment => new Promise(done => {
  const look = (_now, {mediaTime}) =>
    Math.abs(mediaTime - moment) < 0.05 ? done() : clip.requestVideoFrameCallback(look);
  clip.requestVideoFrameCallback(look);
});
const loaded = clip.readyState >= 2 ? Promise.resolve() : happens('loadeddata');
async function looked(moments) {
  await loaded;
  const canvas = document.createElement('canvas');
  canvas.width = clip.videoWidth; canvas.height = clip.videoHeight;
  const context = canvas.getContext('2d'), bars = [];
  for (const moment of moments) {
    const there = Promise.all([happens('seeked'), shown(moment)]);
    clip.currentTime = moment;
    await there;
    context.drawImage(clip, 0, 0);
    const row = context.getImageData(0, 90, canvas.width, 1).data;
    let first = 0;
    while (first < canvas.width && row[first * 4] < 150) first++;
    bars.push(first);
  }
  clip.currentTime = 0;
  const ended = happens('ended');
  clip.playbackRate = 4;
  await clip.play();
  await ended;
  return {duration: clip.duration, bars, end: clip.currentTime, seekable: clip.seekable.end(0)};
}
</script>"""


@pytest.mark.parametrize("name", ["film", "bframes_film"])
async def test_chromium_knows_its_length_seeks_and_plays_to_the_end(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    frames: list[EncodedFrame] = request.getfixturevalue(name)
    writer = ClipWriter(tmp_path / "clip.mp4")
    writer.write(frames)
    assert writer.close() is not None
    (tmp_path / "page.html").write_text(PAGE)
    moments = [3.02, 0.52, 1.98]
    async with asyncio.timeout(60), async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--autoplay-policy=no-user-gesture-required", "--allow-file-access-from-files"],
        )
        try:
            page = await browser.new_page()
            await page.goto((tmp_path / "page.html").as_uri())
            seen: dict[str, Any] = await page.evaluate("moments => looked(moments)", moments)
        finally:
            await browser.close()
    assert seen["duration"] == pytest.approx(len(frames) / 25, abs=0.05)
    assert seen["seekable"] == seen["end"] == seen["duration"]
    # The bar stands where it stood in the film at that moment: four pixels a picture, 25 pictures a second.
    expected = [int(moment * 25 + 0.01) * 4 % 320 for moment in moments]
    assert seen["bars"] == pytest.approx(expected, abs=5)
