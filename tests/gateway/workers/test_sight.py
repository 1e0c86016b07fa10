"""What a camera's rules get to see: every picture is asked about, whether or not anything moves in it."""

from __future__ import annotations

import numpy as np

from detectors.networks import WHOLE
from detectors.observation import Box, Detection
from detectors.rules.config import FireRuleConfig
from detectors.watch import CameraWatch
from detectors.weights import Card
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.sight import Answer, Picture, Sight

CARD = Card("made", "ab" * 32, ("person", "smoke"), (96, 160), 32, {"person": 0.5, "smoke": 0.5}, "fp32", "")
STREET: Picture = np.random.default_rng(3).integers(0, 255, (96, 160, 3), np.uint8)
SMOKE = Detection("smoke", 0.8, Box(0.3, 0.3, 0.6, 0.6))


async def test_smoke_that_looks_like_no_motion_is_looked_at_and_told_all_the_same() -> None:
    asked: list[str] = []

    async def ask(_picture: Picture, part: str) -> Answer | None:
        asked.append(part)
        seen = SMOKE if part == WHOLE else Detection("smoke", 0.8, Box(0.3, 0.3, 0.7, 0.7))
        return Answer((seen,), CARD.sha256, model=CARD.name)

    sight, watch, told_at = Sight(CARD), CameraWatch([FireRuleConfig()]), None
    for number in range(180):
        at = number / 2
        look = await sight.look(Glimpse(STREET, (160, 96), at, "main", lambda: STREET), ask, count=False)
        assert look is not None
        assert look.model == "made"
        (verdict,) = (verdict for _, verdict in watch.observe(look))
        assert verdict.next_look_within <= 2
        if verdict.phase == "firing" and told_at is None:
            told_at = at
    assert asked.count(WHOLE) == 180
    assert told_at is not None, "not a pixel changes: more proof is asked for, never silence"
    assert told_at >= 30
