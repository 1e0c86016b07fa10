"""Rooms brought back on a media side that knows none of them, or whose cameras' streams have begun anew.

The media side (the room worker) holds nothing that the database does not know. Whoever was in a room publishes anew
or is gone with the next missed heartbeats.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from msgspec.structs import replace
from sqlalchemy import select

from gateway.processes.messages import MemberChanged
from gateway.refusals import Refusal
from gateway.rooms.arrangement import arranged
from gateway.rooms.engine import LOAN
from gateway.rooms.media_reports import MediaReports
from gateway.rooms.records import Records, RoomState, present
from gateway.storage.tables.rooms import RoomMemberRow, RoomRow

log = structlog.get_logger(__name__)


class Restoring:
    """``reports`` hears of members who cannot be brought back: a terminal's call went with the engine."""

    def __init__(self, records: Records, reports: MediaReports) -> None:
        self._records = records
        self._reports = reports

    async def restore(self) -> None:
        """Open every open room again on a media side that knows none of them."""
        async with self._records.db.reading() as session:
            rooms = list(await session.scalars(select(RoomRow).where(RoomRow.state == "open")))
            states = [RoomState(room, await present(session, room.id)) for room in rooms]
        for state in states:
            try:
                await self._restore(state)
            except Exception as error:  # one room's oddity must not keep the others shut
                if isinstance(error, Refusal) and error.kind == "unavailable":
                    raise
                log.exception("room_not_restored", room=state.room.id)

    async def _restore(self, state: RoomState) -> None:
        try:
            await self._records.engine.open(state.room.id, state.room.title)
        except Refusal as refusal:
            log.error("room_not_restored", room=state.room.id, reason=refusal.reason)
            return
        for member in state.members:
            await self._bring_back(member)
        await self._rings_lost(state.room.id)
        self._records.engine.arrange(state.room.id, state.room.revision, arranged(state.consultation))

    async def read_anew(self, codes: Collection[str]) -> None:
        """The streams of these cameras have begun anew: the rooms they are in read them where they are now."""
        query = select(RoomMemberRow).where(RoomMemberRow.camera_code.in_(codes), RoomMemberRow.left_at.is_(None))
        async with self._records.db.reading() as session:
            members = list(await session.scalars(query)) if codes else []
        for member in members:
            await self._bring_back(member)

    async def _bring_back(self, member: RoomMemberRow) -> None:
        """A camera whose worker is away comes back with it (``read_anew``); a terminal's call went with the engine."""
        try:
            if member.camera_code is not None:
                until = (self._records.clock() + LOAN).timestamp()
                await self._records.engine.add_camera(member.room_id, member.id, member.camera_code, until)
            elif member.kind == "terminal":
                await self._reports.changed(
                    MemberChanged(member.room_id, member.id, "gone", "call_lost", self._records.clock().timestamp())
                )
            else:
                await self._records.engine.add_person(member.room_id, member.id)
        except Refusal as refusal:
            log.warning("member_not_brought_back", room=member.room_id, member=member.id, reason=refusal.reason)
        except Exception:  # one member's oddity must not keep the others out
            log.exception("member_not_brought_back", room=member.room_id, member=member.id)

    async def _rings_lost(self, room_id: str) -> None:
        """The engine that rang has gone, and its rings with it."""
        async with self._records.changing(None, room_id) as change:
            rings = tuple(
                one if one.state == "failed" else replace(one, state="failed", reason="call_lost")
                for one in change.consultation.rings
            )
            change.consultation = replace(change.consultation, rings=rings)
