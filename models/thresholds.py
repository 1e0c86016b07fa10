"""The scores from which a class is shipped as seen: chosen on pictures of the val split, never on test pictures, and
where pictures with a clear licence alone taught the network, by such (``models.choosing``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from models.choosing import TWICE, Basis, to_choose_by
from models.evaluate import HIGHEST, LOWEST, Seen, fires_and_others, heads, judge, threshold_for_recall

FIRES_FOUND, FIRES_FOUND_JUDGED = 0.9, 0.95
"""Share of the pictures with fire in which it must be seen: what is missed here, no rule finds. More where a judge
keeps away what more wrong candidates would come with."""
FALSE_STALLS = 0.01
"""Share of the pictures without a stall in which one may be seen: no real stall was there to choose by."""
STEP = 0.01
NEARLY = 0.5
"""People by which a count may be further off than at its best threshold: on the few gatherings there are, less than
that is chance."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """``scores`` by class, and by what each was chosen."""

    scores: dict[str, float]
    by: dict[str, Basis]


def fire_judged(seen: Sequence[Seen], *, licensed_only: bool) -> tuple[float, Basis]:
    """Fire's, where a judge has had its say, and by what; ``seen``: val as the whole profile sees it, twice."""
    fires = to_choose_by(fires_and_others(seen)[0], licensed_only=licensed_only, enough=TWICE)
    return round(threshold_for_recall(fires.pictures, "fire", FIRES_FOUND_JUDGED), 3), fires.basis


def chosen(val: dict[str, list[Seen]], gatherings: Sequence[Seen], *, licensed_only: bool) -> Thresholds:
    """By class. ``val`` by folder; ``gatherings``: pictures of the train part with every head marked, whose marks
    training does not use."""
    people = to_choose_by(gatherings, licensed_only=licensed_only)
    fires = to_choose_by(fires_and_others(val["fire"])[0], licensed_only=licensed_only)
    smoke = to_choose_by(val["fire"], licensed_only=licensed_only, deciding=lambda one: one.shows("smoke"))
    stalls = to_choose_by(val["fire"] + val["stall"], licensed_only=licensed_only, deciding=_without_stall)
    return Thresholds(
        {
            "person": round(person_threshold(people.pictures), 3),
            "fire": round(threshold_for_recall(fires.pictures, "fire", FIRES_FOUND), 3),
            "smoke": judge(smoke.pictures, "smoke", None).threshold,
            "stall": round(stall_threshold(stalls.pictures), 3),
        },
        {"person": people.basis, "fire": fires.basis, "smoke": smoke.basis, "stall": stalls.basis},
    )


def person_threshold(gatherings: Sequence[Seen]) -> float:
    """The lowest at which nearly as many people are seen as there are: who is missed here, no rule finds."""
    counts = [len(heads(one.sample)) for one in gatherings]
    steps = np.arange(LOWEST, HIGHEST, STEP)
    if not counts:
        return 0.5
    errors = np.array(
        [fmean(abs(_people(one, t) - n) for one, n in zip(gatherings, counts, strict=True)) for t in steps]
    )
    return float(steps[errors <= errors.min() + NEARLY][0])


def stall_threshold(seen: Sequence[Seen]) -> float:
    """The lowest at which hardly any picture without a stall shows one, but no lower than a quarter."""
    without = sorted((one.best("stall") for one in seen if _without_stall(one)), reverse=True)
    allowed = int(FALSE_STALLS * len(without))
    return float(np.clip(without[allowed] + STEP if without else 0.5, 0.25, 0.95))


def _without_stall(seen: Seen) -> bool:
    return seen.known("stall") and not seen.shows("stall")


def _people(seen: Seen, threshold: float) -> int:
    return sum(one.label == "person" and one.score >= threshold for one in seen.found)
