"""Spots of 烟火: a place where fire or smoke was seen, look by look, and what those looks say of it.

A spot is *steady* where it neither stirs nor grows (a lamp, a sign), *doubted* where the second look, in a crop at full
size, mostly saw nothing or its judge did not believe it, and *rejected* where an officer has said so of most of what
was seen. Whether it stirs is asked of its last looks: what begins to burn where a lamp has hung for long stirs from
then on. Whether it grows is asked of all that are kept: slow smoke takes its time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from detectors.observation import Box, Detection, around

LEAST_SIGHTINGS = 3
"""Looks that must have seen it, however far apart they lie."""
STIRS = 1 / 255
"""Least change from look to look (median over the spot's looks; one grey level) of what is alive. Measured: lamps, fog
and a blank wall below 0.003, flames and smoke 0.005 to 0.2."""
GREW = 1.3
"""How much larger than at first a spot has become that grows."""
UNSTEADY = 0.03
"""Least spread of a spot's area (standard deviation / mean) taken for flicker where the pixels were not compared."""
LATELY = 40.0
"""Seconds whose looks say whether a spot stirs: a fire in the place of a lamp outweighs it in half of them, well within
the 30 s in which a fire is told."""
NEAR = 0.25
"""By how much of its sides a spot reaches beyond the box in which it was first seen."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One look at a spot; ``score`` 0: nothing was there. ``area``: of all boxes; their outline may hide a flicker.

    ``confirmed``: what the second look said, None without one; ``judged``: what its judge said of it, 0..1.
    ``rejected``: the rejection that covers all of it. ``backed``: confirmed, or, where it is too large for a second
    look, believed by the judge of the whole picture; None: neither was asked."""

    at: float
    score: float
    area: float = 0.0
    box: Box | None = None
    confirmed: bool | None = None
    stir: float | None = None
    appearance: tuple[int, ...] = ()
    rejected: str | None = None
    judged: float | None = None
    backed: bool | None = None


@dataclass(frozen=True, slots=True)
class Signs:
    """What the looks at a spot say of it. ``stir``: median change from look to look, None where too few looks could be
    compared; ``spread`` of its area: standard deviation over the mean. ``steady``: it was seen often enough to say that
    it neither stirs nor grows. ``doubted``: the second look confirmed less than half of what it was taken at.
    ``unbacked``: less than half of what was asked about was backed. ``judged``: what the judge of the second look said,
    at the median; None where it was never asked."""

    score: float
    stir: float | None
    spread: float
    steady: bool
    doubted: bool
    unbacked: bool
    judged: float | None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where fire or smoke was seen. ``fired_from``: since when it burnt, once the rule fired for it;
    ``dismissed_at``: when an officer rejected it while it did. ``proved_for``: seconds of proof that it had at a look
    from which it was hidden; 0: never. It fires at the next look that sees it, if no more is asked for then.

    ``progress`` towards firing, 0..1, and whether it is ``hollow`` (``fire_proof``), both as of the last look before it
    fired."""

    anchor: Box
    box: Box
    labels: frozenset[str]
    glimpses: tuple[Glimpse, ...]
    unseen_for: float = 0.0
    fired_from: float | None = None
    dismissed_at: float | None = None
    proved_for: float = 0.0
    progress: float = 0.0
    hollow: bool = False

    @property
    def dismissed(self) -> bool:
        return self.dismissed_at is not None

    @property
    def seen(self) -> tuple[Glimpse, ...]:
        """The looks at which something was there."""
        return tuple(one for one in self.glimpses if one.score)

    @property
    def seen_from(self) -> float | None:
        """Since when."""
        return next((one.at for one in self.glimpses if one.score), None)

    @property
    def score(self) -> float:
        """The best of its looks."""
        return max(one.score for one in self.glimpses)

    @property
    def signs(self) -> Signs:
        """What its looks say of it."""
        seen = self.seen
        areas = [one.area for one in seen]
        lately = last_looks(seen, self.glimpses[-1].at - LATELY)
        stirs = [one.stir for one in lately if one.stir is not None]
        stirred = round(median(stirs), 4) if len(stirs) >= LEAST_SIGHTINGS else None
        confirmed = [one.confirmed for one in seen if one.confirmed is not None]
        backed = [one.backed for one in seen if one.backed is not None]
        judged = [one.judged for one in seen if one.judged is not None]
        spread = _spread([one.area for one in lately])
        return Signs(
            score=self.score,
            stir=stirred,
            spread=spread,
            steady=len(seen) >= LEAST_SIGHTINGS
            and (spread < UNSTEADY if stirred is None else stirred < STIRS and not _grew(areas)),
            doubted=2 * sum(confirmed) < len(confirmed),
            unbacked=2 * sum(backed) < len(backed),
            judged=round(median(judged), 3) if judged else None,
        )

    @property
    def rejections(self) -> frozenset[str]:
        """The officer's rejections that cover most of what was seen."""
        seen = self.seen
        rejected = [one.rejected for one in seen if one.rejected is not None]
        return frozenset(rejected) if 2 * len(rejected) > len(seen) else frozenset()

    @property
    def beyond(self) -> Spot:
        """The same, as if what a rejection covers had not been seen: a fire beside a lantern, or a larger one."""
        glimpses = tuple(Glimpse(one.at, 0.0) if one.rejected else one for one in self.glimpses)
        return replace(self, glimpses=glimpses, dismissed_at=None)

    @property
    def open(self) -> bool:
        """Whether what is seen there has not been judged yet, by an officer who rejected it while it burnt."""
        return not self.dismissed or bool(self.beyond.seen)

    def reaches(self, box: Box) -> bool:
        """Whether a box meets the place at which it was first seen."""
        dx, dy = NEAR * self.anchor.width, NEAR * self.anchor.height
        return (
            Box(self.anchor.x1 - dx, self.anchor.y1 - dy, self.anchor.x2 + dx, self.anchor.y2 + dy).intersection(box)
            > 0
        )

    def moved(self, by: float) -> Spot:
        """The same, on a clock that was set by so many seconds."""
        return replace(
            self,
            glimpses=tuple(replace(one, at=one.at + by) for one in self.glimpses),
            fired_from=None if self.fired_from is None else self.fired_from + by,
            dismissed_at=None if self.dismissed_at is None else self.dismissed_at + by,
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """Boxes of one look that touch: a flame and its smoke, a flame cut in pieces."""

    box: Box
    members: tuple[Detection, ...]


def pooled(detections: Iterable[Detection]) -> list[Pool]:
    """Boxes that touch put together."""
    pools: list[Pool] = []
    for one in detections:
        together = [pool for pool in pools if pool.box.intersection(one.box) > 0]
        pools = [pool for pool in pools if pool.box.intersection(one.box) <= 0]
        members = (one, *(member for pool in together for member in pool.members))
        pools.append(Pool(around([member.box for member in members]), members))
    return pools


def last_looks(glimpses: Sequence[Glimpse], since: float) -> Sequence[Glimpse]:
    """Those from ``since`` on, and never fewer than the sightings asked for: looks may come slowly."""
    return glimpses[max(0, min(_first_from(glimpses, since), len(glimpses) - LEAST_SIGHTINGS)) :]


def _first_from(glimpses: Sequence[Glimpse], since: float) -> int:
    return bisect_left(glimpses, since, key=lambda one: one.at)


def _grew(areas: Sequence[float]) -> bool:
    third = max(1, len(areas) // 3)
    return fmean(areas[-third:]) >= GREW * fmean(areas[:third])


def _spread(areas: Sequence[float]) -> float:
    mean = fmean(areas) if areas else 0.0
    return fmean((area - mean) ** 2 for area in areas) ** 0.5 / mean if mean > 0 else 0.0
