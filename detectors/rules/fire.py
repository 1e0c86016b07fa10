"""烟火: fire or smoke that stays at one place, seen for long enough in wall-clock time, and moves as flames do.

Boxes of one look that touch are pooled into one (a flame and its smoke, a flame cut in pieces). A *spot* is a place
where something was seen; later looks count for it while a pooled box still meets that place, so a red car driving
through never adds up. How long a spot must be seen depends on what speaks against it:

- it neither stirs nor grows (a lamp, a sign): ``steady_seconds``, and ``STILL_SECONDS`` where not a pixel changes (a
  blank wall, a patch of standing fog);
- the second look, in a crop at full size, mostly saw nothing: ``DOUBTED`` seconds;
- an officer rejected the same thing at the same place: ``REJECTED`` times as long, never silence.

What neither stirs nor is confirmed by the second look was seen by nobody but one faint look after another: it is told
only where those are not faint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Any

from detectors.observation import Box, Detection, Look
from detectors.rules import zones
from detectors.rules.config import FireRuleConfig
from detectors.rules.rule import AT_REST, Verdict, passage, phase_of, share
from detectors.rules.schedule import is_on
from detectors.suppression import Suppression

IDLE, CANDIDATE, FIRING = 2.0, 0.5, 1.0
"""Seconds to the next look."""
LEAST_SIGHTINGS = 3
"""Looks that must have seen it, however far apart they lie."""
STIRS = 1 / 255
"""Least change from look to look (median over the spot's looks; one grey level) of what is alive. Measured: lamps, fog
and a blank wall below 0.003, flames and smoke 0.005 to 0.2."""
GREW = 1.3
"""How much larger than at first a spot has become that grows."""
UNSTEADY = 0.03
"""Least spread of a spot's area (standard deviation / mean) taken for flicker where the pixels were not compared."""
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
MOST_TOLD = 40
"""Sightings that an alert's reasons list, the last ones."""
NEAR = 0.25
"""By how much of its sides a spot reaches beyond the box in which it was first seen."""
MOST_SPOTS, MOST_BOXES = 16, 50
_NOTHING = Verdict("idle", 0.0, IDLE)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One look at a spot; ``score`` 0: nothing was there. ``area``: of all boxes; their outline may hide a flicker.

    ``confirmed``: what the second look said, None without one. ``rejected``: the rejection that covers all of it."""

    at: float
    score: float
    area: float = 0.0
    box: Box | None = None
    confirmed: bool | None = None
    stir: float | None = None
    appearance: tuple[int, ...] = ()
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where fire or smoke was seen. ``fired_from``: since when it burnt, once the rule fired for it."""

    anchor: Box
    box: Box
    labels: frozenset[str]
    glimpses: tuple[Glimpse, ...]
    unseen_for: float = 0.0
    fired_from: float | None = None


@dataclass(frozen=True, slots=True)
class FireState:
    at: float | None = None
    spots: tuple[Spot, ...] = ()
    verdict: Verdict = _NOTHING

    def moved(self, by: float) -> FireState:
        """The same, on a clock that was set by so many seconds."""
        return replace(
            self,
            spots=tuple(
                replace(
                    spot,
                    glimpses=tuple(replace(one, at=one.at + by) for one in spot.glimpses),
                    fired_from=None if spot.fired_from is None else spot.fired_from + by,
                )
                for spot in self.spots
            ),
        )


@dataclass(frozen=True, slots=True)
class FireRule:
    config: FireRuleConfig
    suppressions: tuple[Suppression, ...] = ()

    @property
    def kind(self) -> str:
        return self.config.kind

    @property
    def zone(self) -> str:
        return self.config.zone

    def initial(self) -> FireState:
        return FireState()

    def step(self, state: FireState, look: Look) -> tuple[FireState, Verdict]:
        passed = passage(state.at, look.at)
        if passed == "late":
            return state, state.verdict
        elapsed = look.at - state.at if state.at is not None and passed == "next" else 0.0
        if passed == "set_back" and state.at is not None:
            state = state.moved(look.at - state.at)
        spots = state.spots
        if passed == "gap":
            spots = tuple(spot for spot in spots if spot.fired_from is not None)
        burning = any(spot.fired_from is not None for spot in spots)
        if not is_on(self.config.hours, look.at):
            over = Verdict("released" if burning else "idle", 0.0, AT_REST)
            return FireState(look.at, (), over), over
        spots = self._looked_at(spots, self._pooled(look.detections), look.at, elapsed)
        verdict = self._verdict(spots, burning)
        return FireState(look.at, spots, verdict), verdict

    def _looked_at(
        self, spots: Sequence[Spot], pools: Sequence[tuple[Box, list[Detection]]], at: float, elapsed: float
    ) -> tuple[Spot, ...]:
        known: list[Spot] = []
        used: set[int] = set()
        for spot in spots:
            here = [number for number, (box, _) in enumerate(pools) if _grown(spot.anchor).intersection(box) > 0]
            used.update(here)
            spot = self._seen(spot, [pools[number] for number in here], at, elapsed)
            limit = self.config.window_seconds if spot.fired_from is None else self.config.release_seconds
            if spot.unseen_for <= limit:
                known.append(spot)
        for number, (box, found) in enumerate(pools):
            if number not in used:
                labels = frozenset(one.label for one in found)
                known.append(self._judged(Spot(box, box, labels, (self._glimpse(at, found),))))
        known.sort(key=lambda spot: (spot.fired_from is None, -len(spot.glimpses)))
        return tuple(known[:MOST_SPOTS])

    def _seen(self, spot: Spot, here: Sequence[tuple[Box, list[Detection]]], at: float, elapsed: float) -> Spot:
        if here:
            box = _around([one for one, _ in here])
            found = [one for _, members in here for one in members]
            glimpse = self._glimpse(at, found)
            spot = replace(spot, box=box, labels=spot.labels | frozenset(one.label for one in found), unseen_for=0.0)
        else:
            glimpse = Glimpse(at, 0.0)
            spot = replace(spot, unseen_for=spot.unseen_for + elapsed)
        kept = _last([*spot.glimpses, glimpse], at, self._window(LONGEST_PROOF))
        return self._judged(replace(spot, glimpses=kept))

    def _judged(self, spot: Spot) -> Spot:
        if spot.fired_from is not None or self._progress(spot) < 1 or not spot.glimpses[-1].score:
            return spot
        return replace(spot, fired_from=next(one.at for one in spot.glimpses if one.score))

    def _demand(self, spot: Spot) -> float:
        """Seconds for which the spot must be seen, but for what an officer said of it."""
        seconds = self.config.seen_seconds
        if _steady(spot):
            still = _stir(spot) is not None and (_stir(spot) or 0.0) < STILL
            seconds = max(seconds, STILL_SECONDS if still else self.config.steady_seconds)
        if _doubted(spot):
            seconds = max(seconds, DOUBTED)
        return seconds

    def _window(self, seconds: float) -> float:
        """The same share of a longer window."""
        return seconds / max(0.3, share(self.config.seen_seconds, self.config.window_seconds))

    def _progress(self, spot: Spot, *, heeding: bool = True) -> float:
        """``heeding`` the officer's rejections, or as if there were none."""
        seconds = self._demand(spot)
        if heeding and _rejections(spot):
            seconds *= REJECTED
        progress = _proof(spot, seconds, max(self.config.window_seconds, self._window(seconds)))
        unseen = _steady(spot) and _doubted(spot) and _score(spot) < PLAIN
        return min(progress, 0.99) if unseen else progress

    def _verdict(self, spots: Sequence[Spot], burning: bool) -> Verdict:
        fired = [spot for spot in spots if spot.fired_from is not None]
        if fired:
            worst = max(fired, key=_score)
            since = min(spot.fired_from for spot in fired if spot.fired_from is not None)
            return Verdict("firing", 1.0, FIRING, since, _score(worst), self._why(worst, len(fired)))
        if burning:
            return Verdict("released", 0.0, CANDIDATE if spots else IDLE)
        if not spots:
            return _NOTHING
        progress, spot = max(((self._progress(spot), spot) for spot in spots), key=lambda pair: pair[0])
        held_back = [name for one in spots if self._progress(one, heeding=False) >= 1 for name in _rejections(one)]
        # A spot that is all but proved, and hidden at this very look, fires at the next one that sees it.
        progress = min(progress, 0.99)
        began = next((one.at for one in spot.glimpses if one.score), None)
        why = self._why(spot, 0)
        return Verdict(
            phase_of(progress, False), progress, CANDIDATE, began, _score(spot), why, tuple(sorted(set(held_back)))
        )

    def _why(self, spot: Spot, burning: int) -> dict[str, Any]:
        seen = [one for one in spot.glimpses if one.score]
        return {
            "labels": sorted(spot.labels),
            "box": _rounded(spot.box),
            "looks": len(spot.glimpses),
            "looks_seen": len(seen),
            "confirmed_closer": sum(one.confirmed is True for one in seen),
            "looked_at_closer": sum(one.confirmed is not None for one in seen),
            "spread": round(_spread(spot), 3),
            "stir": _stir(spot),
            "steady": _steady(spot),
            "seconds_needed": self._demand(spot),
            "rejections": sorted(_rejections(spot)),
            "spots": burning,
            "appearance": list(next((one.appearance for one in reversed(seen) if one.appearance), ())),
            "seen": [
                {"at": round(one.at, 2), "score": round(one.score, 3), "box": _rounded(one.box or spot.box)}
                for one in seen[-MOST_TOLD:]
            ],
        }

    def _glimpse(self, at: float, found: Sequence[Detection]) -> Glimpse:
        best = max(found, key=lambda one: one.score)
        closer = [one.closer for one in found if one.closer is not None]
        stirs = [one.stir for one in found if one.stir is not None]
        rejected = [self._rejection(one, at) for one in found]
        return Glimpse(
            at,
            best.score,
            sum(one.box.area for one in found),
            _around([one.box for one in found]),
            any(score > 0 for score in closer) if closer else None,
            max(stirs, default=None),
            best.appearance,
            rejected[0] if all(rejected) else None,
        )

    def _rejection(self, one: Detection, at: float) -> str | None:
        return next((s.id for s in self.suppressions if s.covers(one, at)), None)

    def _pooled(self, detections: Sequence[Detection]) -> list[tuple[Box, list[Detection]]]:
        """What counts of a look, boxes that touch put together."""
        labels = ("fire", "smoke") if self.config.smoke else ("fire",)
        pools: list[tuple[Box, list[Detection]]] = []
        counting = [one for one in detections if one.label in labels and self._counts(one)]
        for one in sorted(counting, key=lambda one: -one.score)[:MOST_BOXES]:
            together = [pool for pool in pools if pool[0].intersection(one.box) > 0]
            pools = [pool for pool in pools if pool[0].intersection(one.box) <= 0]
            members = [one, *(member for _, found in together for member in found)]
            pools.append((_around([member.box for member in members]), members))
        return pools

    def _counts(self, one: Detection) -> bool:
        """Any part in the zone is enough; only what lies wholly in exclusions is left out."""
        config = self.config
        return (
            one.score >= config.min_score
            and zones.touches(one.box, config.polygon)
            and not zones.covered(one.box, config.exclusions)
        )


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
    span = glimpses[-1].at - glimpses[0].at
    progress = min(share(seen, seconds), share(sum(one.score > 0 for one in glimpses), LEAST_SIGHTINGS))
    if span > window:
        progress = min(progress, share(seen / span, share(seconds, window)))
    return progress


def _spread(spot: Spot) -> float:
    areas = [one.area for one in spot.glimpses if one.score]
    mean = fmean(areas) if areas else 0.0
    return pstdev(areas) / mean if mean > 0 else 0.0


def _stir(spot: Spot) -> float | None:
    """Median change from look to look; None where too few looks could be compared."""
    stirs = [one.stir for one in spot.glimpses if one.score and one.stir is not None]
    return round(median(stirs), 4) if len(stirs) >= LEAST_SIGHTINGS else None


def _steady(spot: Spot) -> bool:
    """Whether it was seen often enough to say that it neither stirs nor grows."""
    areas = [one.area for one in spot.glimpses if one.score]
    if len(areas) < LEAST_SIGHTINGS:
        return False
    stirred = _stir(spot)
    if stirred is None:
        return _spread(spot) < UNSTEADY
    third = max(1, len(areas) // 3)
    return stirred < STIRS and fmean(areas[-third:]) < GREW * fmean(areas[:third])


def _doubted(spot: Spot) -> bool:
    """Whether the second look confirmed less than half of what it was taken at."""
    said = [one.confirmed for one in spot.glimpses if one.score and one.confirmed is not None]
    return bool(said) and 2 * sum(said) < len(said)


def _rejections(spot: Spot) -> frozenset[str]:
    """The officer's rejections that cover most of what was seen."""
    seen = [one for one in spot.glimpses if one.score]
    rejected = [one.rejected for one in seen if one.rejected is not None]
    return frozenset(rejected) if 2 * len(rejected) > len(seen) else frozenset()


def _rounded(box: Box) -> list[float]:
    return [round(side, 4) for side in (box.x1, box.y1, box.x2, box.y2)]


def _score(spot: Spot) -> float:
    return max(one.score for one in spot.glimpses)


def _grown(box: Box) -> Box:
    dx, dy = NEAR * box.width, NEAR * box.height
    return Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy)


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.x1 for box in boxes),
        min(box.y1 for box in boxes),
        max(box.x2 for box in boxes),
        max(box.y2 for box in boxes),
    )
