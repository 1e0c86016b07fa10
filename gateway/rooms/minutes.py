"""The minutes (会议纪要), made from what happened: attendance, roll call, pushes, orders, words. Nobody writes them.

Pure, but for ``of_room``, which reads the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.rooms.orders import shown_order
from gateway.rooms.recording_file import container_of
from gateway.rooms.records import Records, found, utc_text
from gateway.storage.tables.rooms import RoomEntryRow, RoomMemberRow, RoomOrderRow, RoomRecordingRow, RoomRow

MOST_ENTRIES = 20_000
_PLAN = frozenset({"plan_called", "plan_missed", "plan_void"})
_PUSHES = frozenset({"push_camera", "broadcast", "patrol"})


async def of_room(records: Records, caller: Caller, room_id: str) -> dict[str, Any]:
    """The minutes of a room as they stand, JSON-ready; those of a room that has ended never change any more, but for
    the steps of its orders."""
    async with records.db.reading() as session:
        state = await found(session, caller, room_id)
        members = list(
            await session.scalars(
                select(RoomMemberRow).where(RoomMemberRow.room_id == room_id).order_by(RoomMemberRow.joined_at)
            )
        )
        query = select(RoomEntryRow).where(RoomEntryRow.room_id == room_id).order_by(RoomEntryRow.id)
        entries = list(await session.scalars(query.limit(MOST_ENTRIES)))
        orders = list(
            await session.scalars(select(RoomOrderRow).where(RoomOrderRow.room_id == room_id).order_by(RoomOrderRow.id))
        )
        recordings = list(
            await session.scalars(
                select(RoomRecordingRow).where(RoomRecordingRow.room_id == room_id).order_by(RoomRecordingRow.starts_at)
            )
        )
    return {
        **written(state.room, members, entries),
        "orders": [shown_order(order) for order in orders],
        "recordings": [shown_recording(recording) for recording in recordings],
    }


def written(room: RoomRow, members: Sequence[RoomMemberRow], entries: Sequence[RoomEntryRow]) -> dict[str, Any]:
    """What attendance and entries say."""
    controls = [entry for entry in entries if entry.kind == "control"]
    usernames = {member.username for member in members}
    invited = (room.consultation or {}).get("invited", ())
    return {
        "room_id": room.id,
        "title": room.title,
        "event_no": room.event_no,
        "drill": room.drill,
        "opened_at": utc_text(room.created_at),
        "ended_at": utc_text(room.ended_at) if room.ended_at else None,
        "opened_by": room.created_by,
        "attendance": [
            {
                "name": member.name,
                "kind": member.kind,
                "username": member.username,
                "camera_code": member.camera_code,
                "joined_at": utc_text(member.joined_at),
                "left_at": utc_text(member.left_at) if member.left_at else None,
                "reason": member.reason,
            }
            for member in members
        ],
        "absent": [one["name"] for one in invited if one.get("username") not in usernames],
        "roll_call": [
            {"name": entry.data.get("member"), "present": entry.data.get("present", True), "at": utc_text(entry.at)}
            for entry in controls
            if entry.data.get("control") == "roll_call_next"
        ],
        "plan": [{"kind": entry.kind, **_timed(entry)} for entry in entries if entry.kind in _PLAN],
        "pushes": [_timed(entry) for entry in controls if entry.data.get("control") in _PUSHES],
        "controls": [_timed(entry) for entry in controls],
        "pictures": [_timed(entry) for entry in entries if entry.kind == "picture"],
        "said": [_timed(entry) for entry in entries if entry.kind == "chat"],
    }


def _timed(entry: RoomEntryRow) -> dict[str, Any]:
    return {"at": utc_text(entry.at), "who": entry.who, **entry.data}


def shown_recording(row: RoomRecordingRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "member_id": row.member_id,
        "starts_at": utc_text(row.starts_at),
        "ends_at": utc_text(row.ends_at),
        "size": row.size,
        "partial": row.partial,
        "container": container_of(row.path),
    }
