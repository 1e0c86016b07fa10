"""``/api/v1/session``: sign in, who am I, sign out. The only door under ``/api/v1`` that needs no caller is sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from gateway.access import sessions
from gateway.access.caller import Caller
from gateway.api.guard import COOKIE, signed_in
from gateway.api.services import Doors
from gateway.refusals import Refusal

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(BaseModel):
    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256, repr=False)
    kind: Literal["bearer", "cookie"] = "bearer"


class SessionUser(BaseModel):
    username: str
    display_name: str
    roles: list[str]
    platform: str


class Session(BaseModel):
    """``token`` only at a bearer's sign-in, ``csrf_token`` only for a cookie session."""

    token: str | None = None
    csrf_token: str | None = None
    expires_at: datetime
    user: SessionUser


def _shown(caller: Caller, token: str | None = None) -> Session:
    user = SessionUser(
        username=caller.username,
        display_name=caller.display_name,
        roles=sorted(caller.roles),
        platform=caller.platform,
    )
    return Session(token=token, csrf_token=caller.csrf_token, expires_at=caller.expires_at, user=user)


@router.post("", response_model_exclude_none=True)
async def sign_in(asked: SignIn, request: Request, response: Response, doors: Doors) -> Session:
    """Open a session: a token for machines, a cookie and a CSRF token for the console."""
    address = request.client.host if request.client else "local"
    now = doors.clock().timestamp()
    wait = doors.sign_in_addresses.wait(address, now)
    wait = wait or doors.sign_in_attempts.wait(f"{address} {asked.username}", now)
    if wait > 0:
        raise Refusal(
            "too_many",
            "sign_in_too_often",
            f"登录尝试过于频繁，请 {int(wait) + 1} 秒后再试。",
            f"Too many attempts to sign in; try again in {int(wait) + 1} s.",
        )
    opened = await sessions.sign_in(
        doors.db,
        doors.passwords,
        asked.username,
        asked.password,
        kind=asked.kind,
        address=address,
        now=doors.clock(),
        lasting=timedelta(hours=doors.settings.retention.session_hours),
    )
    if asked.kind == "bearer":
        return _shown(opened.caller, opened.token)
    response.set_cookie(
        COOKIE,
        opened.token,
        expires=opened.caller.expires_at,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return _shown(opened.caller)


@router.get("", response_model_exclude_none=True)
async def who_am_i(caller: Annotated[Caller, Depends(signed_in())]) -> Session:
    """The session behind the credentials; for a cookie also its CSRF token, so that a reloaded page can write."""
    return _shown(caller)


@router.delete("", status_code=204)
async def sign_out(caller: Annotated[Caller, Depends(signed_in())], response: Response, doors: Doors) -> None:
    """End the session."""
    async with doors.db.transaction() as session:
        await sessions.sign_out(session, caller, doors.clock())
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
