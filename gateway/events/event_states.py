"""The states of a grid event: who moves it from which to which, and how long it may stay. Pure; a table, not code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from gateway.refusals import Refusal

STATE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "reported": "待受理",
        "verifying": "核实中",
        "accepted": "已受理",
        "not_accepted": "不予受理",
        "cancelled": "作废",
        "dispatched": "待签收",
        "signed": "已签收",
        "returned": "退回",
        "handling": "处置中",
        "suspended": "挂账",
        "feedback": "待核查",
        "checking": "核查中",
        "rework": "返工",
        "closed": "办结",
        "escalated": "已升级应急",
        "forced_closed": "强制结案",
    }
)
ENDS = frozenset({"not_accepted", "cancelled", "closed", "forced_closed"})
OPEN = frozenset(STATE_NAMES) - ENDS

STATE_LIMITS: Mapping[str, timedelta] = MappingProxyType(
    {
        "reported": timedelta(minutes=15),
        "verifying": timedelta(minutes=30),
        "accepted": timedelta(minutes=15),
        "dispatched": timedelta(minutes=30),
        "returned": timedelta(minutes=15),
        "feedback": timedelta(minutes=30),
        "checking": timedelta(minutes=30),
    }
)
"""How long an event may stay in a state. ``signed`` begins the limit of its class, which runs on during handling."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from a state to the next. ``zh`` names the action; ``needs_reason``: an opinion must be given."""

    action: str
    zh: str
    from_states: frozenset[str]
    to_state: str
    roles: frozenset[str]
    needs_reason: bool = False


def _way(action: str, zh: str, before: str, after: str, roles: str, *, needs_reason: bool = False) -> Transition:
    return Transition(action, zh, frozenset(before.split()), after, frozenset(roles.split()), needs_reason)


_TABLE = (
    _way("verify", "派单核实", "reported", "verifying", "duty_officer duty_leader"),
    _way("verified", "核实反馈", "verifying", "reported", "grid_member duty_officer duty_leader"),
    _way("accept", "受理", "reported", "accepted", "duty_officer duty_leader"),
    _way("not_accept", "不予受理", "reported", "not_accepted", "duty_officer duty_leader", needs_reason=True),
    _way("cancel", "作废", "reported", "cancelled", "duty_officer duty_leader", needs_reason=True),
    _way("dispatch", "派遣", "accepted returned", "dispatched", "dispatcher"),
    _way("sign", "签收", "dispatched", "signed", "department grid_member"),
    _way("return", "退回", "dispatched", "returned", "department grid_member", needs_reason=True),
    _way("handle", "处置", "signed rework", "handling", "department grid_member"),
    _way("suspend", "挂账", "handling", "suspended", "duty_leader", needs_reason=True),
    _way("resume", "恢复处置", "suspended", "handling", "duty_leader"),
    _way("feedback", "反馈", "handling", "feedback", "department grid_member"),
    _way("check", "核查", "feedback", "checking", "checker"),
    _way("close", "办结", "checking", "closed", "checker"),
    _way("rework", "返工", "checking", "rework", "checker", needs_reason=True),
    _way("escalate", "升级应急", "reported accepted", "escalated", "duty_leader"),
    _way("refuse_escalation", "退回应急", "escalated", "accepted", "commander", needs_reason=True),
    _way("force_close", "强制结案", " ".join(sorted(OPEN)), "forced_closed", "duty_leader", needs_reason=True),
)
TRANSITIONS: Mapping[str, Transition] = MappingProxyType({way.action: way for way in _TABLE})


def step(state: str, action: str, roles: frozenset[str], opinion: str) -> Transition:
    """The way that ``action`` takes from ``state``; refuses an unknown action, role, state or a missing reason."""
    way = TRANSITIONS.get(action)
    if way is None:
        raise Refusal(
            "not_found", "action_unknown", f"没有操作“{action}”。", f"There is no action {action!r}.", field="action"
        )
    if way.roles.isdisjoint(roles):
        raise Refusal(
            "forbidden", "role_not_allowed", f"您的角色无权“{way.zh}”。", f"Your roles do not allow {action!r}."
        )
    if state not in way.from_states:
        raise Refusal(
            "conflict",
            "event_state",
            f"事件当前为“{STATE_NAMES.get(state, state)}”，不能“{way.zh}”。",
            f"The event is {state}; {action!r} cannot be done now.",
            field="action",
        )
    if way.needs_reason and not opinion.strip():
        raise Refusal(
            "invalid", "reason_missing", f"“{way.zh}”须填写理由。", f"{action!r} needs a reason.", field="opinion"
        )
    return way


def due_after(way: Transition, now: datetime, due_at: datetime | None, limit: timedelta) -> datetime | None:
    """The end of the clock after ``way`` was taken: an end has none, handling keeps the one that signing began."""
    if way.to_state in ENDS or way.to_state == "escalated":
        return None
    if way.to_state == "signed":
        return now + limit
    if way.to_state in STATE_LIMITS:
        return now + STATE_LIMITS[way.to_state]
    if way.to_state == "rework":
        return now + limit
    return due_at
