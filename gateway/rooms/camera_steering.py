"""Who may turn a camera's head from within a room: the chair, and whom the chair lets. The head itself is not known
here; whoever knows it asks this rule first and notes who began to turn it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation
from gateway.rooms.records import Records, open_room

CHAIR, MEMBER = 1, 0
"""Ranks: the chair takes the head from a member, not the other way round."""


@dataclass(frozen=True, slots=True)
class Steered:
    """A camera that the caller may turn."""

    code: str
    name: str
    rank: int


def rank_of(state: Consultation, username: str, *, chair: bool) -> int | None:
    """None: this person may not steer. Pure."""
    own = [seat for seat in state.within() if seat.username == username]
    if not own:
        return None
    if chair:
        return CHAIR
    return MEMBER if any(seat.steers for seat in own) else None


class CameraSteering:
    """``allowed`` asks, ``began`` writes it into the minutes."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def allowed(self, caller: Caller, room_id: str, member_id: str) -> Steered:
        """Refuses ``member_unknown``, ``member_no_camera`` and ``steering_not_allowed``."""
        async with self._records.db.reading() as session:
            state = await open_room(session, caller, room_id)
        member = state.member(member_id)
        if member.camera_code is None:
            raise Refusal(
                "invalid", "member_no_camera", "该成员不是监控。", "That member is no camera.", field="member"
            )
        rank = rank_of(state.consultation, caller.username, chair=caller.may("rooms.control"))
        if rank is None:
            raise Refusal(
                "forbidden",
                "steering_not_allowed",
                "主持人未允许您操作云台。",
                "The chair has not let you steer cameras.",
            )
        return Steered(member.camera_code, member.name, rank)

    async def began(self, caller: Caller, room_id: str, steered: Steered) -> None:
        async with self._records.changing(caller, room_id) as change:
            change.note("steered", caller.username, {"name": caller.display_name, "camera": steered.name})
