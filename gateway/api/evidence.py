"""``/api/v1/evidence/{id}``: the bytes of a snapshot or clip, whole or in ranges, to whoever has said why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.guard import GrantCited, permit
from gateway.api.problems import problem
from gateway.api.services import Doors
from gateway.events.event_scope import visible_events
from gateway.events.intake import evidence_folder
from gateway.events.recent_views import SeenPart
from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.access import ViewingGrant
from gateway.storage.tables.events import AlertRow, AlertSightingRow, EventRow, EvidenceRow

router = APIRouter(tags=["evidence"])

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class EvidenceResponse(FileResponse):
    """A file that answers one range (RFC 9110, 14.2); anything else in that header is as if it were not there."""

    def __init__(self, path: Path, size: int, headers: dict[str, str], media_type: str) -> None:
        super().__init__(path, headers=headers, media_type=media_type)
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        asked = headers.get("range")
        if asked is not None:
            match = _ONE_RANGE.fullmatch(asked.replace(" ", ""))
            first, last = match.groups() if match else ("", "")
            if match is None or (not first and not last) or (first and last and int(first) > int(last)):
                del headers["range"]
            elif (first and int(first) >= self._size) or (not first and int(last) == 0):
                answer = problem(
                    416,
                    "range_not_satisfiable",
                    f"请求的范围超出文件（共 {self._size} 字节）。",
                    f"The range lies outside the file of {self._size} bytes.",
                    field="Range",
                    headers={"Content-Range": f"bytes */{self._size}"},
                )
                await answer(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


@router.get(
    "/evidence/{evidence_id}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}, "video/mp4": {}}}, 206: {"description": "The range asked for."}},
)
async def get_evidence(
    evidence_id: str, caller: Annotated[Caller, Depends(permit("evidence.view"))], doors: Doors, grant: GrantCited
) -> Response:
    """The bytes. A view is in the audit chain before they flow; the parts of a clip played within a minute are one."""
    async with doors.db.reading() as session:
        found = await whose(session, caller, evidence_id)
    if found is None:
        raise Refusal("not_found", "evidence_unknown", "没有这份证据。", "There is no such evidence.")
    row, camera_code, platform, event_no = found
    path = EvidenceFiles(evidence_folder(doors.settings), ()).open(row.path)
    now = doors.clock()
    part = SeenPart(caller.session_id, grant or "", row.id)
    if not doors.recent_views.covers(part, now):
        seen = Viewed("evidence", f"evidence:{row.id}", camera_code, platform, event_no)
        async with doors.db.transaction() as session:
            cited = await session.get(ViewingGrant, grant) if grant else None
            await view(session, caller, grant, seen, now)
        if cited is not None:
            doors.recent_views.note(part, now, cited.until)
    headers = {
        "ETag": f'"{row.sha256}"',
        "Content-Disposition": f'inline; filename="{row.id}{path.suffix}"',
        "Cache-Control": "private, no-store",
    }
    return EvidenceResponse(path, row.size, headers, row.media_type)


async def whose(
    session: AsyncSession, caller: Caller, evidence_id: str
) -> tuple[EvidenceRow, str, str, str | None] | None:
    """The evidence with its camera, event and the platform by which the caller sees it: the alert's or event's own,
    or the department that the event was dispatched to. None where the caller sees neither."""
    row = await session.get(EvidenceRow, evidence_id)
    if row is None:
        return None
    alert: AlertRow | None = None
    event_no = row.event_no
    if event_no is None:
        sighted = select(AlertRow).join(AlertSightingRow, AlertSightingRow.alert_id == AlertRow.id)
        alert = await session.scalar(sighted.where(AlertSightingRow.id == row.sighting_id))
        if alert is None:
            return None
        if caller.sees(alert.platform):
            return row, alert.camera_code, alert.platform, alert.event_no
        event_no = alert.event_no
    event = await session.scalar(select(EventRow).where(EventRow.no == event_no, visible_events(caller)))
    if event is None:
        return None
    platform = event.platform if caller.sees(event.platform) else event.department or event.platform
    return row, alert.camera_code if alert is not None else event.camera_code, platform, event.no
