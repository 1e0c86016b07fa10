"""How far a spot of 烟火 is proved: for how long it must be seen, by what speaks against it, and for how long it was.

- it neither stirs nor grows (a lamp, a sign): ``steady_seconds``, and ``STILL_SECONDS`` where not a pixel changes (a
  blank wall, a patch of standing fog);
- the second look mostly saw nothing, or its judge did not believe it: ``DOUBTED`` seconds;
- an officer rejected the same thing at the same place: ``REJECTED`` times as long, never silence. What of it no
  rejection covers is judged as ever; for half an hour it alone counts of what was rejected while it burnt and has been
  there since.

What neither stirs nor is confirmed by the second look was seen by nobody but one faint look after another: it is told
only where those are not faint. What fills the picture gets no second look, and is confirmed by the judge of the whole
picture alone: a covered lens stirs no more than a lamp, smoke that fills a picture does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from detectors.observation import Detection
from detectors.rules.config import FireRuleConfig
from detectors.rules.fire_spots import LEAST_SIGHTINGS, Glimpse, Spot
from detectors.rules.rule import share

DOUBTED = 10.0
"""Seconds for which what the second look does not confirm must be seen."""
STILL = 0.001
"""Change from look to look below which a place is dead still: no flame, and hardly any smoke, is."""
STILL_SECONDS = 60.0
"""Seconds for which what is dead still must be seen: the slowest smoke has grown by then."""
REJECTED = 3.0
"""How many times as long what an officer rejected must be seen."""
LONGEST_PROOF = REJECTED * STILL_SECONDS
"""Seconds; nothing is asked for more."""
PLAIN = 0.7
"""A score that needs no second look to be believed in the end."""
BELIEVED = 0.5
"""What the judge of the second look says at least of what it believes."""


def confirms(one: Detection) -> bool:
    """Whether the second look saw the candidate again, and its judge, where there is one, believes it."""
    return bool(one.closer) and (one.judged is None or one.judged >= BELIEVED)


def demand(config: FireRuleConfig, spot: Spot) -> float:
    """Seconds for which the spot must be seen, but for what an officer said of it."""
    seconds = config.seen_seconds
    if spot.steady:
        still = spot.stir is not None and spot.stir < STILL
        seconds = max(seconds, STILL_SECONDS if still else config.steady_seconds)
    if spot.doubted:
        seconds = max(seconds, DOUBTED)
    return seconds


def window_for(config: FireRuleConfig, seconds: float) -> float:
    """A window of which ``seconds`` are the same share as in the rule's own."""
    return seconds / max(0.3, share(config.seen_seconds, config.window_seconds))


def progress(config: FireRuleConfig, spot: Spot, *, heeding: bool = True) -> float:
    """0..1; at 1 the rule fires. ``heeding`` the officer's rejections, or as if there were none."""
    seconds = demand(config, spot)
    if heeding and spot.rejections:
        seconds *= REJECTED
    proved = _proof(spot, seconds, max(config.window_seconds, window_for(config, seconds)))
    return min(proved, 0.99) if unbacked(spot) else proved


def unbacked(spot: Spot) -> bool:
    """Whether nothing but one faint look after another speaks for it, for now."""
    believed = spot.judged is not None and spot.judged >= BELIEVED if spot.too_large else not spot.doubted
    return spot.steady and not believed and spot.score < PLAIN


def heeded(config: FireRuleConfig, spot: Spot) -> float:
    """0..1; at 1 the rule fires, for all that an officer said of it."""
    covered = any(one.rejected for one in spot.glimpses)
    beyond = progress(config, spot.beyond) if covered or spot.dismissed else 0.0
    return beyond if spot.dismissed else max(progress(config, spot), beyond)


def kept(config: FireRuleConfig, glimpses: Sequence[Glimpse], at: float) -> tuple[Glimpse, ...]:
    """As many looks as the longest proof needs."""
    return _last(glimpses, at, window_for(config, LONGEST_PROOF))


def _last(glimpses: Sequence[Glimpse], at: float, window: float) -> tuple[Glimpse, ...]:
    """Those of the last ``window`` seconds, and never fewer than the sightings asked for: looks may come slowly."""
    recent = sum(one.at >= at - window for one in glimpses)
    return tuple(glimpses[-max(recent, LEAST_SIGHTINGS) :])


def _proof(spot: Spot, seconds: float, window: float) -> float:
    """0..1: seen for ``seconds`` within ``window`` and in enough looks; over a longer span, for that share of it."""
    glimpses = _last(spot.glimpses, spot.glimpses[-1].at, window)
    while glimpses and not glimpses[0].score:
        glimpses = glimpses[1:]
    if not glimpses:
        return 0.0
    seen = sum(
        (after.at - before.at) * (0.5 * (before.score > 0) + 0.5 * (after.score > 0))
        for before, after in pairwise(glimpses)
    )
    before = spot.glimpses[: -len(glimpses)]
    if before and before[-1].score and all(one.score for one in glimpses):
        # The window begins between two looks that saw it: it was there all the while, which 5 of 5 s ask for.
        seen = max(seen, min(window, glimpses[-1].at - before[-1].at))
    span = glimpses[-1].at - glimpses[0].at
    progress = min(share(seen, seconds), share(sum(one.score > 0 for one in glimpses), LEAST_SIGHTINGS))
    if span > window:
        progress = min(progress, share(seen / span, share(seconds, window)))
    return progress
