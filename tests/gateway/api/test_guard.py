"""Every door is guarded: proved by walking the OpenAPI document and the routes behind it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from gateway.access.permissions import PERMISSIONS
from gateway.access.roles import ALL_ROLES, GUEST
from gateway.api.guard import permit, signed_in

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("POST", "/api/v1/session"),
    ("POST", "/api/v1/session/guest"),
    ("POST", "/api/v1/inbound/{receiver_id}"),  # by signature: test_inbound
}
SAFE = {"GET", "HEAD", "OPTIONS"}
FOR_EVERY_ROLE = {
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/platforms"),
    ("GET", "/api/v1/grids"),
    ("POST", "/api/v1/grids/locate"),
    ("GET", "/api/v1/code-tables"),
}


def _documented(app: FastAPI) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method in {"get", "put", "post", "patch", "delete", "head", "options"}
    }


def _routed(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers, also those kept out of the document."""
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if isinstance(route, APIRoute) or getattr(route, "methods", None):
            for method in route.methods or ():  # type: ignore[attr-defined]  # Route and APIRoute both have it
                yield method, prefix + route.path  # type: ignore[attr-defined]  # as above
        elif hasattr(inner, "routes"):
            context = getattr(route, "include_context", None)
            added = getattr(context, "prefix", None) or getattr(route, "path", "")
            yield from _routed(inner.routes, prefix + added)
        else:
            raise AssertionError(f"a kind of route this test does not know: {route!r}")


def _address(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "019f0000-0000-7000-8000-000000000000", path)


def test_the_document_hides_no_door(app: FastAPI) -> None:
    routed = {door for door in _routed(list(app.routes)) if door[0] != "HEAD"}
    assert routed - _documented(app) == {("GET", "/openapi.json")}
    assert len(routed) > 10


async def test_no_door_opens_without_credentials(app: FastAPI, anonymous: httpx.AsyncClient) -> None:
    for method, path in sorted(_documented(app) | set(_routed(list(app.routes)))):
        if (method, path) in OPEN or path == "/openapi.json":
            continue
        answer = await anonymous.request(method, _address(path))
        assert answer.status_code == 401, f"{method} {path} answered {answer.status_code}"
        if method != "HEAD":
            assert answer.json()["reason"] == "not_signed_in", f"{method} {path}"
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_wrong_token_opens_no_door(app: FastAPI, anonymous: httpx.AsyncClient) -> None:
    anonymous.headers["Authorization"] = "Bearer guessed"
    for method, path in sorted(_documented(app) - OPEN):
        answer = await anonymous.request(method, _address(path))
        assert answer.status_code == 401, f"{method} {path} answered {answer.status_code}"


async def test_a_token_in_the_address_is_worth_nothing(anonymous: httpx.AsyncClient, client_as: ClientAs) -> None:
    holder = await client_as("duty_officer")
    token = holder.headers["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        assert (await anonymous.get("/api/v1/session", params={name: token})).status_code == 401


async def test_a_cookie_writes_nothing_without_its_csrf_token(app: FastAPI, console_as: ClientAs) -> None:
    client = await console_as("duty_officer", "duty_leader")
    for method, path in sorted(_documented(app) - OPEN):
        if method in SAFE:
            continue
        for headers in ({}, {"X-CSRF-Token": "0" * 64}):
            answer = await client.request(method, _address(path), headers=headers)
            assert answer.status_code == 403, f"{method} {path} answered {answer.status_code}"
            assert answer.json()["reason"] == "csrf_token_wrong", f"{method} {path}"


async def test_every_door_but_a_few_is_closed_to_some_role(app: FastAPI, client_as: ClientAs) -> None:
    """No role opens every door: each is shut, with the right reason, to the audit administrator or to the machine."""
    auditor, machine = await client_as("audit_admin"), await client_as("machine")
    for method, path in sorted(_documented(app) - OPEN - FOR_EVERY_ROLE):
        answers = []
        for client in (auditor, machine):
            answers.append(await client.request(method, _address(path)))
            if answers[-1].status_code == 403 and answers[-1].json()["reason"] == "role_not_allowed":
                break  # the other may be let in, and the stream of events would never end
        else:
            raise AssertionError(f"{method} {path} answered {[a.status_code for a in answers]}")


async def test_a_bearer_needs_no_csrf_token(client_as: ClientAs) -> None:
    client = await client_as("duty_officer")
    assert (await client.delete("/api/v1/session")).status_code == 204
    assert (await client.get("/api/v1/session")).status_code == 401


async def test_a_cookie_token_is_no_bearer_token(console_as: ClientAs, anonymous: httpx.AsyncClient) -> None:
    client = await console_as("duty_officer")
    stolen = client.cookies["gateway_session"]
    answer = await anonymous.get("/api/v1/session", headers={"Authorization": f"Bearer {stolen}"})
    assert answer.status_code == 401


def test_permissions_name_roles_that_exist() -> None:
    assert all(roles and roles <= ALL_ROLES | {GUEST} for roles in PERMISSIONS.values())


def test_a_guard_for_an_unknown_permission_or_role_fails_when_it_is_written() -> None:
    with pytest.raises(KeyError):
        permit("alerts.destroy")
    with pytest.raises(ValueError, match="unknown roles"):
        signed_in("emperor")
