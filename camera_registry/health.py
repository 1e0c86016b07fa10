"""A camera's health as a pure machine: observations and a time in, one state with its evidence out.

Every camera is in exactly one of the states. What comes from the pull (connecting, live, stalled, offline, refused) is
known at once; what is judged from pictures (frozen, dark, covered, blurred, moved) must last, so that headlights or a
passing lorry change nothing, and must be gone for a while before the camera counts as live again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

HealthState = Literal[
    "connecting", "live", "stalled", "frozen", "dark", "covered", "blurred", "moved", "auth_failed", "clock_skewed",
    "offline",
]  # fmt: skip
STATES: tuple[HealthState, ...] = get_args(HealthState)
PictureFault = Literal["frozen", "dark", "covered", "blurred", "moved"]

LIVE_PICTURE: frozenset[HealthState] = frozenset({"live", "dark", "covered", "blurred", "moved", "clock_skewed"})
"""States in which pictures arrive and are of now; in all others nothing may be shown as live."""

UNWELL: frozenset[HealthState] = frozenset({"stalled", "offline", "auth_failed"})
"""States that last until pictures arrive again."""

WORDS: Mapping[HealthState, tuple[str, str]] = MappingProxyType({
    "connecting": ("正在连接", "connecting"),
    "live": ("正常", "live"),
    "stalled": ("画面停止：已连接但没有新画面，请检查摄像机", "stalled: connected, no pictures; check the camera"),
    "frozen": ("画面冻结：重复同一画面，请重启摄像机", "frozen: the same picture again and again; restart the camera"),
    "dark": ("画面过暗，请检查补光", "dark: check the lighting"),
    "covered": ("画面被遮挡，请到现场查看", "covered: go and look"),
    "blurred": ("画面模糊，请清洁镜头或重新对焦", "blurred: clean the lens or focus it"),
    "moved": ("视角已变动，请核对布防区域", "moved: check the zones"),
    "auth_failed": ("登录被拒，请核对用户名和口令", "login refused: check the username and password"),
    "clock_skewed": ("时钟不准，请启用 NTP 校时", "the clock is wrong: let it set its time by NTP"),
    "offline": ("离线，请检查供电和网络", "offline: check power and network"),
})  # fmt: skip
"""What an operator reads, Chinese and English."""

FAULT_SECONDS: dict[PictureFault, float] = {
    "frozen": 4.0, "dark": 8.0, "covered": 6.0, "blurred": 10.0, "moved": 8.0,
}  # fmt: skip
"""How long a picture's fault must last before it is the camera's state: all within 30 s, judged every few seconds. That
a picture is frozen is only ever said after it has been the same for a while (``picture_quality.STILL_SECONDS``)."""
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


LOGIN_REFUSED = frozenset({"auth_failed", "forbidden", "clear_login_needed"})
"""Reasons of the pull that mean: there is no login that the camera takes."""
SKEW_SECONDS = 60.0
"""Beyond this a camera's own time stamps, and many cameras' logins, are of no use."""


def from_pull(phase: str, reason: str | None) -> Observation | None:
    """What a change of the pull's phase tells: ``connecting``, ``live``, ``away`` with a reason, ``stopped``.

    None for ``stopped``, which says nothing about the camera.
    """
    match phase:
        case "connecting":
            return PullOpened()
        case "live":
            return PacketArrived()
        case "away" if reason == "stalled":
            return NothingArrived()
        case "away":
            return PullFailed(reason or "connection_lost", login=reason in LOGIN_REFUSED)
        case _:
            return None


def initial(now: float) -> Health:
    return Health("connecting", "registered", now)


def step(health: Health, seen: Observation, now: float) -> Health:
    """The health after one observation. ``since`` changes only with the state."""
    match seen:
        case PullOpened():
            # A reconnection does not hide why the last one failed.
            return health if health.state in UNWELL else _to(health, "connecting", "opening", now)
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
    if health.state not in LIVE_PICTURE and health.state != "frozen":
        return health  # a picture decoded late says nothing of now
    if fault is not None:
        if fault != health.fault:
            # A lens that is being covered may look turned away at first: what is wrong is one fault all along.
            same = health.fault is not None and health.state not in FAULT_SECONDS
            health = replace(health, fault=fault, fault_from=health.fault_from if same else now)
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
