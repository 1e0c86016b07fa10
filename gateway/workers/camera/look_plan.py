"""Which pictures of a camera are decoded so that its rules look often enough. Pure.

Keyframes alone while they come as often as the rules want to look: nothing else is decoded. Where they do not, every
frame must be: of the sub-stream where there is one, which costs a tenth, else of the main stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Decoded = Literal["keyframes", "sub", "main"]

EARLY = 0.25
"""Seconds by which a picture may come before the next look is due and still be looked at."""
LATE = 1.0
"""Seconds by which a look may come late before the rate counts as unmet."""


@dataclass(frozen=True, slots=True)
class Wish:
    """``gap``: the largest number of seconds between two looks. ``urgent``: something is in sight that is not
    told yet, or was reported. ``fire``: it may be a fire, which goes before all else."""

    gap: float
    urgent: bool
    fire: bool = False


class KeyframeGap:
    """How far apart keyframes come. One long distance alone may be the network's: the shorter of two counts."""

    def __init__(self) -> None:
        self._arrivals: tuple[float, ...] = ()

    def came(self, arrival: float) -> None:
        """A keyframe. A distance that goes back says that the clock was set; the same again is no other keyframe."""
        if self._arrivals and arrival == self._arrivals[-1]:
            return
        if self._arrivals and arrival < self._arrivals[-1]:
            self._arrivals = ()
        self._arrivals = (*self._arrivals[-2:], arrival)

    def forget(self) -> None:
        """The stream broke off: what lay between its keyframes and the next is no distance."""
        self._arrivals = ()

    @property
    def distance(self) -> float | None:
        """The shorter of the last two distances; None before there is one."""
        return min((after - before for before, after in pairwise(self._arrivals)), default=None)

    def seconds(self, now: float) -> float:
        """The distance, or what has passed since the last keyframe once that is longer by more than ``LATE``. 0 while
        nothing is known."""
        if not self._arrivals:
            return 0.0
        return max(self.distance or 0.0, now - self._arrivals[-1] - LATE)


def to_decode(wish: Wish, keyframe_gap: float, *, has_sub: bool) -> Decoded:
    """What must be decoded for the wish to come true."""
    if keyframe_gap <= wish.gap + EARLY:
        return "keyframes"
    return "sub" if has_sub else "main"


def is_due(arrival: float, last_look: float, gap: float, now: float) -> bool:
    """Whether a picture is to be looked at. A last look that is yet to come: the clock was set back."""
    return last_look > now or arrival >= last_look + gap - EARLY


def is_unmet(wish: Wish, *, since_last_look: float, needed: Decoded, awake: bool) -> bool:
    """Whether the rules look less often than they want to: what they need is not decoded, or gives no picture."""
    return (needed != "keyframes" and not awake) or since_last_look > wish.gap + LATE
