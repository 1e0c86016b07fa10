"""The film that cameras of a measurement send: 1080p at 25 frames a second, H.264 of 4 Mbit/s, a keyframe every 2 s."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from gateway.virtual.scripted_camera import CLOCK_RATE, Picture, Step

FPS, GOP_SECONDS, SECONDS = 25, 2, 12
TICKS = CLOCK_RATE // FPS


async def make_film(path: Path, *, width: int = 1920, height: int = 1080, kbits: int = 4000) -> Path:
    """Moving shapes under noise, so that the rate is used. Encoded by ffmpeg, without B-frames."""
    size = f"s={width}x{height}:r={FPS}"
    noise = f"nullsrc={size},geq=random(1)*255:128:128"
    keys = FPS * GOP_SECONDS
    inputs = ["-f", "lavfi", "-i", f"testsrc2={size}", "-f", "lavfi", "-i", noise]
    mixing = ["-filter_complex", "[0][1]blend=all_opacity=0.06:shortest=1", "-t", str(SECONDS)]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"]
    groups = ["-g", str(keys), "-keyint_min", str(keys), "-sc_threshold", "0"]
    rate = ["-b:v", f"{kbits}k", "-maxrate", f"{kbits}k", "-bufsize", f"{kbits}k"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, *mixing, *coding, *groups, *rate, str(path)]
    making = await asyncio.create_subprocess_exec(*command)
    if await making.wait():
        raise RuntimeError("ffmpeg made no film")
    return path


@dataclass(frozen=True, slots=True)
class Film:
    """Access units (Annex-B, parameter sets before each keyframe) and which of them are keyframes."""

    units: tuple[tuple[bytes, bool], ...]

    @classmethod
    def read(cls, path: Path) -> Film:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
            units = [
                (bytes(out), out.is_keyframe)
                for packet in container.demux(stream)
                for out in annexb.filter(packet)
                if out.size
            ]
        return cls(tuple(units))

    def endless(self, phase: int = 0) -> Iterator[Step]:
        """Over and over, from the keyframe at or after picture ``phase`` on; its times go on."""
        total = len(self.units)
        begin = next(at % total for at in range(phase, phase + total) if self.units[at % total][1])
        number = 0
        while True:
            yield Picture(self.units[(begin + number) % total][0], number * TICKS)
            number += 1
