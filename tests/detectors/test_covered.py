"""A lens that is covered, dark or fogged shows the shipped weights a haze, and the rule for fire tells none of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.closer import crops
from detectors.networks import WHOLE, Networks, open_networks
from detectors.observation import Detection, Look
from detectors.rules.config import FireRuleConfig
from detectors.rules.fire import FireRule
from detectors.rules.replay import hazards, replay
from detectors.stir import change, luma, stir
from models import shipped

HEIGHT, WIDTH, NOISE = 360, 640, 1.5
Picture = NDArray[np.uint8]
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
FROM_CENTRE = np.hypot((COLUMNS - WIDTH / 2) / WIDTH, (ROWS - HEIGHT / 2) / HEIGHT) * 2**0.5
"""0 in the middle, 1 in the corners."""


def of_one_colour(*colour: float) -> NDArray[np.float64]:
    return np.broadcast_to(np.array(colour), (HEIGHT, WIDTH, 3)).astype(np.float64)


def vignette(corners: float, middle: float) -> NDArray[np.float64]:
    return np.repeat((middle - (middle - corners) * FROM_CENTRE)[:, :, None], 3, axis=2)


def light_leak() -> NDArray[np.float64]:
    """Black, but for light that comes in at the upper edge."""
    far = np.hypot(COLUMNS - WIDTH / 2, ROWS) / (0.4 * WIDTH)
    return np.repeat((6 + 90 * np.exp(-(far**2) / 2))[:, :, None], 3, axis=2)


COVERED = {
    "warm grey": of_one_colour(100, 112, 125),
    "orange bag": of_one_colour(40, 110, 220),
    "orange bag, unevenly lit": of_one_colour(40, 110, 220) * (1 - 0.35 * FROM_CENTRE[:, :, None]),
    "dark": vignette(5, 30),
    "grey": vignette(60, 120),
    "black with a light leak": light_leak(),
}


@pytest.fixture(scope="module")
def networks() -> Networks:
    return open_networks("auto", shipped.CARD, 1)


def noisy(shown: NDArray[np.float64]) -> Callable[[], Picture]:
    random = np.random.default_rng(1)
    return lambda: np.clip(shown + random.normal(0, NOISE, shown.shape), 0, 255).astype(np.uint8)


def seen_by(networks: Networks, picture: Picture, before: Picture) -> tuple[Detection, ...]:
    changed = change(luma(before), luma(picture))
    assert changed is not None
    found = networks.look(picture, WHOLE).detections
    return tuple(replace(one, stir=stir(changed, one.box)) for one in found)


@pytest.mark.parametrize("lens", COVERED)
def test_a_covered_lens_is_no_fire(networks: Networks, lens: str) -> None:
    """It was, and a fire event with it: nothing confirmed the haze, and nothing had been asked to."""
    frame = noisy(COVERED[lens])
    pictures = [frame() for _ in range(4)]
    looks = [seen_by(networks, now, before) for before, now in pairwise(pictures)]
    assert not any(crops(look) for look in looks), "what fills the picture gets no second look"
    log = [Look(n / 2, looks[n % len(looks)]) for n in range(240)]
    assert hazards(replay(FireRule(FireRuleConfig()), log)) == ()


def test_a_picture_of_one_colour_shows_nothing_though_the_colour_is_no_grey(networks: Networks) -> None:
    assert networks.look(noisy(of_one_colour(40, 110, 220))(), WHOLE).detections == ()
