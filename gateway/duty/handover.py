"""The handover (交接班): what is open is summed up by itself, who leaves signs for it, and who comes signs or refuses.

The summary is kept as it stood when it was given, so that nobody can later say they had not been told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.alert_states import UNDECIDED
from gateway.events.event_scope import visible_events
from gateway.refusals import Refusal
from gateway.storage.tables.access import User
from gateway.storage.tables.base import Base
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.duty import HandoverRow
from gateway.storage.tables.events import AlertRow, EventRow
from gateway.storage.tables.modes import ModeSwitchRow
from gateway.storage.tables.rooms import RoomRow

MOST = 100
"""Lines named in each part of a summary; the counts are of all."""
SOON = timedelta(hours=1)
A_SHIFT = timedelta(hours=12)
RECEIVERS = frozenset({"duty_officer", "duty_leader", "commander"})
WELL = ("live", "connecting")

Row = TypeVar("Row", bound=Base)


async def summed_up(session: AsyncSession, caller: Caller, now: datetime) -> dict[str, Any]:
    """What a shift leaves behind, JSON-ready: open events by state and deadline, alerts that nobody assessed, cameras
    that are not well, open rooms, and the modes that hold. Drills stand in it, marked."""
    events = select(EventRow).where(visible_events(caller), EventRow.closed_at.is_(None))
    states = select(EventRow.state, func.count()).where(visible_events(caller), EventRow.closed_at.is_(None))
    by_state = {state: count for state, count in await session.execute(states.group_by(EventRow.state))}  # noqa: C416
    alerts = select(AlertRow).where(caller.visible(AlertRow.platform), AlertRow.state.in_(UNDECIDED))
    cameras = select(CameraRow).where(
        caller.visible(CameraRow.platform), CameraRow.status == "in_use", CameraRow.health_state.not_in(WELL)
    )
    rooms = select(RoomRow).where(caller.visible(RoomRow.platform), RoomRow.state == "open")
    modes = select(ModeSwitchRow).where(
        caller.visible(ModeSwitchRow.platform), ModeSwitchRow.state == "approved", ModeSwitchRow.until > now
    )
    return {
        "at": now.isoformat(),
        "events_open": sum(by_state.values()),
        "events_by_state": dict(sorted(by_state.items())),
        "overdue": await _part(session, events.where(EventRow.due_at <= now).order_by(EventRow.due_at), _event),
        "due_soon": await _part(
            session,
            events.where(EventRow.due_at > now, EventRow.due_at <= now + SOON).order_by(EventRow.due_at),
            _event,
        ),
        "suspended": await _part(
            session, events.where(EventRow.state == "suspended").order_by(EventRow.reported_at), _event
        ),
        "alerts_unassessed": await _part(session, alerts.order_by(AlertRow.raised_at), _alert),
        "cameras_down": await _part(session, cameras.order_by(CameraRow.health_since), _camera),
        "rooms_open": await _part(session, rooms.order_by(RoomRow.created_at), _room),
        "modes": await _part(session, modes.order_by(ModeSwitchRow.until), _mode),
    }


async def give(session: AsyncSession, caller: Caller, to: str, remarks: str, now: datetime) -> HandoverRow:
    """Draw up a handover and sign it as who leaves. Refuses an unfit receiver and a second one that waits."""
    receiver = await session.scalar(select(User).where(User.username == to))
    fit = receiver is not None and not receiver.disabled and not RECEIVERS.isdisjoint(receiver.roles)
    if receiver is None or not fit or to == caller.username or receiver.platform != caller.platform:
        raise Refusal(
            "invalid",
            "receiver_unfit",
            "接班人须是本平台另一位值班人员。",
            "Who takes over is another duty person of the same platform.",
            field="to",
        )
    waiting = select(HandoverRow.id).where(
        HandoverRow.platform == caller.platform, HandoverRow.given_by == caller.username, HandoverRow.state == "given"
    )
    if await session.scalar(waiting.limit(1)) is not None:
        raise Refusal(
            "conflict", "handover_waits", "您已有一份待签收的交班。", "A handover of yours waits for its signature."
        )
    last = select(HandoverRow.received_at).where(
        HandoverRow.platform == caller.platform,
        HandoverRow.received_by == caller.username,
        HandoverRow.state == "signed",
        HandoverRow.received_at > now - 4 * A_SHIFT,
    )
    since = await session.scalar(last.order_by(HandoverRow.received_at.desc()).limit(1))
    row = HandoverRow(
        platform=caller.platform,
        given_by=caller.username,
        given_at=now,
        since=since or now - A_SHIFT,
        remarks=remarks.strip(),
        summary=await summed_up(session, caller, now),
        received_by=to,
    )
    session.add(row)
    await session.flush()
    await audit.append(
        session, audit.Act(caller.username, "handover.give", f"handover:{row.id}", row.platform, to), now
    )
    return row


ANSWERS: Mapping[str, str] = {"sign": "signed", "refuse": "refused"}


async def receive(
    session: AsyncSession, caller: Caller, handover_id: str, answer: str, opinion: str, now: datetime
) -> HandoverRow:
    """``sign`` or ``refuse``, by the named receiver alone; a refusal says why."""
    if answer not in ANSWERS:
        raise Refusal("not_found", "action_unknown", "没有这一操作。", "There is no such action.", field="action")
    query = select(HandoverRow).where(HandoverRow.id == handover_id, caller.visible(HandoverRow.platform))
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise Refusal("not_found", "handover_unknown", "没有这份交班。", "There is no such handover.", field="id")
    if row.received_by != caller.username:
        raise Refusal("forbidden", "not_the_receiver", "只能由接班人签收。", "Only who takes over signs for it.")
    if row.state != "given":
        raise Refusal("conflict", "handover_done", "该交班已处理。", "The handover has been answered.", field="action")
    if answer == "refuse" and not opinion.strip():
        raise Refusal("invalid", "reason_missing", "退回须填写理由。", "Say why.", field="opinion")
    row.state, row.received_at, row.opinion = ANSWERS[answer], now, opinion.strip()
    await session.flush()
    act = audit.Act(caller.username, f"handover.{answer}", f"handover:{row.id}", row.platform, row.opinion)
    await audit.append(session, act, now)
    return row


async def _part(session: AsyncSession, query: Select[Row], shown: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    counted = query.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    total = (await session.execute(counted)).scalar_one()
    return {"total": total, "items": [shown(row) for row in await session.scalars(query.limit(MOST))]}


def _event(row: EventRow) -> dict[str, Any]:
    return {
        "no": row.no,
        "class_name": row.class_name,
        "state": row.state,
        "department": row.department,
        "due_at": row.due_at.isoformat() if row.due_at else None,
        "drill": row.drill,
    }


def _alert(row: AlertRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "class_name": row.class_name,
        "camera_name": row.camera_name,
        "state": row.state,
        "raised_at": row.raised_at.isoformat(),
        "drill": row.drill,
    }


def _camera(row: CameraRow) -> dict[str, Any]:
    return {"code": row.code, "name": row.name, "state": row.health_state, "since": row.health_since.isoformat()}


def _room(row: RoomRow) -> dict[str, Any]:
    return {"id": row.id, "title": row.title, "number": row.number, "event_no": row.event_no, "drill": row.drill}


def _mode(row: ModeSwitchRow) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "wartime": row.wartime,
        "drill": row.drill,
        "reason": row.reason,
        "until": row.until.isoformat(),
    }
