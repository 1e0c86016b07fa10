"""A camera's health as a pure machine: observations and a time in, one state with its evidence out.

Every camera is in exactly one of the states. What comes from the pull (connecting, live, stalled, offline, refused) is
known at once; what is judged from pictures (frozen, dark, covered, blurred, moved) must last, so that headlights or a
passing lorry change nothing, and must be gone for a while before the camera counts as live again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

HealthState = Literal[
    "connecting", "live", "stalled", "frozen", "dark", "covered", "blurred", "moved", "auth_failed", "clock_skewed",
    "offline",
]  # fmt: skip
STATES: tuple[HealthState, ...] = get_args(HealthState)
PictureFault = Literal["frozen", "dark", "covered", "blurred", "moved"]

LIVE_PICTURE: frozenset[HealthState] = frozenset({"live", "dark", "covered", "blurred", "moved", "clock_skewed"})
"""States in which pictures arrive and are of now; in all others nothing may be shown as live."""

FAULT_SECONDS: dict[PictureFault, float] = {
    "frozen": 10.0, "dark": 10.0, "covered": 5.0, "blurred": 30.0, "moved": 10.0,
}  # fmt: skip
"""How long a picture's fault must last before it is the camera's state."""
CLEAR_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PullOpened:
    """A connection is being made."""


@dataclass(frozen=True, slots=True)
class PacketArrived:
    """Video arrived just now."""


@dataclass(frozen=True, slots=True)
class NothingArrived:
    """The connection stands and no video came for longer than the camera is allowed to be silent."""

    reason: str = "stalled"


@dataclass(frozen=True, slots=True)
class PullFailed:
    """The connection could not be made or broke; ``login`` where the camera refused the login."""

    reason: str
    login: bool = False


@dataclass(frozen=True, slots=True)
class PictureJudged:
    """What one keyframe looks like: a fault, or None for a good picture."""

    fault: PictureFault | None = None


@dataclass(frozen=True, slots=True)
class ClockRead:
    """The camera's clock less ours, in seconds."""

    offset: float


Observation = PullOpened | PacketArrived | NothingArrived | PullFailed | PictureJudged | ClockRead


@dataclass(frozen=True, slots=True)
class Health:
    """``since`` and all times are seconds since the epoch. The private fields carry what must last."""

    state: HealthState
    reason: str
    since: float
    fault: PictureFault | None = None
    fault_from: float = 0.0
    clear_from: float | None = None
    clock_wrong: bool = False


SKEW_SECONDS = 60.0
"""Beyond this a camera's own time stamps, and many cameras' logins, are of no use."""


def initial(now: float) -> Health:
    return Health("connecting", "registered", now)


def step(health: Health, seen: Observation, now: float) -> Health:
    """The health after one observation. ``since`` changes only with the state."""
    match seen:
        case PullOpened():
            # A reconnection does not hide why the last one failed.
            return health if health.state in ("offline", "auth_failed") else _to(health, "connecting", "opening", now)
        case PullFailed(reason, login):
            cleared = replace(health, fault=None, clear_from=None)
            return _to(cleared, "auth_failed" if login else "offline", reason, now)
        case NothingArrived(reason):
            return _to(replace(health, fault=None, clear_from=None), "stalled", reason, now)
        case ClockRead(offset):
            wrong = abs(offset) > SKEW_SECONDS
            return _settled(replace(health, clock_wrong=wrong), now) if wrong != health.clock_wrong else health
        case PacketArrived():
            return health if health.state in LIVE_PICTURE or health.state == "frozen" else _alive(health, now)
        case PictureJudged(fault):
            return _judged(health, fault, now)


def _judged(health: Health, fault: PictureFault | None, now: float) -> Health:
    if fault is not None:
        if fault != health.fault:
            return replace(health, fault=fault, fault_from=now, clear_from=None)
        lasting = now - health.fault_from >= FAULT_SECONDS[fault]
        return _to(replace(health, clear_from=None), fault, fault, now) if lasting else replace(health, clear_from=None)
    if health.state not in FAULT_SECONDS:
        return replace(health, fault=None, clear_from=None)
    if health.clear_from is None:
        return replace(health, clear_from=now)
    return _alive(health, now) if now - health.clear_from >= CLEAR_SECONDS else health


def _alive(health: Health, now: float) -> Health:
    fresh = replace(health, fault=None, clear_from=None)
    return _to(fresh, "clock_skewed", "clock_skewed", now) if health.clock_wrong else _to(fresh, "live", "video", now)


def _settled(health: Health, now: float) -> Health:
    return _alive(health, now) if health.state in ("live", "clock_skewed") else health


def _to(health: Health, state: HealthState, reason: str, now: float) -> Health:
    if health.state == state:
        return replace(health, reason=reason)
    return replace(health, state=state, reason=reason, since=now)
