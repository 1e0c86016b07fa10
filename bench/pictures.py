"""How good the shipped profile is on still pictures it was never trained on.

``DATA=DIR`` judges other pictures in the same layout (see ``models.sample_data``): the figures say of how many, and how
many were left out as they could not be read, or lacked their labels. A fault in a manifest, a label or a point file is
named before any picture is looked at, and nothing is judged. The profile (weights, input, precision, thresholds,
counting) is printed, and it is run by the engine that the service runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bench.judged_pictures import brought, counted
from bench.result import Result, Target
from models import shipped
from models.figures import Figures, Profile, figures, look_at, open_profile
from models.refusals import DataRefused
from models.sample_data import Sample

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
    """See the head of this module. Every figure is None where there are no pictures, or where what lies beside them
    cannot be used."""
    folder = os.environ.get("DATA") or os.environ.get("GATEWAY_SAMPLE_DATA")
    if not folder:
        say("no pictures: name a folder by DATA=DIR")
        return Result("pictures", dict.fromkeys(TARGETS), TARGETS)
    try:
        return Result("pictures", await asyncio.to_thread(_judge, Path(folder)), TARGETS)
    except DataRefused as refused:
        say(f"nothing judged: {refused}")
    except OSError as error:
        say(f"nothing judged: file_unusable: {error}")
    return Result("pictures", dict.fromkeys(TARGETS), TARGETS)


def _judge(folder: Path) -> Figures:
    given = brought(folder)
    for line in given.told():
        say(line)
    left_out = sum(map(len, given.left_out.values()))
    if not given.samples:
        say(f"no test pictures that can be judged in {folder}")
        return {**dict.fromkeys(TARGETS), "pictures_left_out": left_out}
    profile = open_profile(shipped.CARD)
    for line in described(profile):
        say(line)

    def told(kind: str, done: int, total: int) -> None:
        if done % EVERY == 0:
            say(f"{kind}: {done} of {total}")

    unreadable = list[str]()

    def leave_out(one: Sample, refused: DataRefused) -> None:
        unreadable.append(one.path.name)
        say(f"left out: {refused}")

    seen = look_at(profile, given.samples, told, leave_out)
    found = {
        **figures(profile, seen),
        **counted(seen),
        "pictures_without_label_file": given.unlabelled,
        "pictures_left_out": left_out + len(unreadable),
    }
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
