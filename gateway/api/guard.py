"""Who may pass a door: bearer token for machines, cookie and CSRF token for the console, a role for each permission.

``permit("alerts.assess")`` guards a door by the table of permissions, ``signed_in()`` lets every user pass. Both
give the door its ``Caller``. A token is taken from a header or the cookie, never from an address.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from gateway.access import sessions
from gateway.access.caller import Caller
from gateway.access.permissions import PERMISSIONS
from gateway.access.roles import ALL_ROLES, GUEST
from gateway.api.services import Doors
from gateway.refusals import Refusal

COOKIE = "gateway_session"
CSRF_HEADER = "X-CSRF-Token"
GRANT_HEADER = "X-Viewing-Grant"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, description="Token from `POST /api/v1/session` with kind `bearer`.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="The console's session; writes need X-CSRF-Token.")


async def authenticated(
    request: Request,
    doors: Doors,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Caller:
    """The caller behind the credentials; refuses none, wrong or ended ones and a cookie's write without CSRF token."""
    if bearer is not None:
        async with doors.db.reading() as session:
            caller = await sessions.caller_of(session, bearer.credentials, "bearer", doors.clock())
        request.state.username = caller.username
        return caller
    if cookie is None:
        raise Refusal("unauthenticated", "not_signed_in", "请先登录。", "Sign in first.")
    async with doors.db.reading() as session:
        caller = await sessions.caller_of(session, cookie, "cookie", doors.clock())
    if request.method not in SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), sessions.csrf_token(cookie).encode()):
            raise Refusal(
                "forbidden",
                "csrf_token_wrong",
                f"缺少或错误的 {CSRF_HEADER} 请求头，请刷新页面。",
                f"The header {CSRF_HEADER} is missing or wrong; reload the page.",
                field=CSRF_HEADER,
            )
    request.state.username = caller.username
    return caller


Guard = Callable[[Caller], Awaitable[Caller]]


def signed_in(*roles: str) -> Guard:
    """A dependency: a signed-in caller who holds one of ``roles``; without roles, any signed-in caller."""
    wanted = frozenset(roles)
    if not wanted <= ALL_ROLES | {GUEST}:
        raise ValueError(f"unknown roles: {sorted(wanted - ALL_ROLES - {GUEST})}")

    async def guard(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        if wanted and caller.roles.isdisjoint(wanted):
            raise Refusal("forbidden", "role_not_allowed", "您的角色无权进行此操作。", "Your roles do not allow this.")
        return caller

    return guard


def permit(permission: str) -> Guard:
    """A dependency: a caller whose roles hold ``permission``. An unknown permission fails at import."""
    return signed_in(*PERMISSIONS[permission])


async def cited_grant(
    request: Request,
    grant: Annotated[str | None, Query(max_length=64, description="The viewing grant cited (not a secret).")] = None,
) -> str | None:
    return request.headers.get(GRANT_HEADER) or grant


GrantCited = Annotated[str | None, Depends(cited_grant)]
"""A router's parameter: the grant that a view cites, from ``X-Viewing-Grant`` or ``?grant=``, for ``grants.view``."""
