"""What each process that asks has had of the engine, against the cameras it has. Pure: the time comes in.

Fair queueing by virtual time: a look counts the less the more cameras its asker has, so that a camera among fifty gets
no less than one of two. Who asked for nothing for a while begins where those who waited stand: nothing is saved up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

LATELY = 60.0
"""Seconds for which a camera that was asked about counts as its asker's."""
MOST_AHEAD = 5.0
"""Looks for each of its cameras that an asker can be ahead of others: what urgent ones had long ago counts no more."""


@dataclass(slots=True)
class _Share:
    """``had``: looks for each of its cameras. ``asked``: when each of those was asked about last."""

    had: float
    asked: dict[str, float] = field(default_factory=dict)

    def cameras(self, now: float) -> int:
        return sum(now - at < LATELY for at in self.asked.values())


class Shares:
    """``most_cameras``: of one asker; further names make no share larger."""

    def __init__(self, most_cameras: int) -> None:
        self._most_cameras = most_cameras
        self._shares: dict[int, _Share] = {}
        self._had_by_all = 0.0
        """What each of those who wait has had, at least."""

    def ask(self, asker: int, code: str, now: float) -> None:
        """A question about a camera has come. Askers that are gone are forgotten when a new one comes."""
        if asker not in self._shares:
            self._shares = {one: share for one, share in self._shares.items() if share.cameras(now)}
        asked = self._share(asker).asked
        if code not in asked and len(asked) >= self._most_cameras:
            for old in [one for one, at in asked.items() if now - at >= LATELY]:
                del asked[old]
        if code in asked or len(asked) < self._most_cameras:
            asked[code] = now

    def least(self, waiting: Collection[int]) -> int:
        """Of those who wait the one that has had least."""
        for one in waiting:
            share = self._share(one)
            share.had = max(share.had, self._had_by_all)
        least = min(waiting, key=lambda one: self._share(one).had)
        self._had_by_all = self._share(least).had
        return least

    def looked(self, asker: int, now: float) -> None:
        """The engine looks at a picture for it."""
        share = self._share(asker)
        share.had = min(share.had + 1 / max(1, share.cameras(now)), self._had_by_all + MOST_AHEAD)

    def _share(self, asker: int) -> _Share:
        return self._shares.setdefault(asker, _Share(self._had_by_all))
