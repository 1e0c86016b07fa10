"""A plan as a standing order (预案): in whose name the service itself calls terminals and takes cameras into a room.

Nobody sits at the console when an escalated event's room opens by itself. What stands behind it then is the plan that a
duty leader or commander approved. Cameras come in under a viewing grant made out to that person; the audit chain says
``system``, by which plan, approved by whom. Where there is no such person, or no longer, nothing is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit, grants
from gateway.access.caller import Caller
from gateway.access.scopes import visible_platforms
from gateway.refusals import Refusal
from gateway.rooms.plans import Called, KeptPlan, called_on, kept_plan
from gateway.rooms.records import RoomState
from gateway.rooms.register import RoomRegister
from gateway.rooms.ringing import Ringing
from gateway.storage.tables.access import User
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import EventRow

_AWAY = frozenset({"unavailable"})


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """``missing``: cameras that did not come in, and why; ``again``: some of them may in a while."""

    missing: dict[str, Refusal]
    again: bool


async def authority_of(session: AsyncSession, kept: KeptPlan, platform: str, now: datetime) -> Caller:
    """Who the service acts as: with the rights and the scope of the approver, under the name ``system``. Refuses
    ``plan_not_approved``, ``plan_approver_gone``, ``plan_approver_may_not``, ``plan_approver_elsewhere``."""
    if kept.approved_by is None:
        raise Refusal(
            "forbidden", "plan_not_approved", "预案未经值班长或指挥长批准。",
            "No duty leader or commander has approved the plan.",
        )  # fmt: skip
    user = await session.scalar(select(User).where(User.username == kept.approved_by))
    if user is None or user.disabled:
        raise Refusal(
            "forbidden", "plan_approver_gone", f"预案批准人“{kept.approved_by}”已停用。",
            f"{kept.approved_by}, who approved the plan, is disabled.",
        )  # fmt: skip
    authority = Caller(
        user_id=user.id, username=audit.SYSTEM, display_name=user.display_name, roles=frozenset(user.roles),
        platform=user.platform, platforms=await visible_platforms(session, user.platform), session_id="",
        kind="bearer", expires_at=now + grants.LONGEST,
    )  # fmt: skip
    if not all(authority.may(one) for one in ("rooms.approve", "rooms.invite", "video.view")):
        raise Refusal(
            "forbidden", "plan_approver_may_not", f"预案批准人“{kept.approved_by}”已无权批准预案。",
            f"{kept.approved_by}, who approved the plan, may do so no longer.",
        )  # fmt: skip
    if not authority.sees(platform):
        raise Refusal(
            "forbidden", "plan_approver_elsewhere", f"事件不在预案批准人“{kept.approved_by}”的管辖范围内。",
            f"The event is outside the scope of {kept.approved_by}, who approved the plan.",
        )  # fmt: skip
    return authority


class StandingOrders:
    """``carry_out`` may be called again for the same room: what is in it, or rung, is left as it is."""

    def __init__(self, register: RoomRegister, ringing: Ringing) -> None:
        self._register = register
        self._records = register.records
        self._ringing = ringing

    async def carry_out(self, room_id: str, event_no: str, plan_id: str | None, *, rings: bool) -> CarriedOut:
        """Bring in the cameras of the plan and (where it ``rings``) ring its terminals. Refuses what ``authority_of``
        does, ``plan_unknown``, and the reasons of a room that is over."""
        now = self._records.clock()
        async with self._records.db.reading() as session:
            kept = await kept_plan(session, plan_id) if plan_id is not None else None
            event = await session.scalar(select(EventRow).where(EventRow.no == event_no))
            if kept is None or event is None:
                raise Refusal("not_found", "plan_unknown", "预案已被删除。", "The plan is gone.")
            authority = await authority_of(session, kept, event.platform, now)
            called = await called_on(session, authority, event, kept.plan)
        state = await self._register.get(authority, room_id)
        if rings:
            await self._ring(authority, state, called)
        inside = {one.camera_code for one in state.members}
        wanted = [code for code in called.cameras if code not in inside]
        missing = await self._bring(authority, state, wanted, kept, now) if wanted else {}
        brought = [code for code in wanted if code not in missing]
        if brought or rings:
            names = [one.name for one in called.invited]
            await self._note(room_id, "plan_called", {"name": kept.approved_by, "cameras": brought, "invited": names})
        return CarriedOut(missing, any(refusal.kind in _AWAY for refusal in missing.values()))

    async def say_missing(self, room_id: str, missing: dict[str, Refusal]) -> None:
        """Tell the room which cameras the plan names and did not get."""
        for code, refusal in missing.items():
            await self._note(room_id, "plan_missed", {"name": code, **_words(refusal)})

    async def say_void(self, room_id: str, refusal: Refusal) -> None:
        """Tell the room why nothing was called."""
        await self._note(room_id, "plan_void", _words(refusal))

    async def _bring(
        self, authority: Caller, state: RoomState, codes: list[str], kept: KeptPlan, now: datetime
    ) -> dict[str, Refusal]:
        room, by = state.room, f"预案 {kept.id}，批准人 {kept.approved_by}"
        async with self._records.db.transaction() as session:
            query = select(CameraRow).where(CameraRow.code.in_(codes), CameraRow.status == "in_use")
            cameras = {row.code: row for row in await session.scalars(query) if authority.sees(row.platform)}
            grant = await grants.ask(
                session, authority, purpose=f"事件升级，按{by}自动会商", scope=f"event:{room.event_no}",
                until=now + grants.LONGEST, now=now,
            )  # fmt: skip
            await audit.append(
                session, audit.Act(audit.SYSTEM, "room.plan", f"room:{room.id}", room.platform, by, grant.id), now
            )
        missing = {}
        for code in codes:
            try:
                camera = cameras.get(code)
                if camera is None:
                    raise Refusal("not_found", "camera_unknown", "没有这台摄像机。", "There is no such camera.")
                await self._register.add_camera(authority, room.id, code, camera.name, camera.platform, grant.id)
            except Refusal as refusal:
                if refusal.reason in ("room_ended", "room_unknown"):
                    raise
                if refusal.reason != "camera_in_room":
                    missing[code] = refusal
        return missing

    async def _ring(self, authority: Caller, state: RoomState, called: Called) -> None:
        seated = {one.address for one in state.members if one.address}
        await self._ringing.ring_invited(
            authority, state.room.id, [one for one in called.invited if one.address not in seated]
        )

    async def _note(self, room_id: str, kind: str, said: dict[str, object]) -> None:
        async with self._records.changing(None, room_id) as change:
            change.note(kind, audit.SYSTEM, said)


def _words(refusal: Refusal) -> dict[str, object]:
    return {"reason": refusal.reason, "zh": refusal.zh, "en": refusal.en}
