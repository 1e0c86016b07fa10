"""Plans (预案): which posts and cameras come into a room opened on an event, by its class and grid.

The plan that says most wins: class and grid before class alone, before grid alone, before the one for any; of two
alike, the one for the mode that holds (平战). Beside the cameras it names, the event's own and the nearest come in.

A plan acts by itself only under the name of a duty leader or commander: who wrote it, or approved what another wrote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.scopes import above
from gateway.clock import Clock
from gateway.events.modes_in_force import modes_in_force
from gateway.refusals import Refusal
from gateway.rooms.consultation import Invitee
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import EventRow
from gateway.storage.tables.rooms import RoomPlanRow

PlanMode = Literal["*", "peace", "wartime"]
ANY: Literal["*"] = "*"
MOST_PLANS = 2000
MOST_CAMERAS = 9


@dataclass(frozen=True, slots=True)
class Plan:
    """``class_code``, ``grid`` and ``mode`` may be ``*``. ``opens``: by itself, when such an event is escalated."""

    class_code: str
    grid: str
    invitees: tuple[Invitee, ...]
    cameras: tuple[str, ...]
    nearest: int
    mode: PlanMode = ANY
    opens: bool = True


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan as it stands in the table: who wrote it, and whose standing order it is (None: nobody's)."""

    id: str
    plan: Plan
    author: str | None
    approved_by: str | None
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Called:
    """Who and what comes into a room on an event."""

    invited: tuple[Invitee, ...]
    cameras: tuple[str, ...]


def chosen(plans: Iterable[Plan], class_code: str, grid: str | None, *, wartime: bool = False) -> Plan | None:
    """The plan that says most about this class and grid, in this mode. Pure."""
    mode = "wartime" if wartime else "peace"
    fitting = [
        one
        for one in plans
        if one.class_code in (class_code, ANY) and one.grid in (grid, ANY) and one.mode in (mode, ANY)
    ]
    return max(fitting, key=lambda one: (one.class_code != ANY, one.grid != ANY, one.mode != ANY), default=None)


async def plan_of(session: AsyncSession, event: EventRow, now: datetime) -> KeptPlan | None:
    """The plan by which the service itself acts: of the event's platform or one above, in the mode that holds now."""
    query = select(RoomPlanRow).where(RoomPlanRow.platform.in_(await above(session, event.platform)))
    kept = [_kept(row) for row in await session.scalars(query.limit(MOST_PLANS))]
    mode = (await modes_in_force(session, now)).at(event.platform, event.class_code)
    best = chosen([one.plan for one in kept], event.class_code, event.grid, wartime=mode.wartime)
    return next((one for one in kept if one.plan is best), None)


async def kept_plan(session: AsyncSession, plan_id: str) -> KeptPlan | None:
    row = await session.get(RoomPlanRow, plan_id)
    return _kept(row) if row is not None else None


async def called_on(session: AsyncSession, caller: Caller, event: EventRow, plan: Plan | None) -> Called:
    """Who and what a plan calls to this event, of the cameras those in the caller's scope; without a plan its own
    camera and the two nearest."""
    nearest = plan.nearest if plan else 2
    near = await _nearest(session, caller, event, nearest) if nearest else []
    cameras = dict.fromkeys([event.camera_code, *(plan.cameras if plan else ()), *near])
    return Called(plan.invitees if plan else (), tuple(one for one in cameras if one)[:MOST_CAMERAS])


def metres(lng: float, lat: float, other_lng: float, other_lat: float) -> float:
    """Distance of two points near each other (WGS-84), on a plane that touches the globe."""
    north = (other_lat - lat) * 111_320
    east = (other_lng - lng) * 111_320 * math.cos(math.radians(lat))
    return math.hypot(north, east)


class Plans:
    """The plan table of each platform."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def called_by(self, caller: Caller, event_no: str) -> Called:
        """Who and what the event's plan calls. Refuses ``event_unknown``."""
        async with self._db.reading() as session:
            query = select(EventRow).where(EventRow.no == event_no, caller.visible(EventRow.platform))
            event = await session.scalar(query)
            if event is None:
                raise Refusal("not_found", "event_unknown", "没有这一事件。", "No such event.", field="event_no")
            mode = (await modes_in_force(session, self._clock())).at(event.platform, event.class_code)
            plan = chosen(await _plans(session, caller), event.class_code, event.grid, wartime=mode.wartime)
            return await called_on(session, caller, event, plan)

    async def listed(self, caller: Caller) -> list[KeptPlan]:
        async with self._db.reading() as session:
            rows = await session.scalars(_visible(caller).order_by(RoomPlanRow.class_code, RoomPlanRow.grid))
            return [_kept(row) for row in rows]

    async def put(self, caller: Caller, plan: Plan) -> str:
        """Set the plan for this class, grid and mode; one that stands is replaced, and its approval with it. Who may
        approve plans stands behind what they write."""
        now = self._clock()
        approves = caller.may("rooms.approve")
        try:
            async with self._db.transaction() as session:
                query = select(RoomPlanRow).where(
                    RoomPlanRow.platform == caller.platform,
                    RoomPlanRow.class_code == plan.class_code,
                    RoomPlanRow.grid == plan.grid,
                    RoomPlanRow.mode == plan.mode,
                )
                row = await session.scalar(query)
                if row is None:
                    row = RoomPlanRow(
                        id=new_id(),
                        platform=caller.platform,
                        class_code=plan.class_code,
                        grid=plan.grid,
                        mode=plan.mode,
                    )
                    session.add(row)
                row.invitees = [dict(msgspec.to_builtins(one)) for one in plan.invitees]
                row.cameras = list(plan.cameras)
                row.nearest = plan.nearest
                row.opens = plan.opens
                row.author = caller.username
                row.approved_by, row.approved_at = (caller.username, now) if approves else (None, None)
                await session.flush()
                why = f"{plan.class_code} {plan.grid} {plan.mode}"
                act = audit.Act(caller.username, "plan.put", f"plan:{row.id}", row.platform, why)
                await audit.append(session, act, now)
        except IntegrityError:
            raise Refusal(
                "conflict", "revision_stale", "预案刚被他人修改。", "The plan was changed meanwhile."
            ) from None
        return row.id

    async def approve(self, caller: Caller, plan_id: str) -> None:
        """From now on the plan acts by itself under the caller's name. Refuses ``plan_unknown``."""
        now = self._clock()
        async with self._db.transaction() as session:
            row = await _held(session, caller, plan_id)
            row.approved_by, row.approved_at = caller.username, now
            await session.flush()
            why = f"{row.class_code} {row.grid} {row.mode}, written by {row.author or '?'}"
            act = audit.Act(caller.username, "plan.approve", f"plan:{row.id}", row.platform, why)
            await audit.append(session, act, now)

    async def delete(self, caller: Caller, plan_id: str) -> None:
        now = self._clock()
        async with self._db.transaction() as session:
            row = await _held(session, caller, plan_id)
            await session.delete(row)
            await session.flush()
            why = f"{row.class_code} {row.grid} {row.mode}"
            await audit.append(
                session, audit.Act(caller.username, "plan.delete", f"plan:{row.id}", row.platform, why), now
            )


async def _held(session: AsyncSession, caller: Caller, plan_id: str) -> RoomPlanRow:
    row = await session.get(RoomPlanRow, plan_id, with_for_update=True)
    if row is None or not caller.sees(row.platform):
        raise Refusal("not_found", "plan_unknown", "没有这一预案。", "There is no such plan.")
    return row


async def _plans(session: AsyncSession, caller: Caller) -> Sequence[Plan]:
    return [_plan(row) for row in await session.scalars(_visible(caller).limit(MOST_PLANS))]


def _visible(caller: Caller) -> Select[RoomPlanRow]:
    return select(RoomPlanRow).where(caller.visible(RoomPlanRow.platform))


def _plan(row: RoomPlanRow) -> Plan:
    invitees = msgspec.convert(row.invitees, tuple[Invitee, ...])
    mode = msgspec.convert(row.mode, PlanMode)
    return Plan(row.class_code, row.grid, invitees, tuple(row.cameras), row.nearest, mode, row.opens)


def _kept(row: RoomPlanRow) -> KeptPlan:
    return KeptPlan(row.id, _plan(row), row.author, row.approved_by, row.approved_at)


async def _nearest(session: AsyncSession, caller: Caller, event: EventRow, count: int) -> list[str]:
    """Codes of the cameras in use nearest to the event, the nearest first."""
    if event.lng is None or event.lat is None:
        return []
    reach = 0.02  # degrees: some two kilometres, within which a camera may still show the place
    query = select(CameraRow.code, CameraRow.lng, CameraRow.lat).where(
        caller.visible(CameraRow.platform), CameraRow.status == "in_use", CameraRow.code != event.camera_code,
        CameraRow.lng.between(event.lng - reach, event.lng + reach),
        CameraRow.lat.between(event.lat - reach, event.lat + reach),
    )  # fmt: skip
    found = [(row.code, metres(event.lng, event.lat, row.lng, row.lat)) for row in await session.execute(query)]
    return [code for code, _ in sorted(found, key=lambda one: one[1])[:count]]
