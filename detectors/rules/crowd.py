"""人员聚集: at least so many people whose feet are in a zone, for the whole dwell; over well below that number.

On a calibrated ground plane the largest group that stands together is counted, else everybody in the zone.
A detector loses somebody now and then, so the count is the median of the last seconds. Below the number the dwell clock
stands still; below the release number for the release time (a bus that passes is shorter) it begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from detectors.observation import Detection, Look
from detectors.rules.config import CrowdRuleConfig
from detectors.rules.ground import largest_group, on_ground
from detectors.rules.rule import (
    AT_REST,
    UNKNOWN_PACE,
    Verdict,
    believed,
    believed_span,
    pace_of,
    passage,
    phase_of,
    share,
)
from detectors.rules.schedule import is_on
from detectors.rules.zones import in_zone_each
from detectors.suppression import Suppression

IDLE, CANDIDATE, FIRING = 5.0, 2.0, 2.0
"""Seconds to the next look."""
SMOOTHING = 5.0
"""Seconds over which the count's median is taken."""
LEAST_COUNTS = 3
MOST_TOLD = 40
"""Counts that an alert's reasons list, the last ones."""
_NOTHING = Verdict("idle", 0.0, IDLE)


@dataclass(frozen=True, slots=True)
class Count:
    at: float
    people: int
    score: float
    boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class CrowdState:
    """``since``: when the gathering began; ``held``: seconds for which it was large enough."""

    at: float | None = None
    counts: tuple[Count, ...] = ()
    since: float | None = None
    held: float = 0.0
    enough: bool = False
    firing: bool = False
    below_for: float = 0.0
    verdict: Verdict = _NOTHING
    pace: float = UNKNOWN_PACE

    def moved(self, by: float) -> CrowdState:
        """The same, on a clock that was set by so many seconds."""
        return replace(
            self,
            counts=tuple(replace(one, at=one.at + by) for one in self.counts),
            since=None if self.since is None else self.since + by,
        )


@dataclass(frozen=True, slots=True)
class CrowdRule:
    config: CrowdRuleConfig
    suppressions: tuple[Suppression, ...] = ()

    @property
    def kind(self) -> str:
        return self.config.kind

    @property
    def zone(self) -> str:
        return self.config.zone

    def initial(self) -> CrowdState:
        return CrowdState()

    def step(self, state: CrowdState, look: Look) -> tuple[CrowdState, Verdict]:
        passed = passage(state.at, look.at, state.pace)
        if passed == "late":
            return state, state.verdict
        pace = pace_of(state.at, look.at)
        elapsed = pace if passed == "next" else 0.0
        if passed == "set_back" and state.at is not None:
            state = state.moved(look.at - state.at)
        if not is_on(self.config.hours, look.at):
            over = Verdict("released" if state.firing else "idle", 0.0, AT_REST)
            return CrowdState(at=look.at, verdict=over, pace=pace), over
        fired = state.firing
        if passed in ("gap", "away"):
            # Nobody looked: a gathering in the making may have gone. One that fired is over only when seen to be, or
            # when nobody has looked for so long that whoever stands there now is another one.
            state = replace(state, counts=()) if fired and passed == "gap" else CrowdState()
        counted = self.gathered(look.detections)
        score = fmean(one.score for one in counted) if counted else 0.0
        boxes = tuple((one.box.x1, one.box.y1, one.box.x2, one.box.y2) for one in counted)
        count = Count(look.at, len(counted), score, boxes)
        state = replace(state, at=look.at, counts=_last([*state.counts, count], look.at), pace=pace)
        state = self._fired(state, elapsed) if state.firing else self._waiting(state, elapsed)
        if passed == "away" and fired and not state.firing:
            state = replace(state, verdict=Verdict("released", 0.0, state.verdict.next_look_within))
        return state, state.verdict

    def dismissed(self, state: CrowdState, at: float) -> CrowdState:
        covered = state.firing and any(one.covers_people(_median(state.counts), at) for one in self.suppressions)
        return replace(state, firing=False) if covered and state.counts else state

    def _waiting(self, state: CrowdState, elapsed: float) -> CrowdState:
        people, config = _median(state.counts), self.config
        below_for = state.below_for + elapsed if people < config.people * config.release_share else 0.0
        if below_for >= config.release_seconds or (state.since is None and people < config.people):
            return replace(state, since=None, held=0.0, enough=False, below_for=0.0, verdict=_NOTHING)
        enough = people >= config.people
        since, held = state.since, state.held
        if since is None:
            since = next(one.at for one in state.counts if one.people >= config.people)
            held = believed_span([one.at for one in state.counts if one.at >= since])
        elif enough and state.enough:
            held += believed(elapsed)
        due = enough and held >= config.dwell_seconds
        rejections = tuple(one.id for one in self.suppressions if one.covers_people(people, state.counts[-1].at))
        firing = due and not rejections
        state = replace(state, since=since, held=held, enough=enough, firing=firing, below_for=below_for)
        if rejections:  # judged: it is no more urgent than an empty square, unless it grows
            return replace(state, verdict=replace(_NOTHING, held_back=rejections if due else ()))
        progress = 1.0 if firing else min(0.99, share(held, config.dwell_seconds))
        return replace(state, verdict=self._verdict(state, progress, FIRING if firing else CANDIDATE))

    def _fired(self, state: CrowdState, elapsed: float) -> CrowdState:
        if _median(state.counts) >= self.config.people * self.config.release_share:
            state = replace(state, below_for=0.0)
        else:
            state = replace(state, below_for=state.below_for + elapsed)
        if state.below_for >= self.config.release_seconds:
            over = Verdict("released", 0.0, IDLE)
            return CrowdState(at=state.at, counts=state.counts, verdict=over, pace=state.pace)
        return replace(state, verdict=self._verdict(state, 1.0, FIRING))

    def _verdict(self, state: CrowdState, progress: float, next_look_within: float) -> Verdict:
        why: dict[str, Any] = {
            "people": _median(state.counts),
            "people_now": state.counts[-1].people,
            "threshold": self.config.people,
            "held_seconds": round(state.held, 1),
            "calibrated": bool(self.config.ground),
            "seen": [
                {"at": round(one.at, 2), "people": one.people, "score": round(one.score, 3)}
                for one in state.counts[-MOST_TOLD:]
            ],
            "boxes": [[round(side, 4) for side in box] for box in state.counts[-1].boxes],
        }
        score = max(one.score for one in state.counts)
        return Verdict(phase_of(progress, state.firing), progress, next_look_within, state.since, score, why)

    def gathered(self, detections: Sequence[Detection]) -> Sequence[Detection]:
        """Who counts: those in the zone, where the ground is known those of them who stand together."""
        counted, plane = self._counted(detections), self.config.plane
        if plane is None:
            return counted
        placed = [(one, place) for one in counted if (place := on_ground(one.box.foot, plane)) is not None]
        group = largest_group([place for _, place in placed], self.config.spacing_metres)
        return [one for number, (one, _) in enumerate(placed) if number in group]

    def _counted(self, detections: Sequence[Detection]) -> list[Detection]:
        """People whose feet are in the zone."""
        config = self.config
        people = [one for one in detections if one.label == "person" and one.score >= config.min_score]
        feet = np.array([(one.box.foot.x, one.box.foot.y) for one in people]).reshape(-1, 2)
        within = in_zone_each(feet, config.polygon, config.exclusions).tolist()
        return [one for one, counts in zip(people, within, strict=True) if counts]


def _last(counts: Sequence[Count], at: float) -> tuple[Count, ...]:
    """Those of the last seconds, and never fewer than a median needs: looks may come slowly."""
    recent = sum(one.at > at - SMOOTHING for one in counts)
    return tuple(counts[-max(recent, LEAST_COUNTS) :])


def _median(counts: Sequence[Count]) -> int:
    """The lower one of the two middle values."""
    return sorted(one.people for one in counts)[(len(counts) - 1) // 2]
