"""What an officer rejected at one camera: a place and an appearance for a hazard, in one view, until it lapses.

A rejection acts at once and only there. For fire it asks for more proof and never silences: what is larger than the
rejected box, reaches out of it or looks otherwise is judged as ever. For a gathering it covers the number of people
that was rejected, for a stall that stall at that place. A camera that turns shows another place in the same box: what
was rejected in one view says nothing of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detectors.appearance import ALIKE, alike
from detectors.observation import Box, Detection

ROOM = 0.1
"""By how much of its sides a rejected box is widened: a detector's boxes tremble."""
LARGER = 1.25
"""A box of more than so many times the rejected one's area is another thing, or the same one growing."""
MORE_PEOPLE = 1.2
"""A gathering of more than so many times the rejected number is another gathering."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """``box`` and ``appearance`` of what was rejected; ``people``: how many, for a gathering. ``until``: seconds since
    the epoch at which it lapses. ``view``: the preset in which it was seen; empty: of a camera that was never steered,
    None: one that nobody stored. ``alerts``: the ids under which what was
    rejected was raised."""

    id: str
    hazard: str
    zone: str
    until: float
    box: Box | None = None
    appearance: tuple[int, ...] = ()
    people: int = 0
    view: str | None = ""
    alerts: tuple[str, ...] = ()

    def covers(self, one: Detection, at: float) -> bool:
        """Whether a detection is what was rejected: there, no larger, and of the same appearance."""
        if self.box is None or at >= self.until:
            return False
        dx, dy = ROOM * self.box.width, ROOM * self.box.height
        room = Box(self.box.x1 - dx, self.box.y1 - dy, self.box.x2 + dx, self.box.y2 + dy)
        within = one.box.area > 0 and one.box.intersection(room) >= 0.999 * one.box.area
        return within and one.box.area <= LARGER * self.box.area and alike(one.appearance, self.appearance) >= ALIKE

    def covers_people(self, people: int, at: float) -> bool:
        """Whether a gathering of so many is the one that was rejected."""
        return at < self.until and people <= MORE_PEOPLE * self.people


def of_view(suppressions: Iterable[Suppression], view: str | None) -> tuple[Suppression, ...]:
    """Those that were rejected in the view that a camera has."""
    return tuple(one for one in suppressions if one.view == view)


def parse(facts: Mapping[str, Any]) -> Suppression:
    """From its JSON form. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    box = facts.get("box")
    return Suppression(
        id=str(facts["id"]),
        hazard=str(facts["hazard"]),
        zone=str(facts["zone"]),
        until=float(facts["until"]),
        box=None if box is None else Box(*(float(side) for side in box)),
        appearance=tuple(int(number) for number in facts.get("appearance") or ()),
        people=int(facts.get("people") or 0),
        view=_view(facts.get("view", "")),
        alerts=tuple(str(one) for one in facts.get("alerts") or ()),
    )


def _view(said: object) -> str | None:
    if said is None or isinstance(said, str):
        return said
    raise TypeError("a view is named by its preset")
