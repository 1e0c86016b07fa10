"""The tree over HTTP: moved by those who have been told what moves along, and nothing is ever cut off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from gateway.api.services import Services
from gateway.grid.hanging import _NAMES, _TOLD
from gateway.grid.platforms import add_sub_platform
from gateway.storage.tables import metadata
from gateway.storage.tables.grid import Platform

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
API = "/api/v1/platforms"


@pytest.fixture
async def city(services: Services) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
        await add_sub_platform(session, "town-b", "乙镇", "town", "hub")
        await add_sub_platform(session, "village", "测试社区", "key_community", "town-a")
        await add_sub_platform(session, "urban", "城管局", "city_department", "hub")


async def tree(client: httpx.AsyncClient) -> dict[str, Any]:
    return {one["code"]: one for one in (await client.get(API)).json()["items"]}


async def test_a_move_is_confirmed_and_changes_who_sees_what(client_as: ClientAs, city: None) -> None:
    admin, a = await client_as("system_admin"), await client_as("duty_officer", "grid_member", platform="town-a")
    b = await client_as("duty_officer", platform="town-b")
    own = await client_as("grid_member", platform="village")
    report = {"class_code": "04-96", "description": "消防通道被堵"}
    no = (await own.post("/api/v1/events", json=report)).json()["no"]
    asked = {"revision": 1, "parent": "town-b"}
    told = await admin.patch(f"{API}/village", json=asked)
    assert (told.status_code, told.json()["reason"]) == (409, "move_unconfirmed")
    assert "用户 1" in told.json()["detail"]
    assert "事件 1" in told.json()["detail"]
    assert (await tree(admin))["village"]["parent"] == "town-a"
    moved = await admin.patch(f"{API}/village", json=asked | {"confirm": True})
    assert (moved.json()["parent"], moved.json()["revision"]) == ("town-b", 2)
    seen = [(await one.get(f"/api/v1/events/{no}")).status_code for one in (a, b, own)]
    assert seen == [404, 200, 200]
    stale = await admin.patch(f"{API}/village", json=asked | {"parent": "town-a", "confirm": True})
    assert (stale.status_code, stale.json()["reason"]) == (409, "revision_stale")


@pytest.mark.parametrize(
    ("code", "change", "reason"),
    [
        ("town-a", {"parent": "village", "confirm": True}, "parent_below"),
        ("town-a", {"parent": "town-a", "confirm": True}, "parent_below"),
        ("town-a", {"parent": "town-b", "confirm": True}, "parent_unfit"),
        ("village", {"parent": "urban", "confirm": True}, "parent_unfit"),
        ("village", {"parent": "gone", "confirm": True}, "platform_unknown"),
        ("hub", {"parent": "town-a", "confirm": True}, "hub_fixed"),
        ("hub", {"name": "别名"}, "hub_fixed"),
        ("town-a", {"division": "99000"}, "field_invalid"),
        ("town-a", {"division": "990001"}, "division_invalid"),
    ],
)
async def test_what_would_break_the_tree_is_refused_and_changes_nothing(
    client_as: ClientAs, city: None, code: str, change: dict[str, Any], reason: str
) -> None:
    admin = await client_as("system_admin")
    before = await tree(admin)
    answer = await admin.patch(f"{API}/{code}", json={"revision": 1, **change})
    assert answer.json()["reason"] == reason
    assert await tree(admin) == before


async def test_divisions_lie_within_those_above_whichever_changes(client_as: ClientAs, city: None) -> None:
    admin = await client_as("system_admin")
    for code, division in (("hub", "990001"), ("town-a", "990001001"), ("village", "990001001002")):
        answer = await admin.patch(f"{API}/{code}", json={"revision": 1, "division": division})
        assert answer.json()["division"] == division
    other = await admin.patch(f"{API}/town-a", json={"revision": 2, "division": "990001009"})
    assert other.json()["reason"] == "division_elsewhere"
    moved = {"revision": 2, "parent": "town-b", "confirm": True}
    assert (await admin.patch(f"{API}/village", json=moved)).json()["parent"] == "town-b"
    await admin.patch(f"{API}/town-b", json={"revision": 1, "division": "990001002"})
    assert (await tree(admin))["town-b"]["division"] == ""


async def test_nothing_that_something_hangs_on_is_taken_away(client_as: ClientAs, city: None) -> None:
    admin, auditor = await client_as("system_admin"), await client_as("audit_admin")
    town = await admin.delete(f"{API}/town-a", params={"revision": 1})
    assert (town.status_code, town.json()["reason"]) == (409, "platform_not_empty")
    assert "下级平台 1" in town.json()["detail"]
    rule = {"department": "urban", "class_code": "04-*"}
    made = (await admin.post("/api/v1/dispatch-rules", json=rule)).json()
    urban = await admin.delete(f"{API}/urban", params={"revision": 1})
    assert "派遣规则 1" in urban.json()["detail"]
    await admin.delete(f"/api/v1/dispatch-rules/{made['id']}", params={"revision": 1})
    assert (await admin.delete(f"{API}/urban", params={"revision": 1})).status_code == 204
    assert (await admin.delete(f"{API}/village", params={"revision": 1})).status_code == 204
    assert (await admin.delete(f"{API}/town-a", params={"revision": 1})).status_code == 204
    assert sorted(await tree(admin)) == ["hub", "town-b"]
    assert (await admin.delete(f"{API}/hub", params={"revision": 1})).status_code == 403
    rows = (await auditor.get("/api/v1/access/audit", params={"what": "platform.remove"})).json()["items"]
    assert {row["target"] for row in rows} == {"platform:urban", "platform:village", "platform:town-a"}


async def test_a_town_changes_its_own_below_it_and_never_where_it_hangs(client_as: ClientAs, city: None) -> None:
    town = await client_as("system_admin", platform="town-a")
    assert (await town.patch(f"{API}/village", json={"revision": 1, "name": "改名"})).status_code == 200
    for answer, status in (
        (await town.patch(f"{API}/town-b", json={"revision": 1, "name": "改名"}), 404),
        (await town.delete(f"{API}/town-b", params={"revision": 1}), 404),
        (await town.patch(f"{API}/village", json={"revision": 2, "parent": "hub", "confirm": True}), 403),
        (await town.patch(f"{API}/town-a", json={"revision": 1, "parent": "town-a", "confirm": True}), 403),
        (await town.delete(f"{API}/town-a", params={"revision": 1}), 403),
    ):
        assert answer.status_code == status


async def test_whatever_table_a_platform_owns_rows_of_keeps_it(services: Services, city: None) -> None:
    """A table to come with an owning platform is looked at without being named anywhere."""
    owned = {name for name, table in metadata().tables.items() if "platform" in table.columns}
    assert set(_NAMES) <= owned
    assert owned >= _TOLD
    async with services.db.reading() as session:
        assert len(list(await session.scalars(select(Platform)))) == 5
