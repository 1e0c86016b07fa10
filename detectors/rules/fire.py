"""烟火: fire or smoke that stays at one place, seen for long enough in wall-clock time, and moves as flames do.

Boxes of one look that touch are pooled into one. A *spot* (``fire_spots``) is a place where something was seen; later
looks count for it while a pooled box still meets that place, so a red car driving through never adds up. How long a
spot must be seen depends on what speaks against it (``fire_proof``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from detectors.observation import Box, Detection, Look, around
from detectors.rules import zones
from detectors.rules.config import FireRuleConfig
from detectors.rules.fire_proof import backed, confirms, demand, heeded, hollow, kept, progress, set_aside
from detectors.rules.fire_spots import LEAST_SIGHTINGS, Glimpse, Pool, Spot, pooled
from detectors.rules.rule import AT_REST, UNKNOWN_PACE, Passage, Verdict, pace_of, passage, phase_of
from detectors.rules.schedule import is_on
from detectors.suppression import Suppression

IDLE, CANDIDATE = 2.0, 0.5
"""Seconds to the next look. What burns has been told, what an officer has rejected has been judged, and what has
been hollow for a minute is a lamp for now: none is looked at more often than nothing at all (decision 0130)."""
MOST_TOLD = 40
"""Sightings that an alert's reasons list, the last ones."""
MOST_SPOTS = MOST_BOXES = 50
"""Of a look, the surest boxes; as many spots, so that lamps leave room for what is new."""
DISMISSED_FOR = 60.0
"""Seconds for which what was rejected while it burnt may go unseen and is the same still: as long as an alert lasts."""
ASKED_AGAIN = 1800.0
"""Seconds after which what was rejected while it burnt, and is there still, is told once more: a fire is never
silenced, and a rejection may have been a slip."""
_NOTHING = Verdict("idle", 0.0, IDLE)


@dataclass(frozen=True, slots=True)
class FireState:
    at: float | None = None
    spots: tuple[Spot, ...] = ()
    verdict: Verdict = _NOTHING
    pace: float = UNKNOWN_PACE

    def moved(self, by: float) -> FireState:
        """The same, on a clock that was set by so many seconds."""
        return replace(self, spots=tuple(spot.moved(by) for spot in self.spots))


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
        passed = passage(state.at, look.at, state.pace)
        if passed == "late":
            return state, state.verdict
        pace = pace_of(state.at, look.at)
        elapsed = pace if passed in ("next", "gap") else 0.0
        if passed == "set_back" and state.at is not None:
            state = state.moved(look.at - state.at)
        burning = any(spot.fired_from is not None for spot in state.spots)
        if not is_on(self.config.hours, look.at):
            over = Verdict("released" if burning else "idle", 0.0, AT_REST)
            return FireState(look.at, (), over, pace), over
        spots = _left_after(passed, state.spots)
        pools = pooled(self._counting(look.detections))
        spots = self._looked_at(spots, pools, look.at, elapsed, follows=passed == "next")
        verdict = self._verdict(spots, burning)
        return FireState(look.at, spots, verdict, pace), verdict

    def _looked_at(
        self, spots: Sequence[Spot], pools: Sequence[Pool], at: float, elapsed: float, *, follows: bool
    ) -> tuple[Spot, ...]:
        """``follows``: the look is the next one, however slowly they come: that it alone misses a fire ends none."""
        known: list[Spot] = []
        used: set[int] = set()
        for spot in spots:
            here = [number for number, pool in enumerate(pools) if spot.reaches(pool.box)]
            used.update(here)
            spot = self._seen(spot, [pools[number] for number in here], at, elapsed)
            missed_once = follows and spot.fired_from is not None and any(one.score for one in spot.glimpses[-2:])
            if missed_once or spot.unseen_for <= self._remembered(spot):
                known.append(spot)
        for number, pool in enumerate(pools):
            if number not in used:
                labels = frozenset(one.label for one in pool.members)
                known.append(self._judged(Spot(pool.box, pool.box, labels, (self._glimpse(at, pool.members),))))
        known.sort(key=_order)
        return tuple(known[:MOST_SPOTS])

    def _remembered(self, spot: Spot) -> float:
        """Seconds for which it may go unseen."""
        if spot.dismissed:
            return DISMISSED_FOR
        return self.config.window_seconds if spot.fired_from is None else self.config.release_seconds

    def dismissed(self, state: FireState, at: float) -> FireState:
        return replace(state, spots=tuple(self._let_go(spot, at) for spot in state.spots))

    def _let_go(self, spot: Spot, at: float) -> Spot:
        """What proved a spot that was rejected proves nothing more of it. Boxes tremble: one of the last will do."""
        if spot.fired_from is None:
            return spot
        for one in reversed(spot.seen[-LEAST_SIGHTINGS:]):
            seen = Detection("fire", one.score, one.box or spot.box, appearance=one.appearance)
            rejected = self._rejection(seen, at)
            if rejected is not None:
                return replace(spot, glimpses=(replace(one, rejected=rejected),), fired_from=None, dismissed_at=at)
        return spot

    def _seen(self, spot: Spot, here: Sequence[Pool], at: float, elapsed: float) -> Spot:
        if spot.dismissed_at is not None and at - spot.dismissed_at >= ASKED_AGAIN:
            spot = replace(spot, dismissed_at=None)
        if here:
            box = around([pool.box for pool in here])
            found = [one for pool in here for one in pool.members]
            glimpse = self._glimpse(at, found)
            spot = replace(spot, box=box, labels=spot.labels | frozenset(one.label for one in found), unseen_for=0.0)
        else:
            glimpse = Glimpse(at, 0.0)
            spot = replace(spot, unseen_for=spot.unseen_for + elapsed)
        return self._judged(replace(spot, glimpses=kept(self.config, [*spot.glimpses, glimpse], at)))

    def _judged(self, spot: Spot) -> Spot:
        if spot.fired_from is not None:
            return spot
        signs = spot.signs
        spot = replace(spot, progress=heeded(self.config, spot, signs), hollow=hollow(signs))
        proved, needed = spot.progress >= 1, demand(self.config, signs)
        if not spot.glimpses[-1].score:
            untouched = not spot.dismissed and not any(one.rejected for one in spot.glimpses)
            return replace(spot, proved_for=needed) if proved and untouched else spot
        if not proved and not needed <= spot.proved_for:
            return spot
        since = spot.beyond.seen_from if spot.dismissed else spot.seen_from
        return replace(spot, fired_from=since, dismissed_at=None, proved_for=0.0)

    def _verdict(self, spots: Sequence[Spot], burning: bool) -> Verdict:
        fired = [spot for spot in spots if spot.fired_from is not None]
        if fired:
            worst = max(fired, key=lambda spot: spot.score)
            since = min(spot.fired_from for spot in fired if spot.fired_from is not None)
            return Verdict("firing", 1.0, IDLE, since, worst.score, self._why(worst, len(fired)))
        waiting = [spot for spot in spots if spot.open and not set_aside(spot)]
        if burning:
            return Verdict("released", 0.0, CANDIDATE if waiting else IDLE)
        held_back = tuple(sorted({name for spot in spots for name in self._held_back(spot)}))
        if not waiting:
            return replace(_NOTHING, held_back=held_back)
        spot = max(waiting, key=lambda one: one.progress)
        # A spot that is all but proved, and hidden at this very look, fires at the next one that sees it.
        proved = min(spot.progress, 0.99)
        phase = phase_of(proved, False)
        begun = spot.seen_from
        if spot.dismissed:  # no clip is written of what has been judged, however long it stays
            begun = spot.beyond.seen_from if phase == "half_way" else None
        return Verdict(phase, proved, CANDIDATE, begun, spot.score, held_back=held_back)

    def _held_back(self, spot: Spot) -> frozenset[str]:
        """The rejections without which it would burn now."""
        named = spot.rejections
        return named if named and progress(self.config, spot, spot.signs, heeding=False) >= 1 else frozenset()

    def _why(self, spot: Spot, burning: int) -> dict[str, Any]:
        seen, signs = spot.seen, spot.signs
        told = seen[-MOST_TOLD:]
        return {
            "labels": sorted(spot.labels),
            "box": _rounded(spot.box),
            "looks": len(spot.glimpses),
            "looks_seen": len(seen),
            "confirmed_closer": sum(one.confirmed is True for one in seen),
            "looked_at_closer": sum(one.confirmed is not None for one in seen),
            "judged": signs.judged,
            "spread": round(signs.spread, 3),
            "stir": signs.stir,
            "steady": signs.steady,
            "seconds_needed": demand(self.config, signs),
            "rejections": sorted(spot.rejections),
            "spots": burning,
            "appearance": list(next((one.appearance for one in reversed(seen) if one.appearance), ())),
            "seen": [
                {
                    "at": round(one.at, 2),
                    "score": round(one.score, 3),
                    "box": _rounded(one.box or spot.box),
                    "closer": one.confirmed,
                }
                for one in told
            ],
            "missed": [round(one.at, 2) for one in spot.glimpses if not one.score and told and one.at > told[0].at],
        }

    def _glimpse(self, at: float, found: Sequence[Detection]) -> Glimpse:
        best = max(found, key=lambda one: one.score)
        closer = [confirms(one) for one in found if one.closer is not None]
        judged = [one.judged for one in found if one.judged is not None]
        stirs = [one.stir for one in found if one.stir is not None]
        rejected = [self._rejection(one, at) for one in found]
        return Glimpse(
            at,
            best.score,
            sum(one.box.area for one in found),
            around([one.box for one in found]),
            any(closer) if closer else None,
            max(stirs, default=None),
            best.appearance,
            rejected[0] if all(rejected) else None,
            max(judged, default=None),
            backed(found),
        )

    def _rejection(self, one: Detection, at: float) -> str | None:
        return next((s.id for s in self.suppressions if s.covers(one, at)), None)

    def _counting(self, detections: Sequence[Detection]) -> list[Detection]:
        """What counts of a look, the surest first."""
        labels = ("fire", "smoke") if self.config.smoke else ("fire",)
        counting = [one for one in detections if one.label in labels and self._counts(one)]
        return sorted(counting, key=lambda one: -one.score)[:MOST_BOXES]

    def _counts(self, one: Detection) -> bool:
        """Any part is enough that lies in the zone and in no exclusion."""
        config = self.config
        return one.score >= config.min_score and zones.touches(one.box, config.polygon, config.exclusions)


def _left_after(passed: Passage, spots: Sequence[Spot]) -> tuple[Spot, ...]:
    """What is still known of them at the look that comes then."""
    if passed == "away":
        return ()
    return tuple(spot for spot in spots if passed != "gap" or spot.fired_from is not None or spot.dismissed)


def _order(spot: Spot) -> tuple[bool, bool, bool, float, int]:
    """What is kept first: what burns or was judged, then what may burn, before what is hollow."""
    return spot.fired_from is None, not spot.dismissed, spot.hollow, spot.unseen_for, -len(spot.glimpses)


def _rounded(box: Box) -> list[float]:
    return [round(side, 4) for side in (box.x1, box.y1, box.x2, box.y2)]
