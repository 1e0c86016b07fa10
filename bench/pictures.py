"""How good the shipped profile is on still pictures it was never trained on.

``DATA=DIR`` judges other pictures in the same layout. The profile (weights, input, precision, thresholds, counting) is
printed, and it is run by the engine that the service runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bench.result import Result, Target
from models import shipped
from models.figures import Figures, Profile, figures, look, open_profile

TARGETS: dict[str, Target] = {
    "fire_map50": (">=", 0.55),
    "smoke_map50": (">=", 0.50),
    "person_recall": (">=", 0.82),
    "gathering_mae": ("<=", 4.5),
    "shtechb_mae": ("<=", 16.0),
    "hard_negative_fire_share": ("<=", 0.03),
    "fire_picture_recall": (">=", 0.90),
    "stall_precision": (">=", 0.9),
}
EVERY = 50


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def pictures() -> Result:
    """See the head of this module. Every figure is None where there are no pictures."""
    folder = os.environ.get("DATA") or os.environ.get("GATEWAY_SAMPLE_DATA")
    if not folder:
        say("no pictures: name a folder by DATA=DIR")
        return Result("pictures", dict.fromkeys(TARGETS), TARGETS)
    return Result("pictures", await asyncio.to_thread(_judge, Path(folder)), TARGETS)


def _judge(folder: Path) -> Figures:
    profile = open_profile(shipped.CARD)
    for line in described(profile):
        say(line)

    def told(kind: str, done: int, total: int) -> None:
        if done % EVERY == 0:
            say(f"{kind}: {done} of {total}")

    found = figures(profile, look(profile, folder, "test", told))
    for name, value in found.items():
        say(f"{name:48} {value}")
    return found


def described(profile: Profile) -> list[str]:
    """The one shipped profile, in words."""
    card = profile.card
    height, width = card.input_size
    return [
        f"weights {card.name} sha256 {card.sha256}",
        f"input as many pixels as {width}×{height}, in the picture's proportions; {profile.detector.precision}",
        f"thresholds {dict(card.thresholds)}",
        f"counting in tiles: {card.counting}; by density: {card.density}",
        f"second look judged by: {card.judge.weights if card.judge else 'nobody'}",
    ]
