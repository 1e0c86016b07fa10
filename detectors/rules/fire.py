"""烟火: fire or smoke that stays at one place, seen for long enough in wall-clock time, and moves as flames do.

Boxes of one look that touch are pooled into one (a flame and its smoke, a flame cut in pieces). A *spot* is a place
where something was seen; later looks count for it while a pooled box still meets that place, so a red car driving
through never adds up. A spot whose size neither flickers nor grows (a lamp, a sign) is asked for more proof, never
silenced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from detectors.observation import Box, Detection, Look
from detectors.rules import zones
from detectors.rules.config import FireRuleConfig
from detectors.rules.rule import AT_REST, Verdict, passage, phase_of, share
from detectors.rules.schedule import is_on

IDLE, CANDIDATE, FIRING = 2.0, 0.5, 1.0
"""Seconds to the next look."""
LEAST_SIGHTINGS = 3
"""Looks that must have seen it, however far apart they lie."""
UNSTEADY = 0.03
"""Least spread of a spot's area (standard deviation / mean) taken for flicker or growth. A first value, unjudged."""
NEAR = 0.25
"""By how much of its sides a spot reaches beyond the box in which it was first seen."""
MOST_SPOTS, MOST_BOXES = 16, 50
_NOTHING = Verdict("idle", 0.0, IDLE)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One look at a spot; ``score`` 0: nothing was there. ``area``: of all boxes; their outline may hide a flicker."""

    at: float
    score: float
    area: float = 0.0


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
                known.append(self._judged(Spot(box, box, labels, (_glimpse(at, found),))))
        known.sort(key=lambda spot: (spot.fired_from is None, -len(spot.glimpses)))
        return tuple(known[:MOST_SPOTS])

    def _seen(self, spot: Spot, here: Sequence[tuple[Box, list[Detection]]], at: float, elapsed: float) -> Spot:
        if here:
            box = _around([one for one, _ in here])
            found = [one for _, members in here for one in members]
            glimpse = _glimpse(at, found)
            spot = replace(spot, box=box, labels=spot.labels | frozenset(one.label for one in found), unseen_for=0.0)
        else:
            glimpse = Glimpse(at, 0.0)
            spot = replace(spot, unseen_for=spot.unseen_for + elapsed)
        kept = _last([*spot.glimpses, glimpse], at, max(self.config.window_seconds, self._steady_window))
        return self._judged(replace(spot, glimpses=kept))

    def _judged(self, spot: Spot) -> Spot:
        if spot.fired_from is not None or self._progress(spot) < 1 or not spot.glimpses[-1].score:
            return spot
        return replace(spot, fired_from=next(one.at for one in spot.glimpses if one.score))

    @property
    def _steady_window(self) -> float:
        """A steady light must be seen for the same share of its longer window."""
        return self.config.steady_seconds / max(0.3, share(self.config.seen_seconds, self.config.window_seconds))

    def _progress(self, spot: Spot) -> float:
        if _steady(spot):
            return _proof(spot, self.config.steady_seconds, self._steady_window)
        return _proof(spot, self.config.seen_seconds, self.config.window_seconds)

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
        # A spot that is all but proved, and hidden at this very look, fires at the next one that sees it.
        progress = min(progress, 0.99)
        began = next((one.at for one in spot.glimpses if one.score), None)
        return Verdict(phase_of(progress, False), progress, CANDIDATE, began, _score(spot), self._why(spot, 0))

    def _why(self, spot: Spot, burning: int) -> dict[str, Any]:
        box = spot.box
        return {
            "labels": sorted(spot.labels),
            "box": [round(side, 4) for side in (box.x1, box.y1, box.x2, box.y2)],
            "looks": len(spot.glimpses),
            "looks_seen": sum(one.score > 0 for one in spot.glimpses),
            "spread": round(_spread(spot), 3),
            "steady": _steady(spot),
            "spots": burning,
        }

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


def _glimpse(at: float, found: Sequence[Detection]) -> Glimpse:
    return Glimpse(at, max(one.score for one in found), sum(one.box.area for one in found))


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


def _steady(spot: Spot) -> bool:
    """Whether it was seen often enough to say that it neither flickers nor grows."""
    return sum(one.score > 0 for one in spot.glimpses) >= LEAST_SIGHTINGS and _spread(spot) < UNSTEADY


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
