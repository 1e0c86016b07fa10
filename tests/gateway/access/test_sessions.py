"""Sign-in under attack: guesses at once are counted before they are looked at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.access import audit, sessions, users
from gateway.access.passwords import Passwords
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.access import User, UserSession

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
PASSWORD = "Long-Enough-1"


@pytest.fixture
async def user(database: Database, passwords: Passwords) -> str:
    async with database.transaction() as session:
        new = users.NewUser("zhiban1", PASSWORD, "值班员甲", ("duty_officer",), "hub")
        await users.create(session, passwords, new, by=audit.SYSTEM, now=NOW)
    return "zhiban1"


async def _sign_in(database: Database, passwords: Passwords, password: str, at: datetime = NOW) -> sessions.SignedIn:
    return await sessions.sign_in(
        database, passwords, "zhiban1", password, kind="bearer", address="127.0.0.1", now=at, lasting=timedelta(hours=8)
    )


async def test_a_token_stands_for_its_user(database: Database, passwords: Passwords, user: str) -> None:
    opened = await _sign_in(database, passwords, PASSWORD)
    async with database.reading() as session:
        caller = await sessions.caller_of(session, opened.token, "bearer", NOW)
        assert caller == opened.caller
        kept = (await session.scalars(select(UserSession))).one()
    assert caller.username == user
    assert caller.platforms is None
    assert opened.token not in str(vars(kept))


async def test_guesses_at_once_cannot_slip_past_the_lockout(
    database: Database, passwords: Passwords, user: str
) -> None:
    guesses = ["wrong"] * (sessions.FAILURES_ALLOWED + 5)
    await asyncio.gather(*(_sign_in(database, passwords, guess) for guess in guesses), return_exceptions=True)
    with pytest.raises(Refusal, match="sign_in_refused"):
        await _sign_in(database, passwords, PASSWORD)
    async with database.reading() as session:
        locked = (await session.scalars(select(User.locked_until).where(User.username == user))).one()
    assert locked == NOW + sessions.LOCKED_FOR
    assert (await _sign_in(database, passwords, PASSWORD, NOW + sessions.LOCKED_FOR)).token


async def test_a_new_password_lifts_the_lockout_and_ends_the_sessions(
    database: Database, passwords: Passwords, user: str
) -> None:
    opened = await _sign_in(database, passwords, PASSWORD)
    for _ in range(sessions.FAILURES_ALLOWED):
        with pytest.raises(Refusal):
            await _sign_in(database, passwords, "wrong")
    async with database.transaction() as session:
        await users.set_password(session, passwords, user, "Another-Pass-2", by="anquan", now=NOW)
    async with database.reading() as session:
        with pytest.raises(Refusal, match="session_ended"):
            await sessions.caller_of(session, opened.token, "bearer", NOW)
    with pytest.raises(Refusal):
        await _sign_in(database, passwords, PASSWORD)
    assert (await _sign_in(database, passwords, "Another-Pass-2")).token


async def test_changed_roles_take_effect_at_once(database: Database, passwords: Passwords, user: str) -> None:
    opened = await _sign_in(database, passwords, PASSWORD)
    async with database.transaction() as session:
        await users.set_roles(session, user, ["checker"], by="anquan", now=NOW)
    async with database.reading() as session:
        with pytest.raises(Refusal, match="session_ended"):
            await sessions.caller_of(session, opened.token, "bearer", NOW)
    assert (await _sign_in(database, passwords, PASSWORD)).caller.roles == {"checker"}


async def test_sessions_long_gone_are_swept_at_the_next_sign_in(
    database: Database, passwords: Passwords, user: str
) -> None:
    await _sign_in(database, passwords, PASSWORD)
    await _sign_in(database, passwords, PASSWORD, NOW + timedelta(days=2))
    async with database.reading() as session:
        assert len(list(await session.scalars(select(UserSession)))) == 1
