"""Makes a clean photo look as a street camera would have taken it: small sensor, low bitrate, night, stretched frame.

Almost no training picture is real CCTV, yet CCTV is what the network will see. Each look is drawn by chance, by itself;
boxes stay where they are, as all of them keep the picture's size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

COARSE, BLOCKY, NOISY, NIGHT = 0.3, 0.4, 0.2, 0.12
"""How often each look is taken on."""


def camera_look(picture: Picture, random: np.random.Generator) -> Picture:
    """``picture`` BGR H×W×3; a new one of the same size."""
    look = picture
    if random.random() < NIGHT:
        look = night(look, float(random.uniform(0.25, 0.6)))
    if random.random() < COARSE:
        look = coarse(look, float(random.uniform(0.35, 0.8)))
    if random.random() < NOISY:
        look = np.clip(look + random.normal(0, random.uniform(2, 10), look.shape), 0, 255).astype(np.uint8)
    if random.random() < BLOCKY:
        look = blocky(look, int(random.integers(12, 55)))
    return look


def coarse(picture: Picture, scale: float) -> Picture:
    """Taken with fewer pixels and blown up again."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        picture, (max(2, round(width * scale)), max(2, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def blocky(picture: Picture, quality: int) -> Picture:
    """Coded in blocks with too few bits."""
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def night(picture: Picture, light: float) -> Picture:
    """Dark, while what is nearly white or saturated (flames, lamps) still shines."""
    dim = picture.astype(np.float32) * light
    bright = np.clip((picture.max(axis=2, keepdims=True).astype(np.float32) - 190) / 60, 0, 1)
    return np.asarray(np.clip(dim * (1 - bright) + picture * bright, 0, 255), np.uint8)


class CameraLook:
    """``camera_look`` as a step of Ultralytics' transforms: takes and gives the dictionary with ``img``."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def __call__(self, labels: dict[str, Any]) -> dict[str, Any]:
        labels["img"] = camera_look(labels["img"], self._random)
        return labels
