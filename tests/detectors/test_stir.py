"""Flames change from look to look, lamps do not, and a camera that adapts to the light is no fire."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.observation import Box
from detectors.rules.fire_proof import STILL
from detectors.rules.fire_spots import STIRS
from detectors.stir import change, luma, stir

PLACE = Box(0.4, 0.4, 0.6, 0.6)
Picture = NDArray[np.uint8]


def street(seed: int = 1, noise: float = 2.0, light: int = 0) -> Picture:
    """A scene with a sensor's noise."""
    scene = np.repeat(np.repeat(np.random.default_rng(9).integers(20, 200, (9, 16, 3)), 40, 0), 40, 1)
    shaken = scene + np.random.default_rng(seed).normal(light, noise, scene.shape)
    return np.clip(shaken, 0, 255).astype(np.uint8)


def with_flame(picture: Picture, seed: int) -> Picture:
    lit = picture.copy()
    lit[144:216, 256:384] = np.random.default_rng(seed).integers(120, 255, (72, 1, 3), np.uint8)
    return lit


def stirred(before: Picture, now: Picture) -> float:
    changed = change(luma(before), luma(now))
    assert changed is not None
    return stir(changed, PLACE)


def smoke(drifted: int, noise: float = 2.0) -> Picture:
    """Nothing but smoke, in clouds of 80 px and eight grey levels, drifted so many px."""
    clouds = cv2.GaussianBlur(np.random.default_rng(7).normal(0, 1, (360, 1000)), (0, 0), 40)
    shown = 140 + 8 * (clouds / clouds.std())[:, drifted : drifted + 640]
    return np.clip(shown[:, :, None] + np.random.default_rng(drifted).normal(0, noise, (360, 640, 3)), 0, 255).astype(
        np.uint8
    )


def test_smoke_that_fills_the_picture_stirs_though_what_the_whole_picture_changed_by_is_taken_off() -> None:
    """It gets no second look, so that by its stirring alone it is told from a covered lens."""
    changed = change(luma(smoke(0)), luma(smoke(30)))
    still = change(luma(smoke(0)), luma(smoke(1)))
    assert changed is not None
    assert still is not None
    assert stir(changed, Box(0, 0, 1, 1)) > STIRS > stir(still, Box(0, 0, 1, 1))


def test_a_flame_stirs_and_a_lamp_does_not() -> None:
    assert stirred(with_flame(street(1), 1), with_flame(street(2), 2)) > 5 * STIRS
    assert stirred(with_flame(street(1), 1), with_flame(street(2), 1)) < STIRS


def test_what_the_whole_picture_changes_by_is_taken_off() -> None:
    assert stirred(street(1), street(2, light=20)) < STIRS


def test_a_picture_that_is_the_same_is_dead_still() -> None:
    assert stirred(street(1), street(1)) < STILL


def test_pictures_of_different_sizes_are_not_compared() -> None:
    assert change(luma(street()), luma(street()[:100])) is None
    assert change(None, luma(street())) is None


def test_a_box_smaller_than_a_pixel_is_still_a_place() -> None:
    changed = change(luma(street(1)), luma(street(2)))
    assert changed is not None
    for corner in (0.0, 0.5, 1.0):
        assert 0 <= stir(changed, Box(corner, corner, corner, corner)) <= 1
