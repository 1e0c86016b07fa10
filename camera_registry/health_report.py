"""Online rate and picture quality (视频质量诊断) from the cameras' changes: seconds in each state, by platform, by day.

Pure. A camera is *watched* from its registration until it is stopped or taken out, but for the moments in which we
ourselves were connecting; it is *online* while video arrives, and its picture is *good* while it is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby

from camera_registry.health import LIVE_PICTURE

ONLINE = LIVE_PICTURE | {"frozen"}
UNWATCHED_REASONS = frozenset({"stopped", "removed", "awaiting"})


@dataclass(frozen=True, slots=True)
class HealthChange:
    """From ``at`` on the camera was in ``state``."""

    code: str
    platform: str
    state: str
    reason: str
    at: datetime


@dataclass(slots=True)
class DayReport:
    """One platform's cameras on one day. ``seconds``: of all its cameras together, in each state; ``affected``: how
    many cameras were in a state at some time; ``changes``: how often one came into it."""

    platform: str
    day: date
    seconds: dict[str, float] = field(default_factory=dict)
    affected: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    cameras: int = 0

    @property
    def watched(self) -> float:
        """Denominator of the online rate (在线率), seconds."""
        return sum(seconds for state, seconds in self.seconds.items() if state != "connecting")

    @property
    def online(self) -> float:
        """Numerator of the online rate and denominator of the rate of good pictures (图像完好率), seconds."""
        return sum(seconds for state, seconds in self.seconds.items() if state in ONLINE)

    @property
    def good(self) -> float:
        """Numerator of the rate of good pictures, seconds."""
        return self.seconds.get("live", 0.0)

    @property
    def online_rate(self) -> float | None:
        return self.online / self.watched if self.watched else None

    @property
    def good_picture_rate(self) -> float | None:
        return self.good / self.online if self.online else None


def report(changes: Iterable[HealthChange], since: datetime, until: datetime, zone: tzinfo) -> tuple[DayReport, ...]:
    """By platform and day. ``changes``: by camera and time; of each camera the last one before ``since`` among them."""
    days: dict[tuple[str, date], DayReport] = {}
    for _, mine in groupby(changes, key=lambda change: change.code):
        _count(list(mine), since, until, zone, days)
    return tuple(days[key] for key in sorted(days))


def _count(
    changes: Sequence[HealthChange],
    since: datetime,
    until: datetime,
    zone: tzinfo,
    days: dict[tuple[str, date], DayReport],
) -> None:
    seen: dict[tuple[str, date], set[str]] = {}
    ends = [*(change.at for change in changes[1:]), until]
    for was, end in zip(changes, ends, strict=True):
        if was.reason in UNWATCHED_REASONS:
            continue
        for day, seconds in _by_day(max(was.at, since), min(end, until), zone):
            key = (was.platform, day)
            told = days.setdefault(key, DayReport(*key))
            told.seconds[was.state] = told.seconds.get(was.state, 0.0) + seconds
            seen.setdefault(key, set()).add(was.state)
        if since <= was.at < until:
            key = (was.platform, was.at.astimezone(zone).date())
            told = days.setdefault(key, DayReport(*key))
            told.changes[was.state] = told.changes.get(was.state, 0) + 1
    for key, states in seen.items():
        days[key].cameras += 1
        for state in states:
            days[key].affected[state] = days[key].affected.get(state, 0) + 1


def _by_day(begin: datetime, end: datetime, zone: tzinfo) -> Iterable[tuple[date, float]]:
    """The seconds of each day between two times."""
    while begin < end:
        local = begin.astimezone(zone)
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), zone)
        stop = min(end, midnight)
        yield local.date(), (stop - begin).total_seconds()
        begin = stop
