"""Every error is a problem that says which field and why, and no error tells what it looks like inside."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from gateway.api import limits
from gateway.api.app import create_app
from gateway.api.services import Services

SESSION = "/api/v1/session"


def _is_problem(answer: httpx.Response, status: int, reason: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["reason"] == reason
    assert body["status"] == status
    assert body["detail"]
    assert body["detail_en"]
    assert body["title"]


@pytest.mark.parametrize(
    ("request_", "status", "reason", "field"),
    [
        ({"json": {"username": "a"}}, 422, "field_missing", "password"),
        ({"json": {"username": 7, "password": "x"}}, 422, "field_invalid", "username"),
        ({"json": {"username": "a", "password": "x", "kind": "magic"}}, 422, "field_invalid", "kind"),
        ({"content": b"{not json", "headers": {"Content-Type": "application/json"}}, 400, "json_invalid", None),
        ({"content": b"\xff\xfe\x00", "headers": {"Content-Type": "application/json"}}, 400, None, None),
        ({}, 422, "field_missing", "body"),
    ],
)
async def test_bad_input_is_told_by_field(
    anonymous: httpx.AsyncClient, request_: dict[str, object], status: int, reason: str | None, field: str | None
) -> None:
    answer = await anonymous.post(SESSION, **request_)  # type: ignore[arg-type]  # httpx's own keywords
    _is_problem(answer, status, reason or answer.json()["reason"])
    assert answer.json().get("field") == field


async def test_unknown_addresses_and_methods_are_problems_too(anonymous: httpx.AsyncClient) -> None:
    _is_problem(await anonymous.get("/api/v1/nothing"), 404, "not_found")
    _is_problem(await anonymous.post("/nothing"), 404, "not_found")
    _is_problem(await anonymous.put(SESSION), 405, "method_not_allowed")


async def test_a_body_too_large_is_refused_whether_it_says_so_or_not(anonymous: httpx.AsyncClient) -> None:
    _is_problem(await anonymous.post(SESSION, content=b"x" * (limits.BODY_BYTES + 1)), 413, "body_too_large")

    async def unannounced():  # type: ignore[no-untyped-def]  # an async generator of bytes
        for _ in range(limits.BODY_BYTES // 100_000 + 1):
            yield b"x" * 100_000

    answer = await anonymous.post(SESSION, content=unannounced(), headers={"Content-Type": "application/json"})
    _is_problem(answer, 413, "body_too_large")


async def test_the_unforeseen_is_logged_and_answered_without_a_trace(
    app: FastAPI, anonymous: httpx.AsyncClient
) -> None:
    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("secret detail")

    with capture_logs() as logs:
        answer = await anonymous.get("/breaks")
    _is_problem(answer, 500, "internal_error")
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert any(entry["event"] == "request_failed" for entry in logs)


async def test_an_answer_that_does_not_begin_in_time_is_given_up(app: FastAPI) -> None:
    async def slow(scope, receive, send):  # type: ignore[no-untyped-def]  # a bare ASGI app
        await asyncio.sleep(30)

    limited = limits.TimeLimit(slow, seconds=0.05)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="https://127.0.0.1") as client:
        _is_problem(await client.get("/slow"), 503, "request_timeout")


async def test_an_answer_that_has_begun_may_last(app: FastAPI) -> None:
    async def lasting(scope, receive, send):  # type: ignore[no-untyped-def]  # a bare ASGI app
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"at last"})

    limited = limits.TimeLimit(lasting, seconds=0.05)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="https://127.0.0.1") as client:
        assert (await client.get("/")).text == "at last"


async def test_a_database_that_is_gone_is_told_as_unavailable(
    anonymous: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.ext.asyncio import AsyncSession

    async def broken(*_args: object, **_keywords: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("connection refused"))

    monkeypatch.setattr(AsyncSession, "execute", broken)
    answer = await anonymous.get(SESSION, headers={"Authorization": "Bearer x"})
    _is_problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"]
    ready = await anonymous.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "database": "database_unavailable", "workers": {}, "failing": {}}


async def test_a_periodic_work_that_fails_is_named_and_costs_no_readiness(services: Services) -> None:
    failing = replace(services, works_failing=lambda: {"recordings": "OSError"})
    transport = httpx.ASGITransport(create_app(failing))
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "database": "ok", "workers": {}, "failing": {"recordings": "OSError"}}


def test_the_document_announces_problems_and_no_other_form_of_error(app: FastAPI) -> None:
    document = app.openapi()
    assert "HTTPValidationError" not in str(document)
    assert document["components"]["schemas"]["Problem"]["properties"]["reason"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "application/problem+json" in operation["responses"]["4XX"]["content"], f"{method} {path}"
