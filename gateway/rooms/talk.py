"""What is said and shown in a room beside the media: chat, and drawings on a frozen picture. The minutes hold both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from gateway.access import audit
from gateway.access.attempts import Attempts
from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.rooms.records import Records, found, shown_entry, utc_text
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import RoomEntryRow, RoomPictureRow

MOST_PICTURE = 1_000_000
MOST_PICTURES = 100
MOST_STROKES = 500
MOST_POINTS = 400
_JPEG = b"\xff\xd8\xff"

Stroke = dict[str, Any]


class Talk:
    """Words and drawings of a room's members."""

    def __init__(self, records: Records, files: EvidenceFiles) -> None:
        self._records = records
        self._files = files
        self._words = Attempts(limit=20, seconds=10)
        self._drawn = Attempts(limit=100, seconds=10)

    async def say(self, caller: Caller, room_id: str, text: str) -> dict[str, Any]:
        """A word in the chat, to everybody. Refuses ``said_too_often`` and who is not in the room."""
        self._not_too_often(self._words, caller)
        async with self._records.changing(caller, room_id) as change:
            _within(change.state.consultation.within(), caller)
            entry = change.note("chat", caller.username, {"name": caller.display_name, "text": text})
        return shown_entry(entry)

    async def entries(self, caller: Caller, room_id: str, *, after: str | None, limit: int) -> list[dict[str, Any]]:
        """What happened in the room, the oldest first, after the entry with id ``after``."""
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            query = select(RoomEntryRow).where(RoomEntryRow.room_id == room_id)
            if after is not None:
                query = query.where(RoomEntryRow.id > after)
            rows = await session.scalars(query.order_by(RoomEntryRow.id).limit(limit))
            return [shown_entry(row) for row in rows]

    async def freeze(self, caller: Caller, room_id: str, jpeg: bytes, member_id: str | None) -> dict[str, Any]:
        """Share a picture as it stood at a moment, to be drawn on. Refuses what is no JPEG, or is too large."""
        if len(jpeg) > MOST_PICTURE:
            raise Refusal("too_large", "picture_too_large", "画面超过 1 MB。", "The picture is larger than 1 MB.")
        if not jpeg.startswith(_JPEG):
            raise Refusal("invalid", "picture_not_jpeg", "画面须为 JPEG。", "The picture must be a JPEG.")
        self._not_too_often(self._words, caller)
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            query = select(func.count()).select_from(RoomPictureRow).where(RoomPictureRow.room_id == room_id)
            if (await session.execute(query)).scalar_one() >= MOST_PICTURES:
                raise Refusal(
                    "too_many", "pictures_too_many", "该会议的批注画面过多。", "This room has too many frozen pictures."
                )
        picture_id = new_id()
        stored = await self._files.write(jpeg, picture_id, ".jpg")
        async with self._records.changing(caller, room_id) as change:
            seats = change.consultation.within()
            _within(seats, caller)
            shown = next((seat.name for seat in seats if seat.id == member_id), None)
            row = RoomPictureRow(
                id=picture_id, platform=change.room.platform, room_id=room_id, member_id=member_id, path=stored.path,
                sha256=hashlib.sha256(jpeg).hexdigest(), size=stored.size, frozen_by=caller.username,
                frozen_at=change.now, strokes=[],
            )  # fmt: skip
            change.session.add(row)
            change.note("picture", caller.username, {"picture_id": picture_id, "member": shown, "strokes": 0})
            change.act = audit.Act(
                caller.username, "room.freeze", f"room:{room_id}", change.room.platform, f"picture {picture_id}"
            )
        return shown_picture(row)

    async def draw(self, caller: Caller, room_id: str, picture_id: str, strokes: Sequence[Stroke]) -> dict[str, Any]:
        """Add strokes to a frozen picture, for all to see."""
        self._not_too_often(self._drawn, caller)
        async with self._records.changing(caller, room_id) as change:
            _within(change.consultation.within(), caller)
            row = await change.session.get(RoomPictureRow, picture_id)
            if row is None or row.room_id != room_id:
                raise _picture_unknown()
            if len(row.strokes) + len(strokes) > MOST_STROKES:
                raise Refusal("too_many", "strokes_too_many", "批注过多。", "Too much is drawn on this picture.")
            row.strokes = [*row.strokes, *strokes]
            change.note(
                "drawn",
                caller.username,
                {"picture_id": picture_id, "strokes": list(strokes), "total": len(row.strokes)},
            )
        return shown_picture(row)

    async def pictures(self, caller: Caller, room_id: str) -> list[dict[str, Any]]:
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            query = select(RoomPictureRow).where(RoomPictureRow.room_id == room_id).order_by(RoomPictureRow.id)
            return [shown_picture(row) for row in await session.scalars(query)]

    async def picture(self, caller: Caller, room_id: str, picture_id: str) -> bytes:
        async with self._records.db.reading() as session:
            await found(session, caller, room_id)
            row = await session.get(RoomPictureRow, picture_id)
        if row is None or row.room_id != room_id:
            raise _picture_unknown()
        return self._files.open(row.path).read_bytes()

    def _not_too_often(self, attempts: Attempts, caller: Caller) -> None:
        wait = attempts.wait(caller.user_id, self._records.clock().timestamp())
        if wait > 0:
            raise Refusal("too_many", "said_too_often", "发送过于频繁，请稍候。", "Too much at once; wait a little.")


def shown_picture(row: RoomPictureRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "member_id": row.member_id,
        "frozen_by": row.frozen_by,
        "frozen_at": utc_text(row.frozen_at),
        "strokes": row.strokes,
    }


def _within(seats: Sequence[Any], caller: Caller) -> None:
    if not any(seat.username == caller.username for seat in seats) and not caller.may("rooms.control"):
        raise Refusal("forbidden", "not_in_room", "您不在会议室中。", "You are not in the room.")


def _picture_unknown() -> Refusal:
    return Refusal("not_found", "picture_unknown", "没有这幅批注画面。", "There is no such picture.")
