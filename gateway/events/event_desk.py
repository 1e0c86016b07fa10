"""What people do with events: report one, take a step, add a photograph. Each act is one transaction: the event, its
flow, outbox and audit row are there together or not at all.

A deadline that has passed counts even before the sweep has come by: the clock runs first, then the act is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_case import APPROVALS, Act, decide
from gateway.events.event_records import add_flow, case_of, case_values, held_event, set_case
from gateway.events.event_scope import sees_event
from gateway.events.opening import Opening
from gateway.events.responsibility import chosen, kept
from gateway.events.shown import EventShown, shown_event
from gateway.events.timekeeping import let_lapse
from gateway.grid.dispatch import Asked
from gateway.refusals import Refusal
from gateway.storage.evidence_files import StoredFile
from gateway.storage.tables.events import EventFlowRow, EventRow, EvidenceRow
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.rooms import RoomOpeningRow

MOST_PHOTOS = 50
"""Photographs that people may add to one event."""
SOURCES = ("desk", "phone", "grid_staff")


@dataclass(frozen=True, slots=True)
class StepAsked:
    """What a step carries. ``revision``: the one the caller looked at; None where it does not matter to them."""

    opinion: str = ""
    revision: int | None = None
    department: str | None = None
    assignee: str | None = None
    until: datetime | None = None
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """An event that a person reports. ``report_id`` (UUID): sent again, it is the same event."""

    report_id: str
    class_code: str
    description: str
    source: str
    address: str = ""
    lng: float | None = None
    lat: float | None = None
    grid: str | None = None
    seen_at: datetime | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph that has been kept as a file."""

    id: str
    kind: str
    media_type: str
    sha256: str
    file: StoredFile


class EventDesk:
    def __init__(self, announcer: Announcer, opening: Opening) -> None:
        self._announcer = announcer
        self._opening = opening

    async def report(self, caller: Caller, report: Report) -> EventShown:
        """An event that somebody saw or was told of by phone; it belongs to the caller's platform."""

        async def work(session: AsyncSession, changes: Changes) -> EventShown:
            known = await session.get(EventRow, report.report_id)
            if known is not None:
                if known.reported_by != caller.username:
                    raise Refusal(
                        "conflict",
                        "report_id_taken",
                        "上报编号已被使用。",
                        "The report id is taken.",
                        field="report_id",
                    )
                return await shown_event(session, known)
            kind = (await self._opening.books.current(session)).classes.of_code(report.class_code)
            seen_at = min(report.seen_at or changes.at, changes.at)
            case = await self._opening.first_case(session, caller.platform, kind, seen_at, changes.at)
            mode = await self._opening.mode(session, caller.platform, kind.code, changes.at)
            event = EventRow(
                id=report.report_id,
                platform=caller.platform,
                no=await self._opening.numbering.next(session, caller.platform, changes.at),
                open_key=None,
                hazard=kind.hazard or "other",
                class_code=kind.code,
                class_name=kind.name,
                level=kind.level,
                warning_colour=kind.warning_colour,
                category=kind.category,
                camera_code="",
                camera_name="",
                zone="",
                grid=report.grid,
                lng=report.lng,
                lat=report.lat,
                address=report.address,
                reported_at=changes.at,
                source=report.source,
                reported_by=caller.username,
                description=report.description,
                drill=mode.drill,
                responsible=kept(
                    await self._opening.responsible(
                        session, Asked(kind.code, kind.name, caller.platform, report.grid, changes.at)
                    )
                ),
                **(case_values(case) | {"urgent": report.urgent}),
            )
            session.add(event)
            await session.flush()
            await add_flow(session, event, None, "report", caller.username, report.description, changes.at)
            changes.event(event, "event.opened")
            _audit(caller, "event.report", event, changes)
            return await shown_event(session, event)

        return await self._announcer.commit(work)

    async def act(self, caller: Caller, event_no: str, action: str, asked: StepAsked | None = None) -> EventShown:
        """Take a step: by the table of the states, and by the rules of ``event_case``."""

        async def work(session: AsyncSession, changes: Changes) -> EventShown:
            return await self.step(session, changes, caller, event_no, action, asked or StepAsked())

        return await self._announcer.commit(work)

    async def step(
        self, session: AsyncSession, changes: Changes, caller: Caller, event_no: str, action: str, asked: StepAsked
    ) -> EventShown:
        """The same within a transaction of the caller's."""
        event = await seen_event(session, caller, event_no)
        seen = event.revision
        rules = await self._opening.rules(session, event.platform, event.class_code, changes.at)
        await let_lapse(session, event, changes.at, rules)
        case = case_of(event)
        given = await self._given(session, caller, event, asked, changes.at) if action == "dispatch" else None
        act = Act(
            action,
            caller.username,
            caller.roles,
            changes.at,
            asked.opinion.strip(),
            given.department if given else None,
            given.assignee if given else asked.assignee,
            asked.until,
            await _original(session, caller, event, action, asked),
            await _photos(session, event) if action == "feedback" else 0,
            event.department is None or caller.sees(event.department),
            await _asked_by(session, event, action),
        )
        after = decide(case, act, rules)  # what the state does not allow tells more than that it is another one
        if asked.revision is not None and asked.revision != seen:
            raise stale()
        set_case(event, after)
        if given is not None:
            event.responsible = given.responsible
        await session.flush()
        await add_flow(session, event, case.state, action, caller.username, _told(act), changes.at)
        if after.state == "escalated" and case.state != "escalated":
            session.add(
                RoomOpeningRow(
                    platform=event.platform,
                    event_no=event.no,
                    asked_by=caller.username,
                    asked_at=changes.at,
                    next_at=changes.at,
                )
            )
            await session.flush()
        changes.event(event, "event.changed")
        _audit(caller, f"event.{action}", event, changes, act.opinion)
        return await shown_event(session, event)

    async def add_photo(self, caller: Caller, event_no: str, photo: Photo) -> EventShown:
        """Add a photograph to an event that is still open."""

        async def work(session: AsyncSession, changes: Changes) -> EventShown:
            return await self.attach(session, changes, caller, event_no, photo)

        return await self._announcer.commit(work)

    async def attach(
        self, session: AsyncSession, changes: Changes, caller: Caller, event_no: str, photo: Photo
    ) -> EventShown:
        """The same within a transaction of the caller's."""
        event = await seen_event(session, caller, event_no)
        may_add(event)
        known = await session.get(EvidenceRow, photo.id)
        if known is None:
            if await _how_many(session, event) >= MOST_PHOTOS:
                raise Refusal(
                    "conflict",
                    "photos_too_many",
                    f"一个事件最多 {MOST_PHOTOS} 张照片。",
                    f"An event has at most {MOST_PHOTOS} photographs.",
                )
            session.add(
                EvidenceRow(
                    id=photo.id,
                    platform=event.platform,
                    event_no=event.no,
                    added_by=caller.username,
                    kind=photo.kind,
                    media_type=photo.media_type,
                    path=photo.file.path,
                    sha256=photo.sha256,
                    size=photo.file.size,
                    starts_at=changes.at,
                    ends_at=changes.at,
                    stored_at=changes.at,
                )
            )
            await session.flush()
            changes.event(event, "event.changed")
            _audit(caller, "event.photo", event, changes, f"{photo.kind} sha256:{photo.sha256}")
        return await shown_event(session, event)

    async def _given(
        self, session: AsyncSession, caller: Caller, event: EventRow, asked: StepAsked, at: datetime
    ) -> _Given:
        """Whom it is dispatched to: whom the rules name now, unless the caller names a platform in their sight.

        What the rules name may lie beyond the caller's sight: whoever wrote the rule saw it."""
        place = Asked(event.class_code, event.class_name, event.platform, event.grid, at)
        proposed = await self._opening.responsible(session, place)
        if asked.department in (None, proposed.department):
            return _Given(proposed.department, asked.assignee or proposed.assignee, kept(proposed))
        shown = event.responsible or {}
        if asked.department == shown.get("department"):  # what the caller was shown; the hour has changed meanwhile
            return _Given(asked.department, asked.assignee or shown.get("assignee"), shown)
        row = await session.scalar(select(Platform).where(Platform.code == asked.department))
        if row is None or not caller.sees(row.code):
            raise Refusal(
                "invalid",
                "department_unknown",
                f"没有责任单位“{asked.department}”，或不在您的管辖范围内。",
                f"There is no department {asked.department!r} in your scope.",
                field="department",
            )
        return _Given(row.code, asked.assignee, chosen(row.code, row.name, asked.assignee, caller.username))


@dataclass(frozen=True, slots=True)
class _Given:
    department: str
    assignee: str | None
    responsible: dict[str, Any]


async def seen_event(session: AsyncSession, caller: Caller, event_no: str) -> EventRow:
    """The event, held until the transaction ends; refused as unknown where the caller does not see it."""
    found = await held_event(session, event_no)
    if found is None or not sees_event(caller, found.platform, found.department):
        raise Refusal("not_found", "event_unknown", "没有这一事件。", "There is no such event.", field="no")
    return found


def may_add(event: EventRow) -> None:
    """Refuses to add to an event that has ended: its record is complete."""
    if event.closed_at is not None:
        raise Refusal(
            "conflict",
            "event_ended",
            "事件已结束，不能再添加照片。",
            "The event has ended; nothing can be added to it.",
        )


async def _photos(session: AsyncSession, event: EventRow) -> int:
    """After-photos that were added since the handling began; those of an earlier round do not count again."""
    query = select(func.count()).where(EvidenceRow.event_no == event.no, EvidenceRow.kind == "after_photo")
    if event.handling_since is not None:
        query = query.where(EvidenceRow.stored_at >= event.handling_since)
    return (await session.execute(query)).scalar_one()


async def _asked_by(session: AsyncSession, event: EventRow, action: str) -> str | None:
    """Who last asked for what ``action`` approves."""
    if action not in APPROVALS:
        return None
    query = select(EventFlowRow.operator).where(
        EventFlowRow.event_no == event.no, EventFlowRow.action == APPROVALS[action]
    )
    return await session.scalar(query.order_by(EventFlowRow.seq.desc()).limit(1))


async def _how_many(session: AsyncSession, event: EventRow) -> int:
    return (await session.execute(select(func.count()).where(EvidenceRow.event_no == event.no))).scalar_one()


async def _original(
    session: AsyncSession, caller: Caller, event: EventRow, action: str, asked: StepAsked
) -> str | None:
    """The event that this one duplicates: another one, in sight, and not itself a duplicate."""
    if action != "merge_duplicate" or asked.duplicate_of is None:
        return None
    found = await held_event(session, asked.duplicate_of) if asked.duplicate_of != event.no else None
    if found is None or found.duplicate_of is not None or not sees_event(caller, found.platform, found.department):
        raise Refusal(
            "invalid",
            "duplicate_target_unfit",
            "不能并入该事件：它不存在、就是本事件或本身已并案。",
            "It cannot be merged into that event: it is not there, is the same one, or is a duplicate itself.",
            field="duplicate_of",
        )
    return found.no


def _told(act: Act) -> str:
    """The opinion in the flow, with what the step was about, so that the flow alone tells the story."""
    parts = [act.opinion]
    if act.department is not None:
        parts.append(f"责任单位：{act.department}" + (f"，经办人：{act.assignee}" if act.assignee else ""))
    if act.until is not None:
        parts.append(f"延期至：{act.until.isoformat(timespec='minutes')}")
    if act.duplicate_of is not None:
        parts.append(f"并入事件：{act.duplicate_of}")
    return "\n".join(part for part in parts if part)


def stale() -> Refusal:
    return Refusal(
        "conflict",
        "revision_stale",
        "记录已被他人修改，请刷新后重试。",
        "The record was changed meanwhile; fetch it again and retry.",
        field="revision",
    )


def _report_id_taken() -> Refusal:
    return Refusal("conflict", "report_id_taken", "上报编号已被使用。", "The report id is taken.", field="report_id")


def _audit(caller: Caller, what: str, event: EventRow, changes: Changes, why: str = "") -> None:
    changes.audit(audit.Act(caller.username, what, f"event:{event.no}", event.platform, why))
