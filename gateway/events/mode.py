"""Peace and wartime (平战转换), and drills (演练): which mode holds where and when, and what a mode changes. Pure.

A switch is asked for by one and approved by another; it covers a platform with all below it (or the whole hub), some
classes or all, and ends by itself. ``Modes`` are the switches that hold, ``Modes.at`` the mode of a place and a class;
where two overlap, both hold. A drill may be held in peace or in wartime: it marks, wartime changes ``Conduct``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from gateway.refusals import Refusal
from gateway.settings import WartimeSettings

SwitchState = Literal["asked", "approved", "refused", "withdrawn", "ended", "lapsed"]
SwitchAction = Literal["approve", "refuse", "withdraw", "end"]

STATE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "asked": "待审批",
        "approved": "已生效",
        "refused": "不予批准",
        "withdrawn": "已撤回",
        "ended": "提前结束",
        "lapsed": "到期恢复",
    }
)
ASKERS = frozenset({"duty_officer", "duty_leader", "commander"})
DECIDERS = frozenset({"duty_leader", "commander"})
LONGEST = timedelta(days=30)
"""A switch that must last longer is asked for again."""
WARN_BEFORE = timedelta(minutes=15)
"""How long before its end a switch warns; one that is short warns when three quarters of it are over."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a mode changes. ``window_share``: of acknowledgement and assessment windows; ``limit_share``: of the limits
    of states and classes; ``supervise_share``: of the time that an overdue event may lie until it is supervised;
    ``also_may``: who may take a step beside those of the table."""

    window_share: float = 1.0
    limit_share: float = 1.0
    supervise_share: float = 1.0
    also_may: Mapping[str, frozenset[str]] = field(default_factory=dict)


PEACE = Conduct()


def wartime_conduct(settings: WartimeSettings) -> Conduct:
    return Conduct(
        settings.window_share,
        settings.limit_share,
        settings.supervise_share,
        {"escalate": frozenset(settings.escalated_by)},
    )


@dataclass(frozen=True, slots=True)
class Mode:
    """What holds at one place for one class."""

    wartime: bool = False
    drill: bool = False


@dataclass(frozen=True, slots=True)
class InForce:
    """A switch that was approved. ``platforms`` None: the whole hub; no ``classes``: all of them."""

    wartime: bool
    drill: bool
    since: datetime
    until: datetime
    platforms: frozenset[str] | None = None
    classes: frozenset[str] = frozenset()

    def covers(self, platform: str, class_code: str | None, at: datetime) -> bool:
        return (
            self.since <= at < self.until
            and (self.platforms is None or platform in self.platforms)
            and (not self.classes or class_code in self.classes)
        )


@dataclass(frozen=True, slots=True)
class Modes:
    """The switches in force at ``now``."""

    now: datetime
    switches: tuple[InForce, ...] = ()

    def at(self, platform: str, class_code: str | None = None) -> Mode:
        """The mode for what belongs to ``platform``; without a class, only switches for all classes count."""
        held = [one for one in self.switches if one.covers(platform, class_code, self.now)]
        return Mode(any(one.wartime for one in held), any(one.drill for one in held))


@dataclass(frozen=True, slots=True)
class SwitchAsked:
    """What somebody asks for: wartime, a drill, or a drill of wartime."""

    wartime: bool
    drill: bool
    platform: str
    classes: frozenset[str]
    reason: str
    until: datetime


def checked(asked: SwitchAsked, now: datetime) -> SwitchAsked:
    """Refuses a switch that changes nothing, has no reason, or ends too early or too late."""
    if not (asked.wartime or asked.drill):
        raise Refusal(
            "invalid",
            "mode_unchanged",
            "请选择战时、演练或战时演练。",
            "Ask for wartime, a drill, or a drill of wartime.",
            field="wartime",
        )
    if not asked.reason.strip():
        raise Refusal("invalid", "reason_missing", "请填写事由。", "Say why.", field="reason")
    if not now < asked.until <= now + LONGEST:
        raise Refusal(
            "invalid",
            "mode_until_unfit",
            f"结束时间须在现在之后、{LONGEST.days} 天之内。",
            f"It ends after now, within {LONGEST.days} days.",
            field="until",
        )
    return asked


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides on a switch, and what."""

    action: str
    operator: str
    roles: frozenset[str]
    at: datetime
    opinion: str = ""


def decided(state: str, asked_by: str, until: datetime, decision: Decision) -> SwitchState:
    """The state after a decision. Nobody approves what they asked for; only the asker withdraws it."""
    ways: Mapping[tuple[str, str], SwitchState] = {
        ("asked", "approve"): "approved",
        ("asked", "refuse"): "refused",
        ("asked", "withdraw"): "withdrawn",
        ("approved", "end"): "ended",
    }
    if decision.action not in {action for _, action in ways}:
        raise Refusal(
            "not_found",
            "action_unknown",
            f"没有操作“{decision.action}”。",
            f"There is no action {decision.action!r}.",
            field="action",
        )
    after = ways.get((state, decision.action))
    if after is None or until <= decision.at:
        name = "到期恢复" if until <= decision.at else STATE_NAMES.get(state, state)
        raise Refusal(
            "conflict",
            "mode_state",
            f"该转换当前为“{name}”，不能进行此操作。",
            f"The switch is {'over' if until <= decision.at else state}; that cannot be done now.",
            field="action",
        )
    if decision.action == "withdraw":
        if decision.operator != asked_by:
            raise Refusal("forbidden", "not_the_asker", "只能由申请人撤回。", "Only its asker withdraws it.")
        return after
    if decision.roles.isdisjoint(DECIDERS):
        raise Refusal(
            "forbidden", "role_not_allowed", "须由值班长或指挥长决定。", "A duty leader or commander decides on it."
        )
    if decision.action == "approve" and decision.operator == asked_by:
        raise Refusal(
            "forbidden",
            "approver_is_asker",
            "申请人不能批准自己的申请。",
            "Nobody approves what they asked for themselves.",
            field="action",
        )
    if decision.action in ("refuse", "end") and not decision.opinion.strip():
        raise Refusal("invalid", "reason_missing", "请填写理由。", "Say why.", field="opinion")
    return after


def warns_at(since: datetime, until: datetime) -> datetime:
    """When the end is announced."""
    return max(until - WARN_BEFORE, since + (until - since) * 0.75)
