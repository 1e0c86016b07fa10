"""``/api/v1/cameras/{code}/readers``: a camera's stream lent to a decoder on the wall, a recorder, a player (RTSP).

Lending is a view: it needs a grant, cannot outlast it, and stands in the audit chain. Each reader has a login of its
own, shown once; while it lasts it outlives a restart of any process.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.camera_lookup import found_camera
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.storage.tables.access import ViewingGrant
from gateway.storage.tables.stream_loans import StreamLoanRow

router = APIRouter(tags=["video"])

ReaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$", description="Such as wall-3.")]
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class ReaderAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reader: ReaderName
    until: AwareDatetime | None = Field(default=None, description="By itself the end of the grant, and never later.")


class ReaderShown(BaseModel):
    """A reader; its login is not shown again."""

    reader: str
    until: datetime
    created_at: datetime


class ReaderLogin(ReaderShown):
    """``url`` without the login; digest authentication."""

    url: str
    username: str
    password: str


class ReaderList(BaseModel):
    items: list[ReaderShown]


@router.post("/cameras/{code}/readers", status_code=201)
async def lend_stream(
    code: str,
    asked: ReaderAsked,
    request: Request,
    caller: Annotated[Caller, Depends(permit("video.view"))],
    doors: Doors,
    grant: GrantCited,
) -> ReaderLogin:
    """Lend the stream to a reader; one of this name that reads already goes on, but its old login opens nothing."""
    now = doors.clock()
    async with doors.db.transaction() as session:
        camera = await found_camera(session, caller, code)
        cited = await view(session, caller, grant, Viewed("stream", f"camera:{code}", code, camera.platform), now)
        until = await _until(session, cited, asked.until, now)
        await session.execute(
            delete(StreamLoanRow).where(
                (StreamLoanRow.until <= now)
                | ((StreamLoanRow.camera_code == code) & (StreamLoanRow.reader == asked.reader))
            )
        )
        row_id, password = new_id(), secrets.token_urlsafe(24)
        row = StreamLoanRow(
            id=row_id, platform=camera.platform, camera_code=code, reader=asked.reader,
            username=f"reader-{secrets.token_hex(8)}", sealed_password=doors.vault.seal(password, row_id),
            grant_id=cited, until=until, created_at=now,
        )  # fmt: skip
        session.add(row)
        username = row.username
    try:
        lent = await doors.media.lend(code, _outside(asked.reader), until.timestamp(), (username, password))
    except Refusal:
        async with doors.db.transaction() as session:
            await session.execute(delete(StreamLoanRow).where(StreamLoanRow.id == row_id))
        raise
    url = _reachable(lent.url, doors.settings.rtsp.host, request.url.hostname)
    return ReaderLogin(reader=asked.reader, until=until, created_at=now, url=url, username=username, password=password)


@router.get("/cameras/{code}/readers")
async def list_readers(code: str, caller: Annotated[Caller, Depends(permit("video.view"))], doors: Doors) -> ReaderList:
    """Who may read the camera's stream now."""
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
        query = select(StreamLoanRow).where(StreamLoanRow.camera_code == code, StreamLoanRow.until > doors.clock())
        rows = await session.scalars(query.order_by(StreamLoanRow.reader))
        shown = [ReaderShown(reader=row.reader, until=row.until, created_at=row.created_at) for row in rows]
    return ReaderList(items=shown)


@router.delete("/cameras/{code}/readers/{reader}", status_code=204)
async def withdraw_stream(
    code: str,
    reader: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(permit("video.view"))],
    doors: Doors,
) -> None:
    """End a loan and what is read under it; one that has ended already does no harm."""
    async with doors.db.transaction() as session:
        camera = await found_camera(session, caller, code)
        await session.execute(
            delete(StreamLoanRow).where(StreamLoanRow.camera_code == code, StreamLoanRow.reader == reader)
        )
        act = audit.Act(caller.username, "stream.withdraw", f"camera:{code}", camera.platform, why=reader)
        await audit.append(session, act, doors.clock())
    doors.media.withdraw(code, _outside(reader))


def _outside(reader: str) -> str:
    """Apart from the gateway's own readers, such as rooms."""
    return f"reader:{reader}"


async def _until(session: AsyncSession, grant: str, asked: datetime | None, now: datetime) -> datetime:
    cited = await session.get_one(ViewingGrant, grant)
    until = asked or cited.until
    if not now < until <= cited.until:
        raise Refusal(
            "invalid",
            "until_out_of_range",
            "截止时间须在现在之后，且不晚于所引调阅登记的截止时间。",
            "The end lies after the present and not after that of the cited grant.",
            field="until",
        )
    return until


def _reachable(url: str, listening: str, asked_at: str | None) -> str:
    """A door that listens everywhere is reached where this one was."""
    if listening not in EVERYWHERE or not asked_at:
        return url
    parts = urlsplit(url)
    host = f"[{asked_at}]" if ":" in asked_at else asked_at
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}"))
