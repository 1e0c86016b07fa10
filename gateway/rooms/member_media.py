"""What a member of a room sends and watches: for whoever the member is, and not while it waits in the lobby."""

from __future__ import annotations

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.processes.messages import Answer
from gateway.refusals import Refusal
from gateway.rooms.records import Records, RoomState, open_room

STAGE = "stage"
"""Watched like a member: the picture that all have in common."""


class MemberMedia:
    """Refuses ``member_not_yours``, and ``waiting_in_lobby``; the media side does the rest."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def publish(self, caller: Caller, room_id: str, member_id: str, offer: str) -> str:
        """The answer to a member's WHIP offer."""
        _not_waiting(await self._own(caller, room_id, member_id), member_id)
        return await self._records.engine.publish(room_id, member_id, offer)

    async def subscribe(self, caller: Caller, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        """The answer to a WHEP offer of the caller's member ``viewer_id`` for another member, or for ``stage``, the
        picture that all have in common; leaves an audit row."""
        now = self._records.clock()
        async with self._records.db.transaction() as session:
            state = await open_room(session, caller, room_id)
            _owned(state, caller, viewer_id)
            _not_waiting(state, viewer_id)
            target, grant = "room:stage", None
            if member_id != STAGE:
                member = state.member(member_id)
                target = f"camera:{member.camera_code}" if member.camera_code else f"member:{member.id}"
                grant = member.grant_id
            why = f"会商 {state.room.title}"
            act = audit.Act(caller.username, "view.room", target, state.room.platform, why=why, grant=grant)
            await audit.append(session, act, now)
        return await self._records.engine.subscribe(room_id, viewer_id, member_id, offer)

    async def stop_publishing(self, caller: Caller, room_id: str, member_id: str) -> None:
        await self._own(caller, room_id, member_id)
        await self._records.engine.stop_publishing(room_id, member_id)

    async def stop_subscription(self, caller: Caller, room_id: str, viewer_id: str, member_id: str) -> None:
        await self._own(caller, room_id, viewer_id)
        await self._records.engine.stop_subscription(room_id, viewer_id, member_id)

    async def heartbeat(self, caller: Caller, room_id: str, member_id: str) -> None:
        """The member's browser is still there; one that says nothing for five seconds is gone."""
        if not self._records.sits(room_id, member_id, caller.username):
            await self._own(caller, room_id, member_id)
        self._records.engine.alive(room_id, member_id)

    async def _own(self, caller: Caller, room_id: str, member_id: str) -> RoomState:
        async with self._records.db.reading() as session:
            state = await open_room(session, caller, room_id)
        _owned(state, caller, member_id)
        return state


def _owned(state: RoomState, caller: Caller, member_id: str) -> None:
    member = state.member(member_id)
    if member.username != caller.username:
        raise Refusal("forbidden", "member_not_yours", "该成员不属于您。", "That member is not yours.", field="member")


def _not_waiting(state: RoomState, member_id: str) -> None:
    seat = state.consultation.seats.get(member_id)
    if seat is not None and seat.place == "lobby":
        raise Refusal(
            "forbidden",
            "waiting_in_lobby",
            "请在等候室等待主持人准入。",
            "Wait in the lobby to be let in.",
        )
