"""Users: made, given roles, given a new password, disabled. Never deleted: the audit chain names them.

Each change ends the user's sessions where rights shrink or the password changes, and leaves an audit row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit, sessions
from gateway.access.caller import Caller
from gateway.access.passwords import Passwords, checked_password
from gateway.access.roles import checked_roles
from gateway.refusals import Refusal
from gateway.storage.tables.access import User
from gateway.storage.tables.grid import Platform

_USERNAME = re.compile(r"[a-z][a-z0-9_.\-]{1,63}")


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. ``platform`` is the code of the platform the user belongs to and sees."""

    username: str
    password: str = field(repr=False)
    display_name: str
    roles: tuple[str, ...]
    platform: str


async def create(session: AsyncSession, passwords: Passwords, new: NewUser, *, by: str, now: datetime) -> User:
    """Make a user; ``by`` is the username of who does it, or ``audit.SYSTEM`` for the command line."""
    if _USERNAME.fullmatch(new.username) is None or new.username == audit.SYSTEM:
        raise Refusal(
            "invalid",
            "username_invalid",
            "用户名须以小写字母开头，由 2 至 64 个小写字母、数字、点、横线或下划线组成。",
            "A username begins with a small letter and has 2 to 64 of: a-z, 0-9, dot, dash, underscore.",
            field="username",
        )
    display_name = new.display_name.strip()
    if not 1 <= len(display_name) <= 100:
        raise Refusal(
            "invalid",
            "display_name_invalid",
            "请填写姓名（最多 100 字）。",
            "A display name has 1 to 100 characters.",
            field="display_name",
        )
    roles = checked_roles(new.roles)
    password = checked_password(new.password, new.username)
    if await session.scalar(select(Platform.id).where(Platform.code == new.platform)) is None:
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有平台“{new.platform}”。",
            f"There is no platform {new.platform!r}.",
            field="platform",
        )
    user = User(
        platform=new.platform,
        username=new.username,
        display_name=display_name,
        password_hash=await passwords.hash(password),
        roles=list(roles),
        password_changed_at=now,
        created_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        raise Refusal(
            "conflict",
            "username_taken",
            f"用户名“{new.username}”已存在。",
            f"The username {new.username!r} is taken.",
            field="username",
        ) from error
    act = audit.Act(by, "user.create", f"user:{new.username}", new.platform, why=",".join(roles))
    await audit.append(session, act, now)
    return user


async def set_password(
    session: AsyncSession, passwords: Passwords, username: str, password: str, *, by: str, now: datetime
) -> None:
    """Give a new password; lifts a lockout and ends every session of the user."""
    user = await found(session, username)
    user.password_hash = await passwords.hash(checked_password(password, username))
    user.password_changed_at = now
    user.failures, user.locked_until = 0, None
    await sessions.end_all(session, user.id, now)
    await audit.append(session, audit.Act(by, "user.set_password", f"user:{username}", user.platform), now)


async def set_roles(session: AsyncSession, username: str, roles: Iterable[str], *, by: str, now: datetime) -> None:
    """Replace the roles; ends the sessions, which carry the old ones in the eyes of their holder."""
    user = await found(session, username)
    _not_oneself(username, by)
    user.roles = list(checked_roles(roles))
    await sessions.end_all(session, user.id, now)
    act = audit.Act(by, "user.set_roles", f"user:{username}", user.platform, why=",".join(user.roles))
    await audit.append(session, act, now)


async def set_disabled(session: AsyncSession, username: str, disabled: bool, *, by: str, now: datetime) -> None:
    """Shut a user out at once, or let the user in again."""
    user = await found(session, username)
    _not_oneself(username, by)
    user.disabled = disabled
    if disabled:
        await sessions.end_all(session, user.id, now)
    what = "user.disable" if disabled else "user.enable"
    await audit.append(session, audit.Act(by, what, f"user:{username}", user.platform), now)


async def listed(session: AsyncSession, caller: Caller | None = None) -> list[User]:
    """All users by username, or those in a caller's scope."""
    query = select(User).order_by(User.username)
    return list(await session.scalars(query if caller is None else query.where(caller.visible(User.platform))))


async def count(session: AsyncSession) -> int:
    """How many users there are: none means that the service has just been set up."""
    return (await session.execute(select(func.count()).select_from(User))).scalar_one()


async def found(session: AsyncSession, username: str) -> User:
    """The user, held until the transaction ends; refuses an unknown name."""
    user = await session.scalar(select(User).where(User.username == username).with_for_update())
    if user is None:
        raise _unknown(username)
    return user


async def within(session: AsyncSession, caller: Caller, username: str) -> None:
    """Refuses a user outside the caller's scope as if there were none: who could give the hub's users a new password
    would be the hub."""
    user = await session.scalar(select(User).where(User.username == username))
    if user is None or not caller.sees(user.platform):
        raise _unknown(username)


def _unknown(username: str) -> Refusal:
    return Refusal(
        "not_found", "user_unknown", f"没有用户“{username}”。", f"There is no user {username!r}.", field="username"
    )


def _not_oneself(username: str, by: str) -> None:
    if username == by:
        raise Refusal(
            "forbidden",
            "not_on_oneself",
            "不能更改自己的角色或停用自己。",
            "Nobody changes their own roles or disables themselves.",
        )
