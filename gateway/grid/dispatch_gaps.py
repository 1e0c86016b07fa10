"""Where only the fallback serves: classes × grids for which no rule of their own ever, or not at all times, fits. Pure.

Grids alike in what rules see, namely those of one platform that no rule names, are looked at once. Where rules have
hours, each moment of the week at which one begins or ends is tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from detectors.rules.schedule import CITY_TIME
from gateway.grid.dispatch import Asked, Basis, Dispatching, Rule

_MONDAY = datetime(2024, 1, 1, tzinfo=CITY_TIME)


@dataclass(frozen=True, slots=True)
class Gap:
    """A class and the grids of a platform (none: places outside every grid) that only ``basis`` serves."""

    class_code: str
    class_name: str
    platform: str
    grids: tuple[str, ...]
    when: Literal["always", "at_times"]
    basis: Basis
    department: str


def gaps(book: Dispatching, classes: Iterable[tuple[str, str]], grids: Sequence[str]) -> list[Gap]:
    """``classes``: code and name; ``grids``: those that are asked about."""
    named = {rule.place_code for rule in book.rules if rule.place == "grid"}
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for grid in grids:
        alike[(book.grids.get(grid, book.hub), grid if grid in named else "")].append(grid)
    moments = _moments(book.rules)
    found = []
    for code, name in classes:
        for (platform, _), group in sorted(alike.items()):
            answers = [book.responsible(Asked(code, name, platform, group[0] if group else None, at)) for at in moments]
            unserved = [answer for answer in answers if answer.basis != "rule"]
            if unserved:
                when: Literal["always", "at_times"] = "always" if len(unserved) == len(answers) else "at_times"
                first = unserved[0]
                found.append(Gap(code, name, platform, tuple(group), when, first.basis, first.department))
    return found


def _moments(rules: Sequence[Rule]) -> list[datetime]:
    """One moment of each stretch of the week in which the same rules are on."""
    if not any(rule.timed for rule in rules):
        return [_MONDAY]
    times = {"00:00"} | {time for rule in rules for span in rule.hours for time in span if time != "24:00"}
    minutes = sorted(int(time[:2]) * 60 + int(time[3:]) for time in times)
    return [_MONDAY + timedelta(days=day, minutes=minute) for day in range(7) for minute in minutes]
