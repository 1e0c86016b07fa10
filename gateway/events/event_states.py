"""The states of a grid event: which action leads from which to which, and who may take it. Pure; a table, not code.

An action without a ``to_state`` leaves the state as it is: it marks, asks or decides. What else an action needs and
changes (deadlines, photographs, requests) is in ``event_case``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
_DISPATCHED_ONCE = "dispatched signed returned handling suspended feedback checking rework"
_EVERY_OPEN = " ".join(sorted(OPEN))


@dataclass(frozen=True, slots=True)
class Transition:
    """One action. ``zh`` names it; ``to_state`` None: the state stays; ``needs_reason``: an opinion must be given.

    ``of_department``: only by whoever acts for the department that the event was dispatched to.
    """

    action: str
    zh: str
    from_states: frozenset[str]
    to_state: str | None
    roles: frozenset[str]
    needs_reason: bool = False
    of_department: bool = False


def _way(
    action: str, zh: str, before: str, after: str | None, roles: str, *, reason: bool = False, department: bool = False
) -> Transition:
    return Transition(action, zh, frozenset(before.split()), after, frozenset(roles.split()), reason, department)


_DESK, _UNIT = "duty_officer duty_leader", "department grid_member"
_TABLE = (
    _way("verify", "派单核实", "reported", "verifying", _DESK),
    _way("verified", "核实反馈", "verifying", "reported", f"grid_member {_DESK}"),
    _way("accept", "受理", "reported", "accepted", _DESK),
    _way("not_accept", "不予受理", "reported", "not_accepted", _DESK, reason=True),
    _way("cancel", "作废", "reported", "cancelled", _DESK, reason=True),
    _way("merge_duplicate", "并案", "reported", "cancelled", _DESK),
    _way("dispatch", "派遣", "accepted returned", "dispatched", "dispatcher"),
    _way("sign", "签收", "dispatched", "signed", _UNIT, department=True),
    _way("return", "退回", "dispatched", "returned", _UNIT, reason=True, department=True),
    _way("handle", "处置", "signed rework", "handling", _UNIT, department=True),
    _way("feedback", "反馈", "handling", "feedback", _UNIT, department=True),
    _way("check", "核查", "feedback", "checking", "checker"),
    _way("close", "办结", "checking", "closed", "checker"),
    _way("rework", "返工", "checking", "rework", "checker", reason=True),
    _way("ask_suspension", "申请挂账", "handling", None, _UNIT, reason=True, department=True),
    _way("suspend", "挂账", "handling", "suspended", "duty_leader", reason=True),
    _way("refuse_suspension", "不予挂账", "handling", None, "duty_leader", reason=True),
    _way("resume", "恢复处置", "suspended", "handling", "duty_leader"),
    _way("ask_extension", "申请延期", "signed handling rework", None, _UNIT, reason=True, department=True),
    _way("extend", "批准延期", "signed handling rework", None, "duty_leader"),
    _way("refuse_extension", "不予延期", "signed handling rework", None, "duty_leader", reason=True),
    _way("urge", "催办", _EVERY_OPEN, None, f"{_DESK} dispatcher"),
    _way("supervise", "督办", _EVERY_OPEN, None, "duty_leader", reason=True),
    _way("mark_urgent", "加急", _EVERY_OPEN, None, _DESK),
    _way("note", "备注", _EVERY_OPEN, None, f"{_DESK} {_UNIT} dispatcher commander checker", reason=True),
    _way("appeal", "申诉", f"{_DISPATCHED_ONCE} closed forced_closed", None, _UNIT, reason=True, department=True),
    _way("approve_appeal", "申诉通过", f"{_DISPATCHED_ONCE} closed forced_closed", None, "duty_leader"),
    _way("refuse_appeal", "申诉驳回", f"{_DISPATCHED_ONCE} closed forced_closed", None, "duty_leader", reason=True),
    _way("escalate", "升级应急", "reported accepted", "escalated", "duty_leader"),
    _way("refuse_escalation", "退回应急", "escalated", "accepted", "commander", reason=True),
    _way("end_emergency", "应急结束", "escalated", "accepted", "commander", reason=True),
    _way("force_close", "强制结案", _EVERY_OPEN, "forced_closed", "duty_leader", reason=True),
)
TRANSITIONS: Mapping[str, Transition] = MappingProxyType({way.action: way for way in _TABLE})


def step(
    state: str, action: str, roles: frozenset[str], opinion: str, also_may: frozenset[str] = frozenset()
) -> Transition:
    """The way that ``action`` takes from ``state``; refuses an unknown action, role, state or a missing reason.

    ``also_may``: roles that the mode lets take it, beside those of the table."""
    way = TRANSITIONS.get(action)
    if way is None:
        raise Refusal(
            "not_found", "action_unknown", f"没有操作“{action}”。", f"There is no action {action!r}.", field="action"
        )
    if (way.roles | also_may).isdisjoint(roles):
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
