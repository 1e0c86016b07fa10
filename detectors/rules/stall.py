"""占道经营: a stall that stands at one place in a zone, in its hours, for the whole dwell, though passers-by hide it.

A *stand* is a place where a stall was seen; later looks count for it while a stall's box still overlaps the first one.
What moves on leaves its stand behind. Permitted points and, where asked for, stalls nobody attends do not count.
Weights that know the cues of a stall (an umbrella over a cart, goods on a table) or vehicles are believed in them (see
``detectors.rules.cues``); what a vehicle covers is a parked vehicle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from detectors.observation import Box, Detection, Look
from detectors.rules.config import StallRuleConfig
from detectors.rules.cues import VEHICLES, stalls_of
from detectors.rules.rule import (
    AT_REST,
    LONGEST_GAP,
    UNKNOWN_PACE,
    Verdict,
    believed,
    pace_of,
    passage,
    phase_of,
    share,
)
from detectors.rules.schedule import is_on
from detectors.rules.zones import in_zone
from detectors.suppression import Suppression

IDLE, CANDIDATE, FIRING = 5.0, 5.0, 5.0
"""Seconds to the next look; an alert is due 15 s after the dwell."""
SAME_PLACE = 0.5
"""Least overlap (IoU) with the first box of a stand. A detector's box of a standing stall keeps well above it."""
SEEN_SHARE = 0.3
"""Least share of looks that saw the stall: stalls are seen poorly, but chance sightings do not make one."""
LONGEST_ABSENCE = 600.0
"""Seconds without a look after which a stall is another one, though it had fired: its alert ends when nothing is seen
for as long."""
ATTENDED_WITHIN = 60.0
"""Seconds for which somebody may turn away from a stall that counts only when attended."""
MOST_STANDS = 50
"""Stands that are kept: a market street has some that do not count, and they leave room for what is new."""
UNLIKE = 3
"""Sightings in a row that no rejection covers, after which a rejected stall is another one: boxes tremble."""
MOST_TOLD = 40
"""Sightings that an alert's reasons list, the last ones."""
COVERED = 0.6
"""Overlap (IoU) with a vehicle from which a stall is that vehicle."""
_NOTHING = Verdict("idle", 0.0, IDLE)


@dataclass(frozen=True, slots=True)
class Stand:
    """One place with a stall. Times are seconds; ``stood`` counts from the first look to the last that saw it."""

    anchor: Box
    box: Box
    since: float
    score: float
    stood: float = 0.0
    unseen_for: float = 0.0
    looks: int = 1
    looks_seen: int = 1
    unattended_for: float | None = None
    fired: bool = False
    rejected: str | None = None
    unlike: int = 0
    """Sightings since the last one that a rejection covered."""
    appearance: tuple[int, ...] = ()
    seen: tuple[tuple[float, float, Box], ...] = ()
    """Times, scores and boxes of the last sightings."""

    @property
    def attended(self) -> bool:
        return self.unattended_for is not None and self.unattended_for <= ATTENDED_WITHIN


@dataclass(frozen=True, slots=True)
class StallState:
    at: float | None = None
    stands: tuple[Stand, ...] = ()
    verdict: Verdict = _NOTHING
    pace: float = UNKNOWN_PACE

    def moved(self, by: float) -> StallState:
        """The same, on a clock that was set by so many seconds."""
        return replace(self, stands=tuple(replace(one, since=one.since + by) for one in self.stands))


@dataclass(frozen=True, slots=True)
class StallRule:
    config: StallRuleConfig
    suppressions: tuple[Suppression, ...] = ()

    @property
    def kind(self) -> str:
        return self.config.kind

    @property
    def zone(self) -> str:
        return self.config.zone

    def initial(self) -> StallState:
        return StallState()

    def step(self, state: StallState, look: Look) -> tuple[StallState, Verdict]:
        passed = passage(state.at, look.at, state.pace, longest_gap=self._longest_gap, longest_absence=LONGEST_ABSENCE)
        if passed == "late":
            return state, state.verdict
        pace = pace_of(state.at, look.at)
        elapsed = pace if passed == "next" else 0.0
        if passed == "set_back" and state.at is not None:
            state = state.moved(look.at - state.at)
        standing = any(one.fired for one in state.stands)
        if not is_on(self.config.hours, look.at):
            over = Verdict("released" if standing else "idle", 0.0, AT_REST)
            return StallState(look.at, (), over, pace), over
        stands = state.stands
        if passed in ("gap", "away"):
            stands = tuple(one for one in stands if one.fired and passed == "gap")
        stands = self._looked_at(stands, look, elapsed)
        verdict = self._verdict(stands, standing)
        return StallState(look.at, stands, verdict, pace), verdict

    @property
    def _longest_gap(self) -> float:
        return max(LONGEST_GAP, self.config.occlusion_seconds)

    def _looked_at(self, stands: Sequence[Stand], look: Look, elapsed: float) -> tuple[Stand, ...]:
        left = self._stalls(look)
        people = [one.box for one in look.detections if one.label == "person"]
        known: list[Stand] = []
        for stand in sorted(stands, key=_age):
            best = max(left, key=lambda one: one.box.iou(stand.anchor), default=None)
            if best is not None and best.box.iou(stand.anchor) >= SAME_PLACE:
                left.remove(best)
                # A second box of the same stall is no second stand.
                left = [one for one in left if one.box.iou(stand.anchor) < SAME_PLACE]
                stand = replace(
                    self._heeding(stand, best, look.at),
                    box=best.box,
                    score=max(stand.score, best.score),
                    stood=stand.stood + stand.unseen_for + believed(elapsed, self._longest_gap),
                    unseen_for=0.0,
                    looks=stand.looks + 1,
                    looks_seen=stand.looks_seen + 1,
                    appearance=best.appearance or stand.appearance,
                    seen=(*stand.seen[1 - MOST_TOLD :], (look.at, best.score, best.box)),
                )
            else:
                unseen_for = stand.unseen_for + believed(elapsed, self._longest_gap)
                stand = replace(stand, unseen_for=unseen_for, looks=stand.looks + 1)
            if stand.unseen_for <= self.config.occlusion_seconds:
                known.append(self._judged(_attended(stand, people, elapsed)))
        for one in left:
            if all(one.box.iou(stand.anchor) < SAME_PLACE for stand in known):
                stand = Stand(
                    one.box,
                    one.box,
                    look.at,
                    one.score,
                    rejected=self._rejection(one, look.at),
                    appearance=one.appearance,
                    seen=((look.at, one.score, one.box),),
                )
                known.append(self._judged(_attended(stand, people, 0.0)))
        kept = sorted(known, key=self._worth)[:MOST_STANDS]
        return tuple(sorted(kept, key=_age))

    def _worth(self, stand: Stand) -> tuple[bool, bool, float, float]:
        """What is kept first: what was told, then what may be, before what an officer rejected or nobody attends."""
        waits = stand.rejected is None and self._counts_attended(stand)
        return not stand.fired, not waits, stand.unseen_for, stand.since

    def dismissed(self, state: StallState, at: float) -> StallState:
        return replace(state, stands=tuple(self._let_go(stand, at) for stand in state.stands))

    def _let_go(self, stand: Stand, at: float) -> Stand:
        """Boxes tremble: one of the last will do. A stand that has not fired is heeded when it is seen again."""
        if stand.fired:
            for _, score, box in reversed(stand.seen[-UNLIKE:]):
                rejected = self._rejection(Detection("stall", score, box, appearance=stand.appearance), at)
                if rejected is not None:
                    return replace(stand, fired=False, rejected=rejected, unlike=0)
        return stand

    def _heeding(self, stand: Stand, seen: Detection, at: float) -> Stand:
        """What the officer's rejections say of a stand that is seen again, though it has fired."""
        rejected = self._rejection(seen, at)
        if rejected is not None:
            return replace(stand, fired=False, rejected=rejected, unlike=0)
        held = any(one.id == stand.rejected and at < one.until for one in self.suppressions)
        unlike = stand.unlike + 1
        return replace(stand, rejected=stand.rejected if held and unlike < UNLIKE else None, unlike=unlike)

    def _judged(self, stand: Stand) -> Stand:
        return replace(stand, fired=True) if self._due(stand) and stand.rejected is None else stand

    def _due(self, stand: Stand) -> bool:
        return (
            not stand.unseen_for
            and stand.stood >= self.config.dwell_seconds
            and stand.looks_seen >= SEEN_SHARE * stand.looks
            and self._counts_attended(stand)
        )

    def _counts_attended(self, stand: Stand) -> bool:
        return not self.config.attended_only or stand.attended

    def _verdict(self, stands: Sequence[Stand], standing: bool) -> Verdict:
        fired = [one for one in stands if one.fired]
        if fired:
            first = fired[0]
            return Verdict("firing", 1.0, FIRING, first.since, first.score, self._why(first, len(fired)))
        if standing:
            return Verdict("released", 0.0, CANDIDATE if stands else IDLE)
        held_back = tuple(sorted({one.rejected for one in stands if one.rejected is not None and self._due(one)}))
        waiting = [one for one in stands if one.rejected is None and self._counts_attended(one)]
        if not waiting:
            return replace(_NOTHING, held_back=held_back)
        stand = max(waiting, key=lambda one: one.stood)
        progress = min(0.99, share(stand.stood, self.config.dwell_seconds))
        return Verdict(phase_of(progress, False), progress, CANDIDATE, stand.since, stand.score, held_back=held_back)

    def _why(self, stand: Stand, stands: int) -> dict[str, Any]:
        return {
            "box": _rounded(stand.box),
            "stood_seconds": round(stand.stood, 1),
            "threshold_seconds": self.config.dwell_seconds,
            "looks": stand.looks,
            "looks_seen": stand.looks_seen,
            "attended": stand.attended,
            "stalls": stands,
            "seen": [
                {"at": round(at, 2), "score": round(score, 3), "box": _rounded(seen)} for at, score, seen in stand.seen
            ],
            "appearance": list(stand.appearance),
        }

    def _stalls(self, look: Look) -> list[Detection]:
        """What counts as a stall: seen as one, or by its cues; and no vehicle."""
        vehicles = [one for one in look.detections if one.label in VEHICLES]
        found = [*(one for one in look.detections if one.label == "stall"), *stalls_of(look.detections)]
        return [
            one
            for one in found
            if self._counts(one, look.at)
            and not any(v.score >= one.score and v.box.iou(one.box) >= COVERED for v in vehicles)
        ]

    def _rejection(self, one: Detection, at: float) -> str | None:
        return next((s.id for s in self.suppressions if s.covers(one, at)), None)

    def _counts(self, one: Detection, at: float) -> bool:
        config = self.config
        if one.score < config.min_score:
            return False
        if not in_zone(one.box.foot, config.polygon, config.exclusions):
            return False
        return not any(
            one.box.x1 <= point.x <= one.box.x2 and one.box.y1 <= point.y <= one.box.y2 and is_on(point.hours, at)
            for point in config.permitted
        )


def _age(stand: Stand) -> tuple[bool, float]:
    return not stand.fired, stand.since


def _attended(stand: Stand, people: Sequence[Box], elapsed: float) -> Stand:
    """Somebody attends whose feet are within half the stall's size of it."""
    dx, dy = stand.box.width / 2, stand.box.height / 2
    near = Box(stand.box.x1 - dx, stand.box.y1, stand.box.x2 + dx, stand.box.y2 + dy)
    if any(near.x1 <= one.foot.x <= near.x2 and near.y1 <= one.foot.y <= near.y2 for one in people):
        return replace(stand, unattended_for=0.0)
    if stand.unattended_for is None:
        return stand
    return replace(stand, unattended_for=stand.unattended_for + elapsed)


def _rounded(box: Box) -> list[float]:
    return [round(side, 4) for side in (box.x1, box.y1, box.x2, box.y2)]
