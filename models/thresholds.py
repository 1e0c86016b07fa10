"""The scores from which a class is shipped as seen: chosen on pictures of the val split, never on test pictures."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

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


def fire_judged(seen: Sequence[Seen]) -> float:
    """Fire's, where a judge has had its say; ``seen``: val as the whole profile sees it, twice."""
    return round(threshold_for_recall(fires_and_others(seen)[0], "fire", FIRES_FOUND_JUDGED), 3)


def chosen(val: dict[str, list[Seen]], gatherings: Sequence[Seen]) -> dict[str, float]:
    """By class. ``val`` by folder; ``gatherings``: pictures of the train part with every head marked, whose marks
    training does not use."""
    fires, _ = fires_and_others(val["fire"])
    return {
        "person": round(person_threshold(gatherings), 3),
        "fire": round(threshold_for_recall(fires, "fire", FIRES_FOUND), 3),
        "smoke": judge(val["fire"], "smoke", None).threshold,
        "stall": round(stall_threshold(val["fire"] + val["stall"]), 3),
    }


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
    without = sorted((one.best("stall") for one in seen if one.known("stall") and not one.shows("stall")), reverse=True)
    allowed = int(FALSE_STALLS * len(without))
    return float(np.clip(without[allowed] + STEP if without else 0.5, 0.25, 0.95))


def _people(seen: Seen, threshold: float) -> int:
    return sum(one.label == "person" and one.score >= threshold for one in seen.found)
