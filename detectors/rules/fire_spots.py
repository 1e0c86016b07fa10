"""Spots of 烟火: a place where fire or smoke was seen, look by look, and what those looks say of it.

A spot is *steady* where it neither stirs nor grows (a lamp, a sign), *doubted* where the second look, in a crop at full
size, mostly saw nothing or its judge did not believe it, and *rejected* where an officer has said so of most of what
was seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean, median, pstdev

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
NEAR = 0.25
"""By how much of its sides a spot reaches beyond the box in which it was first seen."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One look at a spot; ``score`` 0: nothing was there. ``area``: of all boxes; their outline may hide a flicker.

    ``confirmed``: what the second look said, None without one; ``judged``: what its judge said of it, 0..1.
    ``rejected``: the rejection that covers all of it. ``too_large``: all of it is, for a second look."""

    at: float
    score: float
    area: float = 0.0
    box: Box | None = None
    confirmed: bool | None = None
    stir: float | None = None
    appearance: tuple[int, ...] = ()
    rejected: str | None = None
    judged: float | None = None
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where fire or smoke was seen. ``fired_from``: since when it burnt, once the rule fired for it;
    ``dismissed_at``: when an officer rejected it while it did. ``proved_for``: seconds of proof that it had at a look
    from which it was hidden; 0: never. It fires at the next look that sees it, if no more is asked for then."""

    anchor: Box
    box: Box
    labels: frozenset[str]
    glimpses: tuple[Glimpse, ...]
    unseen_for: float = 0.0
    fired_from: float | None = None
    dismissed_at: float | None = None
    proved_for: float = 0.0

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
        return max(one.score for one in self.glimpses)

    @property
    def spread(self) -> float:
        """Standard deviation of its area over the mean."""
        areas = [one.area for one in self.seen]
        mean = fmean(areas) if areas else 0.0
        return pstdev(areas) / mean if mean > 0 else 0.0

    @property
    def stir(self) -> float | None:
        """Median change from look to look; None where too few looks could be compared."""
        stirs = [one.stir for one in self.seen if one.stir is not None]
        return round(median(stirs), 4) if len(stirs) >= LEAST_SIGHTINGS else None

    @property
    def steady(self) -> bool:
        """Whether it was seen often enough to say that it neither stirs nor grows."""
        areas = [one.area for one in self.seen]
        if len(areas) < LEAST_SIGHTINGS:
            return False
        stirred = self.stir
        if stirred is None:
            return self.spread < UNSTEADY
        third = max(1, len(areas) // 3)
        return stirred < STIRS and fmean(areas[-third:]) < GREW * fmean(areas[:third])

    @property
    def doubted(self) -> bool:
        """Whether the second look confirmed less than half of what it was taken at."""
        said = [one.confirmed for one in self.seen if one.confirmed is not None]
        return bool(said) and 2 * sum(said) < len(said)

    @property
    def too_large(self) -> bool:
        """Whether no second look was ever taken, mostly because a crop would show no more of it."""
        seen = self.seen
        return all(one.confirmed is None for one in seen) and 2 * sum(one.too_large for one in seen) > len(seen)

    @property
    def judged(self) -> float | None:
        """What the judge of the second look said, at the median; None where it was never asked."""
        said = [one.judged for one in self.seen if one.judged is not None]
        return round(median(said), 3) if said else None

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
