"""Whether a look will never end, found while a fire can still be told in time. Pure: turns are counted, no clock read.

A turn is taken once a second by the loop that feeds the engine. A process that stood still itself, in a machine that
was suspended or for want of a processor, took no turns meanwhile: no look is held guilty of that. Nor of a network that
is compiled for pictures of a new shape, for which looks wait by the dozen of seconds while a slow machine starts.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

TURN = 1.0
"""Seconds between two turns, at least."""
HUNG = 10
"""Turns after which a look that has not ended never will: fifty times the longest that was measured with nearly three
others for each core, and twice the time for which anybody waits for an answer: of an engine that is only so slow no
camera has anything either. With 2 s to the next report, by which the process ends, 12 s to load the engine anew under
that load and 4 s in which a fire is seen, a fire is told within its hard limit of 30 s."""
COMPILED = 120
"""Turns after which a look never ends though a network is compiled meanwhile: as long as an engine may take to load."""


class EngineHung(Exception):
    """A look does not end."""


class HangWatch:
    """Told of the looks that are under way at each turn. Raises ``EngineHung``."""

    def __init__(self) -> None:
        self._lasted: dict[Hashable, tuple[int, int]] = {}
        """Turns that each has lasted, and those of them in which nothing was compiled."""

    def turn(self, under_way: Collection[Hashable], *, compiling: bool) -> None:
        before, self._lasted = self._lasted, {}
        for look in under_way:
            turns, computing = before.get(look, (0, 0))
            self._lasted[look] = turns + 1, computing + (not compiling)
        for turns, computing in self._lasted.values():
            if computing > HUNG or turns > COMPILED:
                raise EngineHung(f"a look has lasted for more than {turns * TURN:.0f} s")
