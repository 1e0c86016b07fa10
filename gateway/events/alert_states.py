"""The states of an alert and what moves it from one to the next. Pure; a table, not code.

An alert never dies unattended: while nobody has decided, one of its windows runs, and when that lapses the alert
becomes an event. Whether its hazard still lasts (``ended_at``) is another matter than its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from gateway.refusals import Refusal

AlertState = Literal["detected", "acknowledged", "confirmed", "false_positive", "merged", "auto_promoted"]
AlertAction = Literal["acknowledge", "confirm", "reject", "merge", "promote", "link"]
Verdict = Literal["confirmed", "false_positive", "merged"]

STATE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "detected": "待研判",
        "acknowledged": "研判中",
        "confirmed": "属实",
        "false_positive": "误报",
        "merged": "合并",
        "auto_promoted": "自动转事件",
    }
)

TRANSITIONS: Mapping[tuple[str, AlertAction], AlertState] = MappingProxyType(
    {
        ("detected", "acknowledge"): "acknowledged",
        ("detected", "confirm"): "confirmed",
        ("detected", "reject"): "false_positive",
        ("detected", "merge"): "merged",
        ("detected", "promote"): "auto_promoted",
        ("detected", "link"): "merged",
        ("acknowledged", "confirm"): "confirmed",
        ("acknowledged", "reject"): "false_positive",
        ("acknowledged", "merge"): "merged",
        ("acknowledged", "promote"): "auto_promoted",
        ("acknowledged", "link"): "merged",
        # Judged after the event has opened: the event stays, with the judgement in its flow.
        ("auto_promoted", "confirm"): "confirmed",
        ("auto_promoted", "reject"): "false_positive",
    }
)
"""``promote`` and ``link`` (to the open event of the same place and hazard) are the system's, the others a person's."""

ACTION_OF: Mapping[Verdict, AlertAction] = MappingProxyType(
    {"confirmed": "confirm", "false_positive": "reject", "merged": "merge"}
)

UNDECIDED = frozenset({"detected", "acknowledged"})


def next_state(state: str, action: AlertAction) -> AlertState:
    """Where ``action`` leads from ``state``; refuses what the table does not hold."""
    found = TRANSITIONS.get((state, action))
    if found is None:
        name = STATE_NAMES.get(state, state)
        raise Refusal(
            "conflict",
            "alert_state",
            f"预警当前为“{name}”，不能进行此操作。",
            f"The alert is {state}; that cannot be done now.",
            field="state",
        )
    return found


def deadline(state: str, acknowledge_until: datetime, assess_until: datetime | None) -> datetime | None:
    """When the alert becomes an event unless a person decides; None once it is decided."""
    if state == "detected":
        return acknowledge_until
    if state == "acknowledged":
        return assess_until
    return None


def extends(open_state: str, never_held_back: bool) -> bool:
    """Whether a hazard raised anew extends the open alert of its place. A rejected fire holds no new one back."""
    return not (open_state == "false_positive" and never_held_back)
