"""Sign-in, sessions and their tokens.

A token is 256 random bits; the database holds its SHA-256 only. The CSRF token of a cookie session is derived from its
token, so it can be handed out again after a page is reloaded and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller, SessionKind
from gateway.access.passwords import MAX_LENGTH, Passwords
from gateway.access.scopes import visible_platforms
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.access import User, UserSession

log = structlog.get_logger(__name__)

FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
SESSIONS_PER_USER = 20
KEPT_AFTER_EXPIRY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session: its token, shown this once, and the caller it stands for."""

    token: str
    caller: Caller


def token_sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


async def sign_in(
    database: Database,
    passwords: Passwords,
    username: str,
    password: str,
    *,
    kind: SessionKind,
    address: str,
    now: datetime,
    lasting: timedelta,
) -> SignedIn:
    """Open a session, or refuse without saying whether name, password or account was at fault.

    The failure is counted *before* the password is looked at and taken back after: many guesses at once cannot all
    slip through before the first of them is counted.
    """
    async with database.transaction() as session:
        user = await session.scalar(select(User).where(User.username == username).with_for_update())
        usable = user is not None and not user.disabled and not (user.locked_until and user.locked_until > now)
        if user is not None and usable:
            user.failures += 1
            if user.failures >= FAILURES_ALLOWED:
                user.locked_until, user.failures = now + LOCKED_FOR, 0
    known_hash = user.password_hash if user is not None and usable else None
    right = len(password) <= MAX_LENGTH and await passwords.verify(known_hash, password[:MAX_LENGTH])
    if user is None or not right:
        if user is not None:
            async with database.transaction() as session:
                act = audit.Act(user.username, "session.refuse", f"user:{user.username}", user.platform, why=address)
                await audit.append(session, act, now)
        log.warning("sign_in_refused", address=address)
        raise Refusal(
            "unauthenticated",
            "sign_in_refused",
            "用户名或密码错误，或账号已停用、暂时锁定。",
            "Wrong username or password, or the account is disabled or locked for a while.",
        )
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == user.id).values(failures=0, locked_until=None))
        token = secrets.token_urlsafe(32)
        row = UserSession(
            id=new_id(), platform=user.platform, user_id=user.id, token_sha256=token_sha256(token), kind=kind,
            address=address, created_at=now, expires_at=now + lasting,
        )  # fmt: skip
        await session.execute(
            delete(UserSession).where(UserSession.user_id == user.id, UserSession.expires_at < now - KEPT_AFTER_EXPIRY)
        )
        session.add(row)
        await session.flush()
        await _end_oldest(session, user.id, now)
        caller = await _caller(session, user, row, token)
        act = audit.Act(user.username, "session.open", f"user:{user.username}", user.platform, why=address)
        await audit.append(session, act, now)
    return SignedIn(token, caller)


async def open_guest(
    session: AsyncSession, user: User, room_id: str, *, kind: SessionKind, address: str, now: datetime, until: datetime
) -> SignedIn:
    """A session that knows one room alone, for whoever came by a link; inside the caller's transaction."""
    token = secrets.token_urlsafe(32)
    row = UserSession(
        id=new_id(), platform=user.platform, user_id=user.id, token_sha256=token_sha256(token), kind=kind,
        address=address, created_at=now, expires_at=until, revoked_at=None, room_id=room_id,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return SignedIn(token, await _caller(session, user, row, token))


async def end_guests(session: AsyncSession, room_id: str, now: datetime) -> None:
    """End the sessions that knew this room alone."""
    await session.execute(
        update(UserSession)
        .where(UserSession.room_id == room_id, UserSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def caller_of(session: AsyncSession, token: str, kind: SessionKind, now: datetime) -> Caller:
    """Who holds this token; refuses unknown, expired, ended and disabled ones in the same words."""
    found = (
        await session.execute(
            select(UserSession, User)
            .join(User, User.id == UserSession.user_id)
            .where(UserSession.token_sha256 == token_sha256(token), UserSession.kind == kind)
        )
    ).one_or_none()
    if found is None or found[0].revoked_at is not None or found[0].expires_at <= now or found[1].disabled:
        raise Refusal(
            "unauthenticated", "session_ended", "登录已失效，请重新登录。", "Not signed in, or no longer; sign in."
        )
    return await _caller(session, found[1], found[0], token)


async def sign_out(session: AsyncSession, caller: Caller, now: datetime) -> None:
    await session.execute(update(UserSession).where(UserSession.id == caller.session_id).values(revoked_at=now))
    act = audit.Act(caller.username, "session.end", f"user:{caller.username}", caller.platform)
    await audit.append(session, act, now)


async def end_all(session: AsyncSession, user_id: str, now: datetime) -> None:
    """End every session of a user: after a new password, changed roles, or when the user is disabled."""
    await session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def _end_oldest(session: AsyncSession, user_id: str, now: datetime) -> None:
    live = (
        select(UserSession.id)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.expires_at > now)
        .order_by(UserSession.created_at.desc(), UserSession.id.desc())
        .offset(SESSIONS_PER_USER)
    )
    surplus = list(await session.scalars(live))
    if surplus:
        await session.execute(update(UserSession).where(UserSession.id.in_(surplus)).values(revoked_at=now))


async def _caller(session: AsyncSession, user: User, row: UserSession, token: str) -> Caller:
    kind: SessionKind = "cookie" if row.kind == "cookie" else "bearer"
    return Caller(
        user_id=user.id,
        username=user.username,
        display_name=user.display_name,
        roles=frozenset(user.roles),
        platform=user.platform,
        platforms=await visible_platforms(session, user.platform),
        session_id=row.id,
        kind=kind,
        expires_at=row.expires_at,
        csrf_token=csrf_token(token) if kind == "cookie" else None,
        room=row.room_id,
    )
