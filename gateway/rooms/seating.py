"""A member takes a seat in a room, or leaves it: by the rules of the consultation, on the list, and in the minutes."""

from __future__ import annotations

from gateway.refusals import Refusal
from gateway.rooms.consultation import BROWSER, CAMERA, ONE_STREAM, Seat, SeatKind, joined, left
from gateway.rooms.records import Change, RoomState
from gateway.storage.tables.rooms import RoomMemberRow

MOST_MEMBERS = 64
_MEDIA = {"person": BROWSER, "camera": CAMERA, "terminal": ONE_STREAM}


def seat_of(member: RoomMemberRow, chair: bool) -> Seat:
    """What the rules know of a member."""
    kind: SeatKind = "camera" if member.kind == "camera" else "terminal" if member.kind == "terminal" else "person"
    return Seat(
        id=member.id, kind=kind, name=member.name, username=member.username or member.address,
        camera_code=member.camera_code, media=_MEDIA[kind], chair=chair,
    )  # fmt: skip


def seated(change: Change, member: RoomMemberRow, *, chair: bool, may_enter: bool) -> None:
    """Refuses ``room_full``, and what the rules refuse: a locked room. Without ``may_enter`` the lobby is its place."""
    with_place(change.state)
    member.platform = change.room.platform
    change.consultation = joined(change.consultation, seat_of(member, chair), may_enter=may_enter)
    change.session.add(member)
    change.members = (*change.members, member)
    waits = change.consultation.seats[member.id].place == "lobby"
    said = {"name": member.name, "kind": member.kind, "lobby": waits}
    change.note("joined", member.username or member.camera_code or member.name[:64], said)


def unseated(change: Change, member: RoomMemberRow, reason: str, by: str | None) -> None:
    """``by``: who took the member out; None: it left."""
    member.state, member.left_at, member.reason = "gone", change.now, reason
    change.members = tuple(one for one in change.members if one.id != member.id)
    change.consultation = left(change.consultation, member.id)
    who = by or member.username or member.camera_code or member.name[:64]
    change.note("left" if by is None else "removed", who, {"name": member.name, "kind": member.kind, "reason": reason})


def with_place(state: RoomState) -> RoomState:
    """The state, if one more can come. Refuses ``room_full``."""
    if len(state.members) >= MOST_MEMBERS:
        raise Refusal(
            "too_many",
            "room_full",
            f"会议室成员已满（{MOST_MEMBERS}）。",
            f"The room is full ({MOST_MEMBERS} members).",
        )
    return state
