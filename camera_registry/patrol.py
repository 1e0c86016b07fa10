"""A head that moves by itself: a guided tour set at the camera, told from one that somebody turned. Pure.

Who turns a camera away leaves it so. A tour comes back: the usual view is gone and there again, round after round,
without an order of ours. After ``ROUNDS`` such returns it is a tour, until the view stays away far longer than it did.
"""

from __future__ import annotations

from dataclasses import dataclass

ROUNDS = 2
"""Returns after which it is a tour: one may be a hand that turned the camera and back."""
WITHIN_SECONDS = 3_600.0
SHORTEST_ABSENCE = 4.0
"""Seconds; below this a lorry stood before the lens."""
PATIENCE, LEAST_PATIENCE = 2.0, 60.0
"""How many times its longest absence a tour may be away, and the seconds it is waited for at least."""


@dataclass(frozen=True, slots=True)
class Absence:
    """The usual view was gone from ``begin`` to ``end``."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Patrol:
    """One camera's. Times are seconds and grow."""

    def __init__(self) -> None:
        self._absences: list[Absence] = []
        self._away_since: float | None = None

    def away(self, at: float) -> None:
        """Another view is seen."""
        if self._away_since is None:
            self._away_since = at

    def home(self, at: float) -> None:
        """The usual view is seen."""
        if self._away_since is not None and at - self._away_since >= SHORTEST_ABSENCE:
            self._absences.append(Absence(self._away_since, at))
        self._away_since = None
        self._absences = [one for one in self._absences if at - one.end < WITHIN_SECONDS]

    def moves_by_itself(self, at: float) -> bool:
        """Whether it is on a tour, and what is seen now is no sign that somebody turned it."""
        recent = [one for one in self._absences if at - one.end < WITHIN_SECONDS]
        if len(recent) < ROUNDS:
            return False
        longest = max(one.seconds for one in recent)
        return self._away_since is None or at - self._away_since <= max(PATIENCE * longest, LEAST_PATIENCE)

    def forget(self) -> None:
        """Its usual view is another one from now on."""
        self._absences.clear()
        self._away_since = None
