"""What every rule is: a pure step from a state and a look to the next state and a verdict. Time is the look's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeVar

from detectors.observation import Look

Phase = Literal["idle", "candidate", "half_way", "firing", "released"]
"""``half_way``: the clip begins; ``firing``: the hazard is there; ``released``: it was there and is just over."""

LATE = 5.0
"""Seconds a look may lie before the last one and be taken for late, so left out. Beyond, the clock was set back."""
LONGEST_GAP = 15.0
"""Seconds between two looks over which a rule still believes that what it saw was there in between."""
LONGEST_ABSENCE = 60.0
"""Seconds between two looks after which what a rule saw is another matter, though it had fired: an alert ends when
nothing is seen for as long. Of a camera that is looked at no more often no rule can tell anything."""
AT_REST = 10.0
"""Seconds to the next look where a rule has nothing to look for (outside its hours)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``progress`` 0..1 towards firing; ``hazard_from`` when what it sees began; ``why`` is JSON-ready.

    ``held_back``: ids of the officer's rejections without which it would be firing now."""

    phase: Phase
    progress: float
    next_look_within: float
    hazard_from: float | None = None
    score: float = 0.0
    why: Mapping[str, Any] = field(default_factory=dict)
    held_back: tuple[str, ...] = ()


S = TypeVar("S")


class Rule(Protocol[S]):
    """``step`` neither reads a clock nor remembers: replaying the same looks gives the same verdicts.

    A hazard is one run of ``firing`` verdicts, closed by one ``released``, however often it is hidden for a moment.
    """

    @property
    def kind(self) -> str: ...

    @property
    def zone(self) -> str: ...

    def initial(self) -> S: ...

    def step(self, state: S, look: Look) -> tuple[S, Verdict]: ...

    def dismissed(self, state: S, at: float) -> S:
        """An officer has rejected what fires: what of it the rejections cover fires no more. What they do not cover
        goes on, and is another hazard."""
        ...


UNKNOWN_PACE = math.inf
Passage = Literal["first", "next", "late", "gap", "away", "set_back"]
"""``gap``: looks failed to come for a while, and what was not told yet may have gone; ``away``: for so long that what
had fired may have gone, too, and whatever is there now is another hazard."""


def passage(
    last: float | None,
    at: float,
    pace: float = UNKNOWN_PACE,
    *,
    longest_gap: float = LONGEST_GAP,
    longest_absence: float = LONGEST_ABSENCE,
) -> Passage:
    """What lies between the last look and this one. ``pace``: seconds between the last two looks; where they come
    slowly anyway, a long distance is the next look, of which ``believed`` says how much counts."""
    if last is None:
        return "first"
    if at < last - LATE:
        return "set_back"
    if at <= last:
        return "late"
    elapsed = at - last
    if elapsed <= longest_gap or (pace > longest_gap / 2 and elapsed <= LONGEST_ABSENCE):
        return "next"
    return "gap" if elapsed <= longest_absence else "away"


def pace_of(last: float | None, at: float) -> float:
    """Seconds between two looks, for the ``pace`` of the next."""
    return UNKNOWN_PACE if last is None or at <= last else at - last


def believed(elapsed: float, longest_gap: float = LONGEST_GAP) -> float:
    """For how much of the time between two looks what both saw is taken to have been there."""
    return min(elapsed, longest_gap)


def believed_span(looks: Sequence[float]) -> float:
    """From the first of these times to the last, less what is not ``believed`` of the time between two."""
    return looks[-1] - looks[0] - sum(max(0.0, after - before - LONGEST_GAP) for before, after in pairwise(looks))


def phase_of(progress: float, firing: bool) -> Phase:
    """The phase of a rule that has something in sight."""
    if firing:
        return "firing"
    return "half_way" if progress >= 0.5 else "candidate"


def share(part: float, whole: float) -> float:
    """``part`` of ``whole``, at most 1; nothing asked for is all there."""
    return min(1.0, part / whole) if whole > 0 else 1.0
