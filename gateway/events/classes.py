"""The event classes (事件分类): codes, neutral names, limits. A table with a version; cities replace it by their own.

Codes have the GB/T 30428 form 大类2+小类2; 90-xx are this project's local classes, since neither a fire in a building
nor a gathering stands in a city-management sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from gateway.refusals import Refusal

VERSION = "2025.1"

Category = Literal["urban", "key_work", "eco", "safety", "other"]
WarningColour = Literal["red", "orange", "yellow", "blue"]


@dataclass(frozen=True, slots=True)
class EventClass:
    """One class. ``level`` is 1 特别重大 … 4 一般, as first reported; ``limit`` counts in urgent hours, which run on.

    ``never_held_back``: a rejection holds back no new alert of this class.
    """

    code: str
    name: str
    category: Category
    level: int
    warning_colour: WarningColour
    limit: timedelta
    advice: str = ""
    never_held_back: bool = False


BY_HAZARD: Mapping[str, EventClass] = MappingProxyType(
    {
        "fire": EventClass(
            "90-01",
            "火情",
            "safety",
            3,
            "orange",
            timedelta(hours=1),
            "请立即核实，必要时拨打119。",
            never_held_back=True,
        ),
        "crowd": EventClass("90-02", "人员聚集", "safety", 4, "yellow", timedelta(hours=2)),
        "stall": EventClass("04-06", "占道经营", "urban", 4, "blue", timedelta(hours=2)),
    }
)


def class_of(hazard: str) -> EventClass:
    """The class into which a detector's hazard falls; refuses an unknown hazard."""
    found = BY_HAZARD.get(hazard)
    if found is None:
        raise Refusal(
            "invalid",
            "hazard_unknown",
            f"没有与“{hazard}”对应的事件分类。",
            f"There is no event class for the hazard {hazard!r}.",
            field="hazard",
        )
    return found
