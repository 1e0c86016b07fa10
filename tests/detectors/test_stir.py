"""Flames change from look to look, lamps do not, and a camera that adapts to the light is no fire."""

from __future__ import annotations

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
