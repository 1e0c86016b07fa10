"""How an alert becomes an event, or joins the one that is open: the same for the sweep, the desk and the intake.

All of it happens in the caller's transaction, with the alert's row held: alert, event, flow row, outbox and audit row
are there together or not at all. Rows are locked in this order: alert, event, counter, audit head.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.events.alert_states import AlertAction, next_state
from gateway.events.announcing import Changes
from gateway.events.books import CityBooks
from gateway.events.classes import EventClass
from gateway.events.event_case import EventCase, reported
from gateway.events.event_records import add_flow, case_values, first_flow, held_event
from gateway.events.local_time import LOCAL_TIME
from gateway.events.mode import PEACE, Conduct, Mode, wartime_conduct
from gateway.events.modes_in_force import modes_in_force
from gateway.events.numbering import EventNumbering
from gateway.events.responsibility import kept
from gateway.events.timers import TimerRules
from gateway.grid.dispatch import Asked, Responsible
from gateway.grid.dispatch_book import DispatchBook
from gateway.settings import LimitSettings, Settings, WartimeSettings
from gateway.storage.tables.events import AlertRow, EventRow

UNATTENDED = "预警无人处理，系统自动上报。"


def open_key(camera_code: str, zone: str, hazard: str, drill: bool = False) -> str:
    """What an open alert or event is the only one for. What is real never disappears into a drill's."""
    return f"{camera_code}|{zone}|{hazard}" + ("|drill" if drill else "")


@dataclass(frozen=True, slots=True)
class Opening:
    """``wartime``: what wartime changes. What opens in a drill (演练) is marked as such."""

    numbering: EventNumbering = field(default_factory=EventNumbering)
    books: CityBooks = field(default_factory=CityBooks)
    timers: TimerRules = field(default_factory=lambda: TimerRules.of(LimitSettings()))
    wartime: Conduct = field(default_factory=lambda: wartime_conduct(WartimeSettings()))
    dispatch: DispatchBook = field(default_factory=DispatchBook)

    @classmethod
    def of(cls, settings: Settings, books: CityBooks, dispatch: DispatchBook | None = None) -> Opening:
        return cls(
            books=books,
            timers=TimerRules.of(settings.limits),
            wartime=wartime_conduct(settings.wartime),
            dispatch=dispatch or DispatchBook(),
        )

    async def responsible(self, session: AsyncSession, asked: Asked) -> Responsible:
        """Whose an event is, by the dispatch rules as they are now."""
        return (await self.dispatch.current(session)).responsible(asked)

    async def mode(self, session: AsyncSession, platform: str, class_code: str, now: datetime) -> Mode:
        return (await modes_in_force(session, now)).at(platform, class_code)

    async def conduct(self, session: AsyncSession, platform: str, class_code: str, now: datetime) -> Conduct:
        """What the mode of this platform and class changes now."""
        return self.wartime if (await self.mode(session, platform, class_code, now)).wartime else PEACE

    async def rules(self, session: AsyncSession, platform: str, class_code: str, now: datetime) -> TimerRules:
        """The rules of the clocks, with the working days as they are known now, in the mode that holds."""
        conduct = await self.conduct(session, platform, class_code, now)
        return replace(self.timers, days=(await self.books.current(session)).days).under(conduct)

    async def promote(self, session: AsyncSession, alert: AlertRow, changes: Changes) -> EventRow:
        """Nobody attended to it in time: the system opens the event, or links the alert to the open one."""
        event = await open_event(session, alert)
        if event is not None:
            await self.link(session, alert, event, changes, "link", operator=audit.SYSTEM)
            return event
        return await self._open(session, alert, changes, "promote", operator=audit.SYSTEM, opinion=UNATTENDED)

    async def confirm(
        self, session: AsyncSession, alert: AlertRow, changes: Changes, *, operator: str, opinion: str
    ) -> EventRow:
        """A person found the alert to be real: opens the event at once, or notes it in the one there is."""
        event = await held_event(session, alert.event_no) if alert.event_no else await open_event(session, alert)
        if event is not None:
            await self.link(session, alert, event, changes, "confirm", operator=operator, opinion=opinion)
            return event
        return await self._open(session, alert, changes, "confirm", operator=operator, opinion=opinion)

    async def link(
        self,
        session: AsyncSession,
        alert: AlertRow,
        event: EventRow,
        changes: Changes,
        action: AlertAction,
        *,
        operator: str,
        opinion: str = "",
    ) -> None:
        """Add the alert to an event that is there; the event's state stays."""
        alert.state = next_state(alert.state, action)
        alert.due_at = None
        alert.event_no = event.no
        await session.flush()
        await add_flow(session, event, event.state, f"alert_{action}", operator, opinion, changes.at)
        changes.alert(alert, "alert.changed")
        changes.event(event, "event.changed")

    async def first_case(
        self, session: AsyncSession, platform: str, kind: EventClass, seen_at: datetime, now: datetime
    ) -> EventCase:
        """An event of this class as it stands when it is reported. It keeps its class's limit, whatever comes after."""
        case = EventCase(
            state="reported",
            seen_at=seen_at,
            limit_clock=kind.limit.clock,
            limit_amount=kind.limit.amount,
            same_slot=kind.same_slot,
        )
        return reported(case, now, await self.rules(session, platform, kind.code, now))

    async def _open(
        self,
        session: AsyncSession,
        alert: AlertRow,
        changes: Changes,
        action: AlertAction,
        *,
        operator: str,
        opinion: str,
    ) -> EventRow:
        no = await self.numbering.next(session, alert.platform, changes.at)
        event = await self._event_of(session, alert, no, changes)
        alert.state = next_state(alert.state, action)
        session.add(event)
        await session.flush()
        alert.due_at = None
        alert.event_no = event.no
        await session.flush()
        # What was merged into the alert goes where the alert goes.
        await session.execute(update(AlertRow).where(AlertRow.merged_into == alert.id).values(event_no=event.no))
        await add_flow(session, event, None, "report", operator, opinion, changes.at)
        self._tell(alert, event, changes, action, operator)
        return event

    async def promote_new(self, session: AsyncSession, alerts: Sequence[AlertRow], changes: Changes) -> None:
        """The same as ``promote`` for many at once, none of which is stored yet, nor has an open event: their places
        all differ. The alerts are left to be added by the caller, after the events they name."""
        by_platform: defaultdict[str, list[AlertRow]] = defaultdict(list)
        for alert in alerts:
            by_platform[alert.platform].append(alert)
        events: list[tuple[AlertRow, EventRow]] = []
        for platform in sorted(by_platform):
            group = by_platform[platform]
            numbers = await self.numbering.next_many(session, platform, changes.at, len(group))
            for alert, no in zip(group, numbers, strict=True):
                events.append((alert, await self._event_of(session, alert, no, changes)))
        session.add_all([event for _, event in events])
        await session.flush()
        for alert, event in events:
            alert.state = next_state(alert.state, "promote")
            alert.due_at, alert.event_no = None, event.no
            session.add(first_flow(event, audit.SYSTEM, UNATTENDED, changes.at))
            self._tell(alert, event, changes, "promote", audit.SYSTEM)

    def _tell(self, alert: AlertRow, event: EventRow, changes: Changes, action: str, operator: str) -> None:
        changes.alert(alert, "alert.changed")
        changes.event(event, "event.opened")
        why = f"alert:{alert.id} {action}"
        changes.audit(audit.Act(operator, "event.open", f"event:{event.no}", event.platform, why=why))

    async def _event_of(self, session: AsyncSession, alert: AlertRow, no: str, changes: Changes) -> EventRow:
        kind = (await self.books.current(session)).classes.of_hazard(alert.hazard)
        case = await self.first_case(session, alert.platform, kind, alert.hazard_from, changes.at)
        return EventRow(
            platform=alert.platform,
            no=no,
            open_key=open_key(alert.camera_code, alert.zone, alert.hazard, alert.drill),
            hazard=alert.hazard,
            class_code=kind.code,
            class_name=kind.name,
            level=kind.level,
            warning_colour=kind.warning_colour,
            category=kind.category,
            camera_code=alert.camera_code,
            camera_name=alert.camera_name,
            zone=alert.zone,
            grid=alert.grid,
            lng=alert.lng,
            lat=alert.lat,
            address=alert.address,
            reported_at=changes.at,
            description=_description(alert, kind.name, kind.advice),
            drill=alert.drill,
            responsible=kept(
                await self.responsible(session, Asked(kind.code, kind.name, alert.platform, alert.grid, changes.at))
            ),
            **case_values(case),
        )


async def open_event(session: AsyncSession, alert: AlertRow) -> EventRow | None:
    """The open event of the alert's camera, zone and hazard, held until the transaction ends."""
    key = open_key(alert.camera_code, alert.zone, alert.hazard, alert.drill)
    return await session.scalar(select(EventRow).where(EventRow.open_key == key).with_for_update())


def _description(alert: AlertRow, name: str, advice: str) -> str:
    """What a duty officer reads first: neutral words, nothing that the detector does not know."""
    seen = alert.hazard_from.astimezone(LOCAL_TIME)
    place = f"“{alert.camera_name}”" + (f"（区域 {alert.zone}）" if alert.zone else "")
    return f"{seen:%Y-%m-%d %H:%M:%S} 摄像机{place}发现疑似{name}。{advice}"
