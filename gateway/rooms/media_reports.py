"""What the media side tells of a room by itself: who came, failed or went, who speaks, and what did not get through."""

from __future__ import annotations

from sqlalchemy import select

from gateway.live import Notice
from gateway.processes.messages import MemberChanged
from gateway.refusals import Refusal
from gateway.rooms.records import Records
from gateway.rooms.seating import unseated
from gateway.storage.tables.rooms import RoomRow


class MediaReports:
    """Each is noted or told on at once; what is of a room that has gone is passed over."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def changed(self, told: MemberChanged) -> None:
        """The media side reports a member's state. That one has ``left`` was ordered here, and is known here."""
        if told.reason == "left":
            return
        try:
            async with self._records.changing(None, told.room_id) as change:
                member = change.state.member(told.member_id)
                if told.state == "gone":
                    unseated(change, member, told.reason or "gone", None)
                else:
                    member.state, member.reason = told.state, told.reason or None
        except Refusal as refusal:
            if refusal.kind not in ("not_found", "conflict"):
                raise  # the room or the member has gone meanwhile: there is nothing to note

    async def speaker_changed(self, room_id: str, member_id: str | None) -> None:
        """Told to those who look on; it is kept nowhere."""
        async with self._records.db.reading() as session:
            platform = await session.scalar(select(RoomRow.platform).where(RoomRow.id == room_id))
        if platform is not None:
            data = {"room_id": room_id, "member_id": member_id}
            self._records.live.publish(Notice("room.speaker", platform, data, room=room_id))

    async def pictures_unsent(self, room_id: str, viewer_id: str, members: list[str], smaller: list[str]) -> None:
        """Told to the viewer's console; it is kept nowhere."""
        async with self._records.db.reading() as session:
            platform = await session.scalar(select(RoomRow.platform).where(RoomRow.id == room_id))
        if platform is not None:
            data = {"room_id": room_id, "viewer_id": viewer_id, "members": members, "smaller": smaller}
            self._records.live.publish(Notice("room.unsent", platform, data, room=room_id))
