"""Viewing grants: the reason for looking at video, given once a shift and purpose, and cited by each view.

``view`` is the one door to a picture: it checks the cited grant against what is to be seen and leaves the row in the
audit chain, in the caller's transaction. No row, no picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.scopes import visible_platforms
from gateway.refusals import Refusal
from gateway.storage.tables.access import ViewingGrant

LONGEST = timedelta(hours=12)
_SCOPE = re.compile(r"(platform|camera|event):([A-Za-z0-9_.\-]{1,64})")

ViewKind = Literal["live", "snapshot", "evidence", "recording", "stream"]


@dataclass(frozen=True, slots=True)
class Viewed:
    """What is to be seen: which picture (``target``), of which camera, whose, and for which event if there is one."""

    kind: ViewKind
    target: str
    camera_code: str
    platform: str
    event_no: str | None = None


async def ask(
    session: AsyncSession, caller: Caller, *, purpose: str, scope: str, until: datetime, now: datetime
) -> ViewingGrant:
    """Register a reason for viewing, for at most one shift; refuses an empty purpose and a scope beyond the caller."""
    purpose = purpose.strip()
    if not 2 <= len(purpose) <= 200:
        raise Refusal(
            "invalid",
            "purpose_missing",
            "请填写调阅事由（2 至 200 字）。",
            "Say what the viewing is for, in 2 to 200 characters.",
            field="purpose",
        )
    match = _SCOPE.fullmatch(scope)
    if match is None:
        raise Refusal(
            "invalid",
            "scope_unknown",
            "范围应为 platform:编码、camera:编码 或 event:编号。",
            "A scope is platform:CODE, camera:CODE or event:NO.",
            field="scope",
        )
    if not now < until <= now + LONGEST:
        raise Refusal(
            "invalid",
            "until_out_of_range",
            "截止时间须在现在之后，且不超过一个班次（12 小时）。",
            "The end lies after the present and at most one shift (12 hours) ahead.",
            field="until",
        )
    kind, value = match.groups()
    if kind == "platform" and not caller.sees(value):
        raise Refusal(
            "forbidden",
            "scope_beyond_yours",
            "该平台不在您的管辖范围内。",
            "That platform is outside your scope.",
            field="scope",
        )
    grant = ViewingGrant(
        platform=caller.platform,
        user_id=caller.user_id,
        purpose=purpose,
        scope_kind=kind,
        scope_value=value,
        until=until,
        created_at=now,
    )
    session.add(grant)
    await session.flush()
    await audit.append(
        session, audit.Act(caller.username, "grant.ask", scope, caller.platform, why=purpose, grant=grant.id), now
    )
    return grant


async def mine(session: AsyncSession, caller: Caller, now: datetime) -> list[ViewingGrant]:
    """The caller's grants that still run, newest first."""
    query = select(ViewingGrant).where(ViewingGrant.user_id == caller.user_id, ViewingGrant.until > now)
    return list(await session.scalars(query.order_by(ViewingGrant.created_at.desc(), ViewingGrant.id.desc())))


async def view(session: AsyncSession, caller: Caller, grant_id: str | None, viewed: Viewed, now: datetime) -> str:
    """Check the cited grant and write the view into the audit chain; returns the grant's id. Call it last.

    ``session`` must be a writing transaction, and must be committed before a picture is shown.
    """
    if not caller.sees(viewed.platform):
        raise Refusal("not_found", "not_found", "没有这一记录。", "There is no such record.")
    if not grant_id:
        raise Refusal(
            "forbidden",
            "grant_missing",
            "调阅视频须先登记事由。",
            "Viewing needs a grant: register a reason first and cite it.",
            field="grant",
        )
    grant = await session.scalar(
        select(ViewingGrant).where(ViewingGrant.id == grant_id, ViewingGrant.user_id == caller.user_id)
    )
    if grant is None:
        raise Refusal(
            "forbidden", "grant_unknown", "没有这一调阅登记。", "There is no such grant of yours.", field="grant"
        )
    if grant.until <= now:
        raise Refusal(
            "forbidden",
            "grant_ended",
            "调阅登记已到期，请重新登记。",
            "The grant has ended; register a reason anew.",
            field="grant",
        )
    if not await _covers(session, grant, viewed):
        raise Refusal(
            "forbidden",
            "grant_elsewhere",
            "调阅登记的范围不包括该视频。",
            "The grant's scope does not include this picture.",
            field="grant",
        )
    act = audit.Act(caller.username, f"view.{viewed.kind}", viewed.target, viewed.platform, grant.purpose, grant.id)
    await audit.append(session, act, now)
    return grant.id


async def _covers(session: AsyncSession, grant: ViewingGrant, viewed: Viewed) -> bool:
    if grant.scope_kind == "camera":
        return grant.scope_value == viewed.camera_code
    if grant.scope_kind == "event":
        return viewed.event_no is not None and grant.scope_value == viewed.event_no
    below = await visible_platforms(session, grant.scope_value)
    return below is None or viewed.platform in below
