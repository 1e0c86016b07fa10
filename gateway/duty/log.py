"""The duty log (值班日志): what people write into it, and beside it what the gateway knows by itself.

Only entries by hand have rows here, and these are only ever added; a correction is a further entry. What happened by
itself (sign-ins, alerts, steps of events, modes, camera outages, rooms, handovers) is read from where it was recorded,
append-only as that is: one truth, nothing copied, and nothing in the way of an alert.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Literal, get_args

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.alert_states import STATE_NAMES as ALERT_STATES
from gateway.events.event_scope import visible_events
from gateway.events.event_states import STATE_NAMES as EVENT_STATES
from gateway.events.event_states import TRANSITIONS
from gateway.refusals import Refusal
from gateway.storage.tables.access import User, UserSession
from gateway.storage.tables.camera_health import CameraHealthRow
from gateway.storage.tables.duty import DutyEntryRow, HandoverRow
from gateway.storage.tables.events import AlertRow, EventFlowRow, EventRow
from gateway.storage.tables.modes import ModeLogRow, ModeSwitchRow
from gateway.storage.tables.rooms import RoomRow

Kind = Literal["note", "sign_in", "handover", "alert", "event", "mode", "camera", "room"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST = timedelta(days=31)
MOST = 500
DEEPEST = 10_000
"""How far a reader may page; whoever looks for more asks for a shorter time."""

MODE_ACTS: Mapping[str, str] = MappingProxyType(
    {
        "ask": "申请",
        "approve": "批准",
        "refuse": "不予批准",
        "withdraw": "撤回",
        "end": "提前结束",
        "warn": "即将到期",
        "lapse": "到期恢复",
    }
)
OTHER_ACTS: Mapping[str, str] = MappingProxyType(
    {
        "report": "上报",
        "open_room": "开启会商",
        "room_waits": "会商待开启",
        "propose_not_accept": "建议不予受理",
        "alert_link": "关联预警",
        "alert_confirm": "预警属实",
        "alert_merge": "合并预警",
    }
)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log. ``subject``: the number, code or id it is about; ``corrects``: the entry put right."""

    at: datetime
    id: str
    kind: Kind
    platform: str
    who: str
    zh: str
    en: str
    subject: str = ""
    drill: bool = False
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From ``since`` to before ``until``."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if not timedelta(0) < self.until - self.since <= LONGEST:
            raise Refusal(
                "invalid",
                "period_unfit",
                f"起始时间须早于结束时间，且不超过 {LONGEST.days} 天。",
                f"A period begins before it ends and lasts at most {LONGEST.days} days.",
                field="since",
            )


async def read_log(
    session: AsyncSession, caller: Caller, span: Span, kinds: Sequence[Kind], limit: int, offset: int = 0
) -> list[LogEntry]:
    """The newest first, in the caller's scope; each source is asked for no more than can be shown."""
    most = offset + limit
    found = [await _SOURCES[kind](session, caller, span, most) for kind in (kinds or KINDS)]
    merged = heapq.merge(*found, key=lambda one: (one.at, one.id), reverse=True)
    return list(islice(merged, offset, most))


async def write_note(
    session: AsyncSession, caller: Caller, text: str, corrects: str | None, now: datetime
) -> DutyEntryRow:
    """An entry by hand; ``corrects`` an earlier one in the caller's scope, which stays as it was written."""
    if not text.strip():
        raise Refusal("invalid", "text_missing", "请填写日志内容。", "Write something.", field="text")
    if corrects is not None:
        query = select(DutyEntryRow.id).where(DutyEntryRow.id == corrects, caller.visible(DutyEntryRow.platform))
        if await session.scalar(query) is None:
            raise Refusal("not_found", "entry_unknown", "没有这条日志。", "There is no such entry.", field="corrects")
    row = DutyEntryRow(platform=caller.platform, at=now, author=caller.username, text=text.strip(), corrects=corrects)
    session.add(row)
    await session.flush()
    what = "duty.correct" if corrects else "duty.note"
    await audit.append(session, audit.Act(caller.username, what, f"entry:{row.id}", row.platform), now)
    return row


async def _notes(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = DutyEntryRow
    query = select(row).where(caller.visible(row.platform), row.at >= span.since, row.at < span.until)
    return _sorted(
        LogEntry(one.at, one.id, "note", one.platform, one.author, one.text, one.text, corrects=one.corrects)
        for one in await session.scalars(query.order_by(row.at.desc()).limit(most))
    )


async def _sign_ins(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = UserSession
    query = (
        select(row.created_at, row.id, row.platform, User.username, User.display_name)
        .join(User, User.id == row.user_id)
        .where(caller.visible(row.platform), row.room_id.is_(None), row.kind == "cookie")
        .where(row.expires_at > span.since, row.created_at >= span.since, row.created_at < span.until)
    )
    return _sorted(
        LogEntry(at, id_, "sign_in", platform, username, f"{name} 登录值班台", f"{name} signed in")
        for at, id_, platform, username, name in await session.execute(
            query.order_by(row.created_at.desc()).limit(most)
        )
    )


async def _handovers(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = HandoverRow
    query = select(row).where(caller.visible(row.platform), _either(row.given_at, row.received_at, span))
    entries = []
    for one in await session.scalars(query.order_by(row.given_at.desc()).limit(most)):
        to = one.received_by
        if one.given_at >= span.since:
            zh, en = f"向 {to} 交班", f"handed over to {to}"
            entries.append(LogEntry(one.given_at, one.id, "handover", one.platform, one.given_by, zh, en, one.id))
        if one.received_at is not None and span.since <= one.received_at < span.until:
            signed = one.state == "signed"
            zh = (f"签收 {one.given_by} 的交班" if signed else f"退回 {one.given_by} 的交班") + _after(one.opinion)
            en = f"{'signed for' if signed else 'refused'} the handover of {one.given_by}{_after(one.opinion)}"
            entries.append(LogEntry(one.received_at, f"{one.id}:2", "handover", one.platform, to, zh, en, one.id))
    return _sorted(entries)[:most]


async def _alerts(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = AlertRow
    entries = []
    raised = select(row).where(caller.visible(row.platform), row.raised_at >= span.since, row.raised_at < span.until)
    for one in await session.scalars(raised.order_by(row.raised_at.desc()).limit(most)):
        zh, en = f"{one.camera_name} 预警：{one.class_name}", f"alert at {one.camera_name}: {one.class_name}"
        entries.append(LogEntry(one.raised_at, one.id, "alert", one.platform, audit.SYSTEM, zh, en, one.id, one.drill))
    judged = select(row).where(
        caller.visible(row.platform), row.assessed_at >= span.since, row.assessed_at < span.until
    )
    for one in await session.scalars(judged.order_by(row.assessed_at.desc()).limit(most)):
        state = ALERT_STATES.get(one.state, one.state)
        zh = f"{one.camera_name} {one.class_name} 预警研判：{state}{_after(one.reason)}"
        en = f"alert at {one.camera_name} ({one.class_name}) assessed: {one.state}{_after(one.reason)}"
        at, who = one.assessed_at or one.raised_at, one.assessed_by or audit.SYSTEM
        entries.append(LogEntry(at, f"{one.id}:2", "alert", one.platform, who, zh, en, one.id, one.drill))
    return _sorted(entries)[:most]


async def _events(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    flow = EventFlowRow
    query = (
        select(flow, EventRow.class_name, EventRow.drill)
        .join(EventRow, EventRow.no == flow.event_no)
        .where(visible_events(caller), flow.at >= span.since, flow.at < span.until)
    )
    entries = []
    for step, class_name, drill in await session.execute(query.order_by(flow.at.desc(), flow.id.desc()).limit(most)):
        way = TRANSITIONS.get(step.action)
        name = way.zh if way is not None else OTHER_ACTS.get(step.action, step.action)
        state = EVENT_STATES.get(step.to_state, step.to_state)
        moved = step.from_state != step.to_state
        zh = f"{class_name} {step.event_no} {name}" + (f" → {state}" if moved else "") + _after(step.opinion)
        en = f"{class_name} {step.event_no} {step.action}" + (f" → {step.to_state}" if moved else "")
        entries.append(
            LogEntry(
                step.at, step.id, "event", step.platform, step.operator, zh, en + _after(step.opinion), step.event_no,
                drill,
            )
        )  # fmt: skip
    return _sorted(entries)


async def _modes(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = ModeLogRow
    query = (
        select(row, ModeSwitchRow.wartime, ModeSwitchRow.drill)
        .join(ModeSwitchRow, ModeSwitchRow.id == row.switch_id)
        .where(caller.visible(row.platform), row.at >= span.since, row.at < span.until)
    )
    entries = []
    for one, wartime, drill in await session.execute(query.order_by(row.at.desc()).limit(most)):
        zh_kind = ("战时演练" if drill else "战时") if wartime else "演练"
        en_kind = ("wartime drill" if drill else "wartime") if wartime else "drill"
        zh = f"{zh_kind} {MODE_ACTS.get(one.action, one.action)}{_after(one.opinion)}"
        en = f"{en_kind}: {one.action}{_after(one.opinion)}"
        entries.append(LogEntry(one.at, one.id, "mode", one.platform, one.operator, zh, en, one.switch_id, drill))
    return _sorted(entries)


CAMERA_STATES: Mapping[str, str] = MappingProxyType(
    {
        "live": "恢复正常",
        "stalled": "停流",
        "frozen": "画面冻结",
        "dark": "画面过暗",
        "covered": "遮挡",
        "blurred": "模糊",
        "moved": "画面偏移",
        "auth_failed": "认证失败",
        "clock_skewed": "时钟偏差",
        "offline": "离线",
    }
)


async def _cameras(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = CameraHealthRow
    query = select(row).where(
        caller.visible(row.platform), row.at >= span.since, row.at < span.until, row.state.in_(CAMERA_STATES)
    )
    return _sorted(
        LogEntry(
            one.at, one.id, "camera", one.platform, audit.SYSTEM,
            f"摄像机 {one.camera_code} {CAMERA_STATES[one.state]}", f"camera {one.camera_code}: {one.state}",
            one.camera_code,
        )
        for one in await session.scalars(query.order_by(row.at.desc()).limit(most))
    )  # fmt: skip


async def _rooms(session: AsyncSession, caller: Caller, span: Span, most: int) -> list[LogEntry]:
    row = RoomRow
    query = select(row).where(caller.visible(row.platform), _either(row.created_at, row.ended_at, span))
    entries = []
    for one in await session.scalars(query.order_by(row.created_at.desc()).limit(most)):
        about = f"“{one.title}”" + (f"（事件 {one.event_no}）" if one.event_no else "")
        en_about = f"{one.title!r}" + (f" (event {one.event_no})" if one.event_no else "")
        if one.created_at >= span.since:
            zh, en = f"会商室{about}开启", f"room {en_about} opened"
            entries.append(
                LogEntry(one.created_at, one.id, "room", one.platform, one.created_by, zh, en, one.id, one.drill)
            )
        if one.ended_at is not None and span.since <= one.ended_at < span.until:
            zh, en = f"会商室{about}结束", f"room {en_about} ended"
            entries.append(
                LogEntry(one.ended_at, f"{one.id}:2", "room", one.platform, audit.SYSTEM, zh, en, one.id, one.drill)
            )
    return _sorted(entries)[:most]


_Source = Callable[[AsyncSession, Caller, Span, int], Awaitable[list[LogEntry]]]
_SOURCES: Mapping[Kind, _Source] = MappingProxyType(
    {
        "note": _notes,
        "sign_in": _sign_ins,
        "handover": _handovers,
        "alert": _alerts,
        "event": _events,
        "mode": _modes,
        "camera": _cameras,
        "room": _rooms,
    }
)


def _either(
    begun: InstrumentedAttribute[datetime], ended: InstrumentedAttribute[datetime | None], span: Span
) -> ColumnElement[bool]:
    return or_(
        and_(begun >= span.since, begun < span.until),
        and_(ended >= span.since, ended < span.until),
    )


def _sorted(entries: Iterable[LogEntry]) -> list[LogEntry]:
    return sorted(entries, key=lambda one: (one.at, one.id), reverse=True)


def _after(text: str) -> str:
    return f"：{text}" if text else ""
