"""The duty log and a handover as workbooks, Chinese first: what is printed, signed by hand, and filed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.duty.log import LogEntry
from gateway.duty.workbook import Cell, Sheet, write_workbook
from gateway.events.event_states import STATE_NAMES
from gateway.events.local_time import LOCAL_TIME
from gateway.storage.tables.duty import HandoverRow

KIND_NAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "note": ("记事", "Note"),
        "sign_in": ("登录", "Sign-in"),
        "handover": ("交接班", "Handover"),
        "alert": ("预警", "Alert"),
        "event": ("事件", "Event"),
        "mode": ("平战转换", "Mode"),
        "camera": ("摄像机", "Camera"),
        "room": ("会商", "Room"),
    }
)
PARTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "overdue": ("超时事件", "Overdue events"),
        "due_soon": ("一小时内到期", "Due within an hour"),
        "suspended": ("挂账事件", "Suspended events"),
        "alerts_unassessed": ("未研判预警", "Alerts not assessed"),
        "cameras_down": ("异常摄像机", "Cameras not well"),
        "rooms_open": ("进行中的会商", "Open rooms"),
        "modes": ("平战转换与演练", "Modes in force"),
    }
)


def write_log(path: Path, entries: Iterable[LogEntry], since: datetime, until: datetime) -> None:
    """The oldest first, as a log is read on paper."""
    head = (
        "时间 Time",
        "类别 Kind",
        "人员 Who",
        "平台 Platform",
        "演练 Drill",
        "内容",
        "Text",
        "编号 No.",
        "更正 Corrects",
    )
    rows = (
        (
            one.at, " ".join(KIND_NAMES[one.kind]), one.who, one.platform, "演练 drill" if one.drill else "", one.zh,
            one.en if one.en != one.zh else "", one.subject or one.id, one.corrects or "",
        )
        for one in entries
    )  # fmt: skip
    preface = (f"值班日志 Duty log  {_local(since)} — {_local(until)}",)
    write_workbook(path, [Sheet("值班日志", head, rows, (20, 16, 16, 12, 10, 60, 60, 30, 30), preface)])


def write_handover(path: Path, row: HandoverRow) -> None:
    """The summary as it was signed for."""
    summary = row.summary
    states: Mapping[str, int] = summary["events_by_state"]
    facts: list[Sequence[Cell]] = [
        ("交班人 Given by", row.given_by),
        ("交班时间 Given at", row.given_at),
        ("接班人 Received by", row.received_by),
        ("状态 State", {"given": "待签收 waiting", "signed": "已签收 signed", "refused": "退回 refused"}[row.state]),
        ("签收时间 Received at", row.received_at),
        ("交班说明 Remarks", row.remarks),
        ("接班意见 Opinion", row.opinion),
        ("未办结事件 Open events", summary["events_open"]),
        *((f"  {STATE_NAMES.get(state, state)} {state}", count) for state, count in states.items()),
        *((f"{zh} {en}", summary[name]["total"]) for name, (zh, en) in PARTS.items()),
        ("交班人签字 Signature", ""),
        ("接班人签字 Signature", ""),
    ]
    title = f"交接班 Handover  {_local(row.since)} — {_local(row.given_at)}"
    sheets = [Sheet("交接班", ("项目 Item", "内容 Value"), facts, (34, 60), (title,))]
    for name, (zh, en) in PARTS.items():
        items: list[Mapping[str, Any]] = summary[name]["items"]
        if items:
            head = tuple(items[0])
            rows = [[_plain(item.get(column)) for column in head] for item in items]
            sheets.append(Sheet(zh, head, rows, tuple([24] * len(head)), (f"{zh} {en}: {summary[name]['total']}",)))
    write_workbook(path, sheets)


def _plain(value: Any) -> Cell:
    if isinstance(value, bool):
        return "是 yes" if value else ""
    return value if isinstance(value, int | float | str) else None if value is None else str(value)


def _local(at: datetime) -> str:
    return f"{at.astimezone(LOCAL_TIME):%Y-%m-%d %H:%M}"
