"""Signing in and out as a machine and as the console does, and what wrong passwords cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.access.attempts import Attempts
from gateway.access.sessions import FAILURES_ALLOWED, LOCKED_FOR, SESSIONS_PER_USER
from gateway.api.app import create_app
from gateway.api.services import Services
from gateway.storage.tables.access import AuditRow, UserSession

SESSION = "/api/v1/session"
PASSWORD = "Correct-Horse-7"
ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
UserWith = Callable[..., Awaitable[str]]


async def test_a_machine_gets_a_token_and_no_cookie(anonymous: httpx.AsyncClient, user_with: UserWith) -> None:
    username = await user_with("machine")
    answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD, "kind": "bearer"})
    body = answer.json()
    assert answer.status_code == 200
    assert len(body["token"]) >= 43
    assert "csrf_token" not in body
    assert "set-cookie" not in answer.headers
    assert body["expires_at"].endswith("Z")
    assert body["user"] == {"username": username, "display_name": "测试用户", "roles": ["machine"], "platform": "hub"}
    assert answer.headers["cache-control"] == "no-store"


async def test_the_console_gets_a_cookie_no_script_can_read_and_a_csrf_token(
    anonymous: httpx.AsyncClient, user_with: UserWith
) -> None:
    username = await user_with("duty_officer")
    answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD, "kind": "cookie"})
    assert "token" not in answer.json()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("gateway_session=")
    for part in ("Secure", "HttpOnly", "SameSite=strict", "Path=/", "expires="):
        assert part in cookie
    assert answer.json()["csrf_token"] not in cookie


async def test_a_reloaded_page_finds_its_session_and_csrf_token_again(console_as: ClientAs) -> None:
    client = await console_as("duty_officer")
    answer = await client.get(SESSION)
    assert answer.status_code == 200
    assert answer.json()["csrf_token"] == client.csrf  # type: ignore[attr-defined]  # set by the fixture
    assert "token" not in answer.json()


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(console_as: ClientAs) -> None:
    client = await console_as("duty_officer")
    kept = client.cookies["gateway_session"]
    answer = await client.delete(SESSION, headers={"X-CSRF-Token": client.csrf})  # type: ignore[attr-defined]  # as above
    assert answer.status_code == 204
    assert "gateway_session" not in client.cookies
    assert (await client.get(SESSION, headers={"Cookie": f"gateway_session={kept}"})).status_code == 401


async def test_a_session_ends_with_the_shift(client_as: ClientAs, services: Services, clock) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    client = await client_as("duty_officer")
    clock.advance(hours=services.settings.retention.session_hours, seconds=-1)
    assert (await client.get(SESSION)).status_code == 200
    clock.advance(seconds=1)
    answer = await client.get(SESSION)
    assert answer.status_code == 401
    assert answer.json()["reason"] == "session_ended"


async def test_wrong_password_unknown_user_and_locked_account_get_the_same_words(
    anonymous: httpx.AsyncClient, user_with: UserWith, services: Services
) -> None:
    username = await user_with("duty_officer")
    wrong = await anonymous.post(SESSION, json={"username": username, "password": "wrong"})
    unknown = await anonymous.post(SESSION, json={"username": "nobody", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    for _ in range(FAILURES_ALLOWED - 1):
        await anonymous.post(SESSION, json={"username": username, "password": "wrong"})
    locked = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})
    assert locked.status_code == 401
    assert locked.json() == wrong.json()


async def test_a_locked_account_opens_again_after_its_time(
    anonymous: httpx.AsyncClient, user_with: UserWith, clock
) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    username = await user_with("duty_officer")
    for _ in range(FAILURES_ALLOWED):
        await anonymous.post(SESSION, json={"username": username, "password": "wrong"})
    right = {"username": username, "password": PASSWORD}
    clock.advance(seconds=LOCKED_FOR.total_seconds() - 1)
    assert (await anonymous.post(SESSION, json=right)).status_code == 401
    clock.advance(seconds=1)
    assert (await anonymous.post(SESSION, json=right)).status_code == 200


async def test_a_right_password_forgives_the_wrong_ones_before(
    anonymous: httpx.AsyncClient, user_with: UserWith, clock
) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    username = await user_with("duty_officer")
    for _ in range(3):
        for _ in range(FAILURES_ALLOWED - 1):
            await anonymous.post(SESSION, json={"username": username, "password": "wrong"})
            clock.advance(minutes=1)
        answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200


async def test_guessing_fast_is_slowed_down_for_this_address_and_user_only(
    anonymous: httpx.AsyncClient, user_with: UserWith
) -> None:
    answers = [await anonymous.post(SESSION, json={"username": "guess", "password": "x"}) for _ in range(11)]
    assert [a.status_code for a in answers] == [401] * 10 + [429]
    assert answers[-1].json()["reason"] == "sign_in_too_often"
    assert int(answers[-1].headers["retry-after"]) > 0
    username = await user_with("duty_officer")
    assert (await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})).status_code == 200


async def test_trying_many_names_from_one_address_is_slowed_down_too(clients: ClientAs, services: Services) -> None:
    hurried = create_app(replace(services, sign_in_addresses=Attempts(limit=3, seconds=60)))
    transport = httpx.ASGITransport(hurried)
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        tries = [await client.post(SESSION, json={"username": f"name{n}", "password": "x"}) for n in range(4)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429]


async def test_only_so_many_sessions_stay_open_for_one_user(
    anonymous: httpx.AsyncClient, user_with: UserWith, clock
) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    username = await user_with("machine")
    tokens = []
    for _ in range(SESSIONS_PER_USER + 1):
        clock.advance(seconds=30)
        answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})
        tokens.append(answer.json()["token"])
    statuses = [
        (await anonymous.get(SESSION, headers={"Authorization": f"Bearer {token}"})).status_code for token in tokens
    ]
    assert statuses == [401] + [200] * SESSIONS_PER_USER


async def test_neither_password_nor_token_reach_log_or_database(
    anonymous: httpx.AsyncClient, user_with: UserWith, services: Services
) -> None:
    username = await user_with("machine")
    with capture_logs() as logs:
        answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})
        await anonymous.post(SESSION, json={"username": username, "password": "Wrong-Secret-99"})
    token = answer.json()["token"]
    async with services.db.reading() as session:
        rows = list(await session.scalars(select(UserSession)))
        acts = list(await session.scalars(select(AuditRow)))
    told = f"{logs} {[vars(row) for row in rows]} {[vars(act) for act in acts]}"
    for secret in (token, PASSWORD, "Wrong-Secret-99"):
        assert secret not in told


async def test_signing_in_and_failing_to_leave_audit_rows(
    anonymous: httpx.AsyncClient, user_with: UserWith, services: Services
) -> None:
    username = await user_with("machine")
    await anonymous.post(SESSION, json={"username": username, "password": "wrong"})
    await anonymous.post(SESSION, json={"username": username, "password": PASSWORD})
    async with services.db.reading() as session:
        acts = [row.what for row in await session.scalars(select(AuditRow).order_by(AuditRow.seq))]
    assert acts == ["user.create", "session.refuse", "session.open"]


@pytest.mark.parametrize("password", ["x" * 257, ""])
async def test_a_password_of_absurd_length_is_refused_before_it_is_hashed(
    anonymous: httpx.AsyncClient, password: str
) -> None:
    answer = await anonymous.post(SESSION, json={"username": "a", "password": password})
    assert answer.status_code == 422
    assert answer.json()["field"] == "password"
    assert "x" * 20 not in answer.text


async def test_a_cookie_lasts_as_long_as_the_session(
    anonymous: httpx.AsyncClient, user_with: UserWith, services: Services, clock
) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    username = await user_with("duty_officer")
    answer = await anonymous.post(SESSION, json={"username": username, "password": PASSWORD, "kind": "cookie"})
    until = clock() + timedelta(hours=services.settings.retention.session_hours)
    assert until.strftime("%d %b %Y %H:%M:%S GMT") in answer.headers["set-cookie"]
