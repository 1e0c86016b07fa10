"""Drawn flames and smoke: tongues of flame for training, a rising heat field for the demo."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.scenes.canvas import XY, Picture, blend, glow, polygon, soft_noise

_PALETTE = np.asarray(
    [(0, 0, 0), (10, 10, 60), (10, 40, 170), (20, 95, 235), (60, 170, 255), (140, 225, 255), (225, 250, 255)],
    np.float32,
)
"""Heat 0..1 to BGR: black, dark red, red, orange, yellow, near white."""


def heat_colours(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours (H×W×3) of a heat field (H×W, 0..1)."""
    place = np.clip(heat, 0, 1) * (len(_PALETTE) - 1)
    lower = np.minimum(place.astype(np.int32), len(_PALETTE) - 2)
    share = (place - lower)[:, :, None]
    return np.asarray(_PALETTE[lower] * (1 - share) + _PALETTE[lower + 1] * share, np.float32)


def tongues(picture: Picture, foot: XY, width: float, height: float, t: float, seed: int) -> None:
    """Flames as layered tongues that lick and sway (the training manner)."""
    random = np.random.default_rng(seed)
    glow(
        picture,
        (foot[0], foot[1] - height * 0.5),
        max(width, height) * 1.6,
        (20, 70, 160),
        0.5 + 0.15 * math.sin(t * 9),
    )
    layer = picture.copy()
    colours = ((15, 45, 190), (20, 110, 245), (70, 190, 255), (190, 240, 255))
    for depth, colour in enumerate(colours):
        shrink = 1 - depth * 0.22
        for _ in range(5):
            x = foot[0] + random.uniform(-0.38, 0.38) * width * shrink
            wide = width * random.uniform(0.16, 0.34) * shrink
            rate, phase = random.uniform(5, 11), random.uniform(0, 6.3)
            tall = height * shrink * random.uniform(0.55, 1.0) * (0.85 + 0.15 * math.sin(t * rate + phase))
            sway = wide * 0.7 * math.sin(t * rate * 0.7 + phase)
            left = [
                (x - wide * (1 - s) ** 0.6 * (1 - 0.4 * s) + sway * s * s, foot[1] - tall * s)
                for s in np.linspace(0, 1, 9)
            ]
            right = [
                (x + wide * (1 - s) ** 0.6 * (1 - 0.4 * s) + sway * s * s, foot[1] - tall * s)
                for s in np.linspace(1, 0, 9)
            ]
            polygon(layer, left + right, colour)
    top_y, left_x = max(0, int(foot[1] - height * 1.2)), max(0, int(foot[0] - width * 1.2))
    part = (slice(top_y, int(foot[1] + height * 0.1) + 1), slice(left_x, int(foot[0] + width * 1.2) + 1))
    drawn = (layer[part] != picture[part]).any(axis=2).astype(np.float32)
    sigma = max(0.8, width * 0.02)
    alpha = cv2.GaussianBlur(drawn, (0, 0), sigma)
    flames = cv2.GaussianBlur(layer[part], (0, 0), sigma)
    blend(picture, left_x, top_y, flames.astype(np.float32), np.asarray(alpha, np.float32))


def heat_field(picture: Picture, foot: XY, width: float, height: float, t: float, seed: int) -> None:
    """Flames as a field of heat that rises and breaks up (the demo's manner)."""
    w, h = max(8, int(width * 1.3)), max(8, int(height * 1.25))
    random = np.random.default_rng(seed)
    tall = h * 6
    rising = soft_noise(random, tall, w, max(3, w // 7)) * 0.6 + soft_noise(random, tall, w, max(2, w // 16)) * 0.4
    offset = int(t * h * 1.6) % (tall - h)
    noise = rising[offset : offset + h]
    ys = np.linspace(1, 0, h, dtype=np.float32)[:, None]
    xs = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    lean = 0.15 * math.sin(t * 3.1) * ys
    body = np.clip(1.15 - np.abs(xs - lean) * (1.1 + 0.8 * ys), 0, 1) * (1.05 - 0.85 * ys)
    heat = np.clip(body * 1.5 * (0.35 + 0.9 * noise) - 0.16, 0, 1).astype(np.float32)
    glow(
        picture,
        (foot[0], foot[1] - height * 0.4),
        max(width, height) * 1.5,
        (15, 60, 150),
        0.5 + 0.1 * math.sin(t * 11),
    )
    alpha = np.clip(heat * 2.6 - 0.15, 0, 1).astype(np.float32)
    blend(picture, int(foot[0] - w / 2), int(foot[1] - h), heat_colours(heat), alpha)


def smoke(picture: Picture, foot: XY, width: float, height: float, t: float, seed: int, *, grey: float) -> None:
    """A plume that drifts up and widens; ``grey`` is its brightness 0..255."""
    random = np.random.default_rng(seed)
    puffs = 16
    for number in range(puffs):
        age = (t * 0.16 + number / puffs + random.uniform(0, 0.05)) % 1
        radius = int(width * (0.22 + 0.5 * age))
        if radius < 3:
            continue
        x = foot[0] + width * (random.uniform(-0.2, 0.2) + 0.5 * age * math.sin(t * 0.4 + number))
        y = foot[1] - height * age
        ys, xs = np.mgrid[-radius:radius, -radius:radius].astype(np.float32) / radius
        wobble = soft_noise(np.random.default_rng(seed + number), 2 * radius, 2 * radius, max(3, radius // 3))
        alpha = np.clip(1 - np.sqrt(xs * xs + ys * ys), 0, 1) * (0.35 + 0.65 * wobble) * (0.75 * (1 - age))
        tone = np.full((2 * radius, 2 * radius, 3), grey + 25 * (age - 0.5), np.float32)
        blend(picture, int(x) - radius, int(y) - radius, tone, alpha.astype(np.float32))
