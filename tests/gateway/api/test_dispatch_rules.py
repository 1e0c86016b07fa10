"""Dispatch rules over HTTP: kept whole or not at all, tried before they count, and told on every event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform
from gateway.storage.tables.grid import Grid
from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
API = "/api/v1"
GRID = "990000000001001"


@pytest.fixture
async def city(services: Services) -> Services:
    """A town with one grid at 120.5/30.25, a fire brigade, and another town."""
    ring = [[120.4, 30.2], [120.6, 30.2], [120.6, 30.3], [120.4, 30.3], [120.4, 30.2]]
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town", "测试镇", "town", "hub")
        await add_sub_platform(session, "town-2", "测试二镇", "town", "hub")
        await add_sub_platform(session, "fire", "消防大队", "city_department", "hub")
        session.add(
            Grid(
                platform="town", code=GRID, name="测试网格", kind="urban", division="990000000001",
                outline={"type": "Polygon", "coordinates": [ring]}, changed_at=services.clock(),
            )
        )  # fmt: skip
    return services


async def made(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.post(f"{API}/dispatch-rules", json=asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_event_tells_who_is_responsible_and_why_and_the_dispatch_goes_there(
    client_as: ClientAs, city: Services
) -> None:
    admin, desk = await client_as("system_admin"), await client_as("duty_officer", "dispatcher")
    report = {"class_code": "90-01", "description": "冒烟", "lng": 120.5, "lat": 30.25}
    before = (await desk.post(f"{API}/events", json=report)).json()["responsible"]
    assert (before["department"], before["basis"]) == ("hub", "hub")
    rule = await made(admin, name="火情", class_code="90-01", place="platform", place_code="town", department="fire")
    asked = {"class_code": "90-01", "lng": 120.5, "lat": 30.25}
    tried = (await desk.get(f"{API}/dispatch-rules/dry-run", params=asked)).json()
    nowhere = await desk.get(f"{API}/dispatch-rules/dry-run", params={"class_code": "90-01", "grid": "gone"})
    assert nowhere.json()["reason"] == "grid_unknown"
    assert (tried["responsible"]["department"], tried["rules"], tried["grid"]) == ("fire", [rule["number"]], GRID)

    event = (await desk.post(f"{API}/events", json=report)).json()
    assert event["responsible"]["zh"] == "规则 1“火情”：火情，测试镇辖区 → 消防大队"
    assert event["department"] is None
    fire = await client_as("department", platform="fire")
    assert (await fire.get(f"{API}/events/{event['no']}")).status_code == 404
    act = f"{API}/events/{event['no']}/actions"
    await desk.post(f"{act}/accept", json={"revision": event["revision"]})
    sent = (await desk.post(f"{act}/dispatch", json={"revision": event["revision"] + 1})).json()
    assert sent["department"] == sent["responsible"]["department"] == "fire"
    assert (await fire.get(f"{API}/events/{event['no']}")).status_code == 200

    back = (await fire.post(f"{act}/return", json={"revision": sent["revision"], "opinion": "不归我们"})).json()
    body = {"revision": back["revision"], "department": "town"}
    other = (await desk.post(f"{act}/dispatch", json=body)).json()
    assert (other["department"], other["responsible"]["basis"]) == ("town", "hand")


async def test_whom_the_rules_name_may_lie_beyond_the_dispatchers_sight_and_whom_the_event_showed_still_holds(
    client_as: ClientAs, city: Services, clock: ManualClock
) -> None:
    admin = await client_as("system_admin")
    town = await client_as("duty_officer", "dispatcher", platform="town")
    staff = (await admin.post(f"{API}/grid-staff", json={"name": "测试甲", "grids": [GRID]})).json()
    await made(admin, class_code="90-01", department="fire", staff=staff["id"], hours=[["08:00", "18:00"]])
    report = {"class_code": "90-01", "description": "冒烟", "lng": 120.5, "lat": 30.25}
    numbers = []
    for _ in range(2):
        event = (await town.post(f"{API}/events", json=report)).json()
        await town.post(f"{API}/events/{event['no']}/actions/accept", json={"revision": 1})
        numbers.append(event["no"])
    door = f"{API}/events/{{}}/actions/dispatch"
    beyond = await town.post(door.format(numbers[0]), json={"revision": 2, "department": "town-2"})
    assert beyond.json()["reason"] == "department_unknown"
    sent = (await town.post(door.format(numbers[0]), json={"revision": 2, "department": "fire"})).json()
    assert (sent["department"], sent["assignee"]) == ("fire", "测试甲")
    clock.advance(minutes=70)  # 18:10 in the city
    shown = (await town.get(f"{API}/events/{numbers[1]}")).json()
    late = await town.post(door.format(numbers[1]), json={"revision": shown["revision"], "department": "fire"})
    assert (late.json()["department"], late.json()["responsible"]["basis"]) == ("fire", "rule")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"department": "gone"}, "department"),
        ({"department": "fire", "class_code": "77-01"}, "class_code"),
        ({"department": "fire", "class_code": "77-*"}, "class_code"),
        ({"department": "fire", "class_code": "火"}, "class_code"),
        ({"department": "fire", "place": "grid", "place_code": "gone"}, "grids"),
        ({"department": "fire", "place": "platform"}, "place_code"),
        ({"department": "fire", "place_code": "town"}, "place_code"),
        ({"department": "fire", "hours": [["8", "9"]]}, "hours"),
        ({"department": "fire", "days": [8]}, "days"),
        ({"department": "fire", "staff": "gone"}, "staff"),
        ({"department": "fire", "fallback": True, "class_code": "90-01"}, "fallback"),
        ({"department": "fire", "priority": 0}, "priority"),
        ({"department": "fire", "platform": "gone"}, "platform"),
    ],
)
async def test_a_rule_that_would_serve_nobody_is_refused(
    client_as: ClientAs, city: Services, asked: dict[str, Any], field: str
) -> None:
    admin = await client_as("system_admin")
    answer = await admin.post(f"{API}/dispatch-rules", json=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert (await admin.get(f"{API}/dispatch-rules")).json()["total"] == 0


async def test_the_check_names_what_only_the_fallback_serves(client_as: ClientAs, city: Services) -> None:
    admin = await client_as("system_admin")
    classes = (await admin.get(f"{API}/code-tables")).json()["classes"]
    every = (await admin.get(f"{API}/dispatch-rules/gaps")).json()
    assert (every["total"], every["of"]) == (len(classes), len(classes))
    assert {gap["basis"] for gap in every["items"]} == {"hub"}
    await made(admin, department="hub", fallback=True)
    await made(admin, department="fire", class_code="90-01", hours=[["08:00", "20:00"]])
    await made(admin, department="town", class_code="04-*")
    left = (await admin.get(f"{API}/dispatch-rules/gaps")).json()["items"]
    assert {gap["basis"] for gap in left} == {"fallback"}
    whens = {gap["class_code"]: gap["when"] for gap in left}
    assert whens["90-01"] == "at_times"
    assert whens["90-02"] == "always"
    assert not any(code.startswith("04-") for code in whens)


async def test_a_rule_is_changed_by_revision_and_by_its_owner_alone(client_as: ClientAs, city: Services) -> None:
    admin, auditor = await client_as("system_admin"), await client_as("audit_admin")
    town, stranger = [await client_as("system_admin", platform=code) for code in ("town", "town-2")]
    hubs = await made(admin, department="hub", fallback=True)
    own = await made(town, department="town")
    door = f"{API}/dispatch-rules/{own['id']}"
    assert (await stranger.patch(door, json={"revision": 1, "enabled": False})).status_code == 404
    assert (await stranger.delete(door, params={"revision": 1})).status_code == 404
    assert [one["id"] for one in (await stranger.get(f"{API}/dispatch-rules")).json()["items"]] == [hubs["id"]]
    assert (await town.patch(f"{API}/dispatch-rules/{hubs['id']}", json={"revision": 1})).status_code == 404
    changed = (await town.patch(door, json={"revision": 1, "priority": 5, "hours": [["22:00", "06:00"]]})).json()
    assert (changed["priority"], changed["hours"], changed["revision"]) == (5, [["22:00", "06:00"]], 2)
    stale = await town.patch(door, json={"revision": 1, "priority": 6})
    assert (stale.status_code, stale.json()["reason"]) == (409, "revision_stale")
    assert (await town.delete(door, params={"revision": 2})).status_code == 204
    rows = (await auditor.get(f"{API}/access/audit", params={"target": f"dispatch_rule:{own['id']}"})).json()["items"]
    assert {row["what"] for row in rows} == {"dispatch_rule.add", "dispatch_rule.change", "dispatch_rule.remove"}
