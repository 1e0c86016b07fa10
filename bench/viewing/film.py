"""A camera's film with the number of each picture in its pixels, so that a viewer can tell which one it shows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from gateway.streams.nal import H264_SPS, nal_type, nal_units

FRAMES_PER_SECOND = 25
GOP = 50
SECONDS = 10
FRAMES = SECONDS * FRAMES_PER_SECOND
BITS = 8
BLOCK = 48
"""Pixels of a square: black or white, the number's bits from the left, highest first."""


@dataclass(frozen=True, slots=True)
class Film:
    """Access units (Annex-B) of ten seconds, to be repeated; keyframes at each multiple of ``GOP``."""

    width: int
    height: int
    units: tuple[bytes, ...]

    @property
    def megabits(self) -> float:
        return sum(map(len, self.units)) * 8 / SECONDS / 1e6


def make_film(width: int, height: int, megabits: float) -> Film:
    """H.264 of about ``megabits`` a second without B-frames: a scene that pans over noise, as a street has it."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FRAMES_PER_SECOND), Fraction(FRAMES_PER_SECOND)
    codec.bit_rate = int(megabits * 1e6)
    kilobits = int(megabits * 1000)
    codec.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:annexb=1:repeat-headers=1:nal-hrd=none"
        f":vbv-maxrate={kilobits}:vbv-bufsize={kilobits}",
    }
    chance = np.random.default_rng(7)
    scene = np.kron(chance.integers(40, 200, (height // 8 + 1, width // 4 + 1)), np.ones((8, 8))).astype(np.uint8)
    packets = []
    for number in range(FRAMES):
        shift = 2 * (number if number < FRAMES // 2 else FRAMES - number)
        luma = scene[:height, shift : shift + width] + chance.integers(0, 12, (height, width), dtype=np.uint8)
        for bit in range(BITS):
            luma[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> (BITS - 1 - bit) & 1 else 16
        planes = np.vstack([luma, np.full((height // 2, width), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), "yuv420p")
        frame.pts, frame.time_base = number, codec.time_base
        packets += codec.encode(frame)
    packets += codec.encode(None)
    units = tuple(bytes(packet) for packet in packets)
    if len(units) != FRAMES or any(keyframe(unit) != (n % GOP == 0) for n, unit in enumerate(units)):
        raise RuntimeError("the encoder did not place the keyframes where they were asked for")
    return Film(width, height, units)


def keyframe(unit: bytes) -> bool:
    """Whether the access unit begins with its parameter sets, as the film's keyframes do."""
    return any(nal_type("h264", one) == H264_SPS for one in nal_units(unit)[:3])
