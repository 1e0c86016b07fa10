"""Grants, the audit chain and users over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from gateway.api.services import Services
from gateway.clock import Clock
from gateway.storage.tables.grid import Platform

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
GRANTS = "/api/v1/access/grants"
CAMERA = "99000000081321000001"


def _grant(clock: Clock, **change: object) -> dict[str, object]:
    until = clock() + timedelta(hours=8)
    return {"purpose": "值班巡查", "scope": "platform:hub", "until": until.isoformat(), **change}


async def test_a_grant_is_given_with_its_reason_and_listed_while_it_runs(client_as: ClientAs, clock) -> None:  # type: ignore[no-untyped-def]  # the manual clock of the conftest
    client = await client_as("duty_officer")
    made = await client.post(GRANTS, json=_grant(clock))
    assert made.status_code == 201
    assert made.json()["purpose"] == "值班巡查"
    assert made.json()["scope"] == "platform:hub"
    assert made.json()["until"].endswith("Z")
    listed = (await client.get(GRANTS)).json()
    assert listed == {"items": [made.json()], "total": 1}
    assert (await (await client_as("duty_officer")).get(GRANTS)).json()["total"] == 0
    clock.advance(hours=7.9)
    assert (await client.get(GRANTS)).json()["total"] == 1


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"purpose": "  "}, "purpose", "purpose_missing"),
        ({"scope": "everything"}, "scope", "scope_unknown"),
        ({"scope": "camera:"}, "scope", "scope_unknown"),
        ({"until": "2030-01-07T08:59:59Z"}, "until", "until_out_of_range"),
        ({"until": "2030-01-07T21:00:01Z"}, "until", "until_out_of_range"),
        ({"until": "2030-01-07T10:00:00"}, "until", "field_invalid"),
        ({"extra": 1}, "extra", "field_invalid"),
    ],
)
async def test_a_grant_without_reason_scope_or_a_fair_end_is_refused(
    client_as: ClientAs, clock: Clock, change: dict[str, object], field: str, reason: str
) -> None:
    client = await client_as("duty_officer")
    answer = await client.post(GRANTS, json=_grant(clock, **change))
    assert (answer.status_code, answer.json()["field"], answer.json()["reason"]) == (422, field, reason)
    assert (await client.get(GRANTS)).json()["total"] == 0


async def test_an_administrator_gets_no_grant(client_as: ClientAs, clock: Clock) -> None:
    for role in ("system_admin", "security_admin", "audit_admin"):
        assert (await (await client_as(role)).post(GRANTS, json=_grant(clock))).status_code == 403


async def test_the_audit_administrator_reads_the_chain_and_verifies_it(client_as: ClientAs, clock: Clock) -> None:
    officer, auditor = await client_as("duty_officer"), await client_as("audit_admin")
    await officer.post(GRANTS, json=_grant(clock))
    page = (await auditor.get("/api/v1/access/audit", params={"what": "grant."})).json()
    assert page["total"] == 1
    entry = page["items"][0]
    assert (entry["what"], entry["target"], entry["why"]) == ("grant.ask", "platform:hub", "值班巡查")
    everything = (await auditor.get("/api/v1/access/audit")).json()
    assert [row["seq"] for row in everything["items"]] == list(range(everything["total"], 0, -1))
    verdict = (await auditor.get("/api/v1/access/audit/verify")).json()
    assert verdict["holds"] is True
    assert verdict["rows"] == everything["total"]


async def test_the_security_administrator_makes_changes_and_disables_users(
    client_as: ClientAs, anonymous: httpx.AsyncClient
) -> None:
    admin = await client_as("security_admin")
    new = {
        "username": "zhiban1",
        "password": "Long-Enough-1",
        "display_name": "值班员甲",
        "roles": ["duty_officer"],
    }
    made = await admin.post("/api/v1/users", json=new)
    assert made.status_code == 201
    assert "password" not in made.text
    assert made.json()["platform"] == "hub"
    assert "argon2" not in (await admin.get("/api/v1/users")).text
    sign_in = {"username": "zhiban1", "password": "Long-Enough-1"}
    token = (await anonymous.post("/api/v1/session", json=sign_in)).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await anonymous.get("/api/v1/session", headers=bearer)).status_code == 200
    changed = await admin.patch("/api/v1/users/zhiban1", json={"disabled": True})
    assert changed.json()["disabled"] is True
    assert (await anonymous.get("/api/v1/session", headers=bearer)).status_code == 401
    assert (await anonymous.post("/api/v1/session", json=sign_in)).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "field", "reason"),
    [
        ({"password": "Short-1"}, 422, "password", "password_length"),
        ({"password": "onlysmallletters"}, 422, "password", "password_too_simple"),
        ({"password": "My-Zhiban1-Pass"}, 422, "password", "password_holds_username"),
        ({"username": "Über"}, 422, "username", "username_invalid"),
        ({"username": "system"}, 422, "username", "username_invalid"),
        ({"display_name": " "}, 422, "display_name", "display_name_invalid"),
        ({"roles": []}, 422, "roles", "role_missing"),
        ({"roles": ["emperor"]}, 422, "roles", "role_unknown"),
        ({"roles": ["system_admin", "audit_admin"]}, 422, "roles", "roles_exclude_each_other"),
        ({"roles": ["security_admin", "duty_officer"]}, 422, "roles", "roles_exclude_each_other"),
        ({"platform": "elsewhere"}, 422, "platform", "platform_unknown"),
    ],
)
async def test_a_user_who_must_not_be_is_refused_with_the_field(
    client_as: ClientAs, change: dict[str, object], status: int, field: str, reason: str
) -> None:
    admin = await client_as("security_admin")
    new = {"username": "zhiban1", "password": "Long-Enough-1", "display_name": "甲", "roles": ["checker"], **change}
    answer = await admin.post("/api/v1/users", json=new)
    assert (answer.status_code, answer.json()["field"], answer.json()["reason"]) == (status, field, reason)
    assert (await admin.get("/api/v1/users")).json()["total"] == 1


async def test_a_username_is_given_once(client_as: ClientAs) -> None:
    admin = await client_as("security_admin")
    new = {"username": "zhiban1", "password": "Long-Enough-1", "display_name": "甲", "roles": ["checker"]}
    assert (await admin.post("/api/v1/users", json=new)).status_code == 201
    again = await admin.post("/api/v1/users", json=new)
    assert (again.status_code, again.json()["reason"]) == (409, "username_taken")


async def test_nobody_raises_themselves_and_a_refused_change_changes_nothing(client_as: ClientAs) -> None:
    admin = await client_as("security_admin")
    own = (await admin.get("/api/v1/session")).json()["user"]["username"]
    change = {"password": "Another-Pass-9", "roles": ["audit_admin"]}
    answer = await admin.patch(f"/api/v1/users/{own}", json=change)
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_on_oneself")
    # The password, first in the order of changes, was not given either: the session still lives.
    assert (await admin.get("/api/v1/session")).status_code == 200


async def test_an_unknown_user_cannot_be_changed(client_as: ClientAs) -> None:
    admin = await client_as("security_admin")
    answer = await admin.patch("/api/v1/users/nobody", json={"disabled": True})
    assert (answer.status_code, answer.json()["reason"]) == (404, "user_unknown")


@pytest.fixture
async def town(services: Services) -> str:
    async with services.db.transaction() as session:
        session.add(Platform(platform="town", code="town", name="测试镇", kind="town", parent="hub"))
    return "town"


async def test_a_towns_security_administrator_has_no_say_over_the_hubs_users(client_as: ClientAs, town: str) -> None:
    hub = await client_as("security_admin")
    made = await client_as("security_admin", platform=town)
    hubs, towns = (username["username"] for username in (await hub.get("/api/v1/users")).json()["items"])
    shown = (await made.get("/api/v1/users")).json()["items"]
    assert [user["username"] for user in shown] == [towns]
    for change in ({"password": "Taken-Over-2026"}, {"roles": ["duty_leader"]}, {"disabled": True}):
        answer = await made.patch(f"/api/v1/users/{hubs}", json=change)
        assert (answer.status_code, answer.json()["reason"]) == (404, "user_unknown")
    new = {"username": "neiying", "password": "Made-Up-Word-1", "display_name": "某人", "roles": ["system_admin"]}
    above = await made.post("/api/v1/users", json={**new, "platform": "hub"})
    assert (above.status_code, above.json()["reason"]) == (403, "scope_beyond_yours")
    own = await made.post("/api/v1/users", json=new)
    assert (own.status_code, own.json()["platform"]) == (201, town)
    assert (await hub.patch("/api/v1/users/neiying", json={"disabled": True})).status_code == 200


async def test_a_towns_audit_administrator_reads_the_towns_rows_alone(client_as: ClientAs, town: str) -> None:
    await client_as("duty_officer")
    auditor = await client_as("audit_admin", platform=town)
    page = (await auditor.get("/api/v1/access/audit")).json()
    assert {row["platform"] for row in page["items"]} == {town}
    assert page["total"] == len(page["items"])
    everything = (await (await client_as("audit_admin")).get("/api/v1/access/audit")).json()
    assert {row["platform"] for row in everything["items"]} == {"hub", town}
