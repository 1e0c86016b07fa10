"""Recordings taken over from the room worker: each file hashed, kept with the evidence, and hung on its room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Select, select

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.processes.messages import RoomRecorded
from gateway.refusals import Refusal
from gateway.rooms.consultation import read
from gateway.rooms.recording_file import Container, container_of, left_behind, recorded_in
from gateway.rooms.records import Records, found
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import RoomEntryRow, RoomRecordingRow, RoomRow

log = structlog.get_logger(__name__)


class Recordings:
    """``keep`` what was recorded; ``file`` to watch it."""

    def __init__(self, records: Records, files: EvidenceFiles, folder: Path) -> None:
        self._records = records
        self._files = files
        self._folder = folder

    async def keep(self, told: RoomRecorded) -> None:
        """Take a finished file over; the worker's copy is removed once the database has it. Told again, as at a start
        after which it could not be removed, it is kept once all the same."""
        if not await self._is_kept(told):
            await self._keep(told)
        try:
            await asyncio.to_thread(Path(told.path).unlink, missing_ok=True)
        except OSError as error:
            log.error("recording_not_removed", path=told.path, error=str(error))

    async def _is_kept(self, told: RoomRecorded) -> bool:
        async with self._records.db.reading() as session:
            return await session.scalar(_kept(told)) is not None

    async def _keep(self, told: RoomRecorded) -> None:
        recording_id = new_id()
        stored = await self._files.adopt(told.path, recording_id, told.sha256, told.size)
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (told.starts_at, told.ends_at))
        async with self._records.db.transaction() as session:
            room = await session.get(RoomRow, told.room_id, with_for_update=True)
            if room is None:
                raise Refusal("not_found", "room_unknown", "没有这个会议室。", "There is no such room.")
            if await session.scalar(_kept(told)) is not None:  # told twice at once
                await self._files.forget([stored.path])
                return
            session.add(
                RoomRecordingRow(
                    id=recording_id, platform=room.platform, room_id=room.id, member_id=told.member_id,
                    path=stored.path, sha256=told.sha256, size=stored.size, starts_at=begin, ends_at=end,
                    partial=told.partial,
                )
            )  # fmt: skip
            data = {"recording_id": recording_id, "member_id": told.member_id, "partial": told.partial}
            entry = RoomEntryRow(
                id=new_id(), platform=room.platform, room_id=room.id, at=self._records.clock(), who=audit.SYSTEM,
                kind="recording", data=data,
            )  # fmt: skip
            session.add(entry)
        self._records.said(entry)

    async def broke(self, room_id: str, reason: str) -> None:
        """The disk is full, or too slow: the recording is over, and everybody is told."""
        async with self._records.changing(None, room_id) as change:
            if change.consultation.recording is not None:
                document = {**change.consultation.shown(), "recording": None}
                change.consultation = read(document)
                change.note("recording", audit.SYSTEM, {"failed": reason})

    async def take_over_left(self) -> None:
        """What a room worker that was killed has left behind, once nobody writes to it any more."""
        for path in [path for room in sorted(self._folder.glob("*")) for path in recorded_in(room)]:
            try:
                await self._take_over(path)
            except Refusal as refusal:
                log.error("recording_not_kept", path=path.name, reason=refusal.reason)
            except OSError as error:
                log.error("recording_not_kept", path=path.name, error=str(error))
            except Exception:  # whatever it is, one file's fault keeps neither the others nor the rooms back
                log.exception("recording_not_kept", path=path.name)

    async def _take_over(self, path: Path) -> None:
        left = await asyncio.to_thread(left_behind, path)
        if left is None:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return
        member = path.name.rsplit("-", 2)[0]
        await self.keep(
            RoomRecorded(
                path.parent.name, None if member == "composed" else member, str(path), left.sha256, left.size,
                left.starts_at, left.ends_at, left.partial,
            )
        )  # fmt: skip

    async def file(
        self, caller: Caller, room_id: str, recording_id: str, container: Container
    ) -> tuple[Path, RoomRecordingRow]:
        """Where it lies; the view is in the audit chain before the first byte flows."""
        async with self._records.db.transaction() as session:
            state = await found(session, caller, room_id)
            row = await session.get(RoomRecordingRow, recording_id)
            if row is None or row.room_id != room_id or container_of(row.path) != container:
                raise Refusal("not_found", "recording_unknown", "没有这份录像。", "There is no such recording.")
            path = self._files.open(row.path)
            why = f"会商 {state.room.title}"
            act = audit.Act(caller.username, "view.recording", f"recording:{row.id}", row.platform, why)
            await audit.append(session, act, self._records.clock())
        return path, row


def _kept(told: RoomRecorded) -> Select[str]:
    return select(RoomRecordingRow.id).where(
        RoomRecordingRow.room_id == told.room_id, RoomRecordingRow.sha256 == told.sha256
    )
