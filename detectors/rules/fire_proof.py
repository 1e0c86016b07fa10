"""How far a spot of 烟火 is proved: for how long it must be seen, by what speaks against it, and for how long it was.

- it neither stirs nor grows (a lamp, a sign): ``steady_seconds``, and ``STILL_SECONDS`` where not a pixel changes (a
  blank wall, a patch of standing fog);
- the second look mostly saw nothing, or its judge did not believe it: ``DOUBTED`` seconds;
- an officer rejected the same thing at the same place: ``REJECTED`` times as long, never silence. What of it no
  rejection covers is judged as ever; for half an hour it alone counts of what was rejected while it burnt and has been
  there since.

What neither stirs nor is confirmed by the second look was seen by nobody but one faint look after another: it is
*hollow*, and told only where those are not faint. What fills the picture gets no second look, and is confirmed by the
judge of the whole picture alone: a covered lens stirs no more than a lamp, smoke that fills a picture does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from detectors.closer import TOO_LARGE
from detectors.observation import Detection
from detectors.rules.config import FireRuleConfig
from detectors.rules.fire_spots import LEAST_SIGHTINGS, Glimpse, Signs, Spot, last_looks
from detectors.rules.rule import LONGEST_GAP, believed, believed_span, share

LEAST_PROOF = 1.0
"""Seconds that three sightings take: a rule that asks for less, or for none, gets as soon an answer, and a rejection
has something to ask more of."""
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
SET_ASIDE = 60.0
"""Seconds after which what is hollow is looked at no more often than nothing at all."""
BELIEVED = 0.5
"""What the judge of the second look says at least of what it believes."""


def confirms(one: Detection) -> bool:
    """Whether the second look saw the candidate again, and its judge, where there is one, believes it."""
    return bool(one.closer) and (one.judged is None or one.judged >= BELIEVED)


def backed(found: Sequence[Detection]) -> bool | None:
    """Whether anything confirms one of the candidates of a look: the second look, or, where all are too large for one,
    the judge of the whole picture. None where neither was asked."""
    closer = [confirms(one) for one in found if one.closer is not None]
    if closer:
        return any(closer)
    if any(one.box.area <= TOO_LARGE for one in found):
        return None
    return any(one.judged is not None and one.judged >= BELIEVED for one in found)


def demand(config: FireRuleConfig, signs: Signs) -> float:
    """Seconds for which a spot of these signs must be seen, but for what an officer said of it."""
    seconds = max(LEAST_PROOF, config.seen_seconds)
    if signs.steady:
        still = signs.stir is not None and signs.stir < STILL
        seconds = max(seconds, STILL_SECONDS if still else config.steady_seconds)
    if signs.doubted:
        seconds = max(seconds, DOUBTED)
    return seconds


def hollow(signs: Signs) -> bool:
    """Whether nothing but one faint look after another speaks for it, for now."""
    return signs.steady and signs.unbacked and signs.score < PLAIN


def set_aside(spot: Spot) -> bool:
    """Whether it is hollow, has been seen for long, and its last looks say nothing else: a lamp that burns all night is
    no more urgent than an empty street. It is judged at each look all the same."""
    since = spot.seen_from
    if not spot.hollow or since is None or spot.glimpses[-1].at - since < SET_ASIDE:
        return False
    return hollow(replace(spot, glimpses=spot.seen[-LEAST_SIGHTINGS:]).signs)


def window_for(config: FireRuleConfig, seconds: float) -> float:
    """A window of which ``seconds`` are the same share as in the rule's own."""
    return seconds / max(0.3, share(config.seen_seconds, config.window_seconds))


def progress(config: FireRuleConfig, spot: Spot, signs: Signs, *, heeding: bool = True) -> float:
    """0..1; at 1 the rule fires. ``heeding`` the officer's rejections, or as if there were none."""
    seconds = demand(config, signs)
    if heeding and spot.rejections:
        seconds *= REJECTED
    proved = _proof(spot, seconds, max(config.window_seconds, window_for(config, seconds)))
    return min(proved, 0.99) if hollow(signs) else proved


def heeded(config: FireRuleConfig, spot: Spot, signs: Signs) -> float:
    """0..1; at 1 the rule fires, for all that an officer said of it."""
    if not spot.dismissed and not any(one.rejected for one in spot.glimpses):
        return progress(config, spot, signs)
    rest = spot.beyond
    beyond = progress(config, rest, rest.signs)
    return beyond if spot.dismissed else max(progress(config, spot, signs), beyond)


def kept(config: FireRuleConfig, glimpses: Sequence[Glimpse], at: float) -> tuple[Glimpse, ...]:
    """As many looks as the longest proof needs, and the one before them: a window begins between two."""
    needed = _lately(glimpses, at, window_for(config, LONGEST_PROOF))
    return tuple(glimpses[max(0, len(glimpses) - len(needed) - 1) :])


def _proof(spot: Spot, seconds: float, window: float) -> float:
    """0..1: seen for ``seconds`` within ``window`` and in enough looks; over a longer span, for that share of it."""
    glimpses = _lately(spot.glimpses, spot.glimpses[-1].at, window)
    while glimpses and not glimpses[0].score:
        glimpses = glimpses[1:]
    if not glimpses:
        return 0.0
    seen = sum(
        believed(after.at - before.at) * (0.5 * (before.score > 0) + 0.5 * (after.score > 0))
        for before, after in pairwise(glimpses)
    )
    before = spot.glimpses[: -len(glimpses)]
    if before and before[-1].score and all(one.score for one in glimpses):
        # The window begins between two looks that saw it: it was there all the while, which 5 of 5 s ask for.
        seen = max(seen, min(window, believed_span([one.at for one in (before[-1], *glimpses)])))
    progress = min(share(seen, seconds), share(sum(one.score > 0 for one in glimpses), LEAST_SIGHTINGS))
    if glimpses[-1].at - glimpses[0].at > window and (span := believed_span([one.at for one in glimpses])) > window:
        progress = min(progress, share(seen / span, share(seconds, window)))
    return progress


def _lately(glimpses: Sequence[Glimpse], at: float, window: float) -> Sequence[Glimpse]:
    """Those of the last ``window`` seconds, of which between slow looks no more counts than is ``believed``."""
    looks = last_looks(glimpses, at - window)
    if len(looks) * LONGEST_GAP > 2 * window:
        return looks
    first = len(glimpses) - len(looks)
    while first and believed_span([one.at for one in glimpses[first - 1 :]]) <= window:
        first -= 1
    return glimpses[first:]
