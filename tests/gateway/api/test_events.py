"""The doors of events: lists, the story of one event, and the steps that roles take with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


async def _event(client: httpx.AsyncClient, alert_id: str) -> dict[str, object]:
    page = (await client.get("/api/v1/events")).json()
    found: list[dict[str, object]] = [item for item in page["items"] if alert_id in item["alert_ids"]]
    return found[0]


async def test_an_event_has_the_form_that_the_console_relies_on(client_as: ClientAs, raise_alert: RaiseAlert) -> None:
    client = await client_as("duty_officer")
    alert_id = await raise_alert("fire")
    listed = await _event(client, alert_id)
    event = (await client.get(f"/api/v1/events/{listed['no']}")).json()
    assert event == listed
    assert {
        "no", "state", "class_code", "class_name", "level", "warning_colour", "category", "camera_code", "camera_name",
        "grid", "platform", "lng", "lat", "address", "reported_at", "due_at", "description", "alert_ids", "evidence",
        "flow", "drill", "revision",
    } <= set(event)  # fmt: skip
    assert (event["state"], event["grid"], event["drill"]) == ("reported", "990000000001001", False)
    assert [item["kind"] for item in event["evidence"]] == ["snapshot"]
    assert set(event["flow"][0]) == {"at", "from_state", "to_state", "action", "operator", "opinion"}


async def test_events_are_listed_newest_first_and_filtered(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    await raise_alert("fire", zone="a")
    clock.advance(seconds=1)
    second = await raise_alert("fire", zone="b")
    newest = await _event(client, second)
    page = (await client.get("/api/v1/events", params={"limit": 1})).json()
    assert (page["total"], page["items"]) == (2, [newest])
    body = {"opinion": "演习", "revision": newest["revision"]}
    cancelled = await client.post(f"/api/v1/events/{newest['no']}/actions/cancel", json=body)
    assert cancelled.json()["state"] == "cancelled"
    for params, total in (
        ({"state": "reported"}, 1),
        ({"state": ["reported", "cancelled"]}, 2),
        ({"open": "true"}, 1),
        ({"open": "false"}, 1),
        ({"class_code": "90-01"}, 2),
        ({"class_code": "04-06"}, 0),
        ({"grid": "990000000001001"}, 2),
        ({"platform": "town"}, 0),
        ({"since": clock().isoformat()}, 1),
        ({"overdue": "true"}, 0),
        ({"overdue": "false"}, 2),
    ):
        assert (await client.get("/api/v1/events", params=params)).json()["total"] == total, params
    clock.advance(minutes=20)
    assert (await client.get("/api/v1/events", params={"overdue": "true"})).json()["total"] == 1


async def test_a_step_needs_the_revision_that_was_looked_at(client_as: ClientAs, raise_alert: RaiseAlert) -> None:
    officer, dispatcher = await client_as("duty_officer"), await client_as("dispatcher")
    event = await _event(officer, await raise_alert("fire"))
    path, revision = f"/api/v1/events/{event['no']}/actions", event["revision"]
    for client, action, body, status, reason in (
        (officer, "accept", {}, 422, "field_missing"),
        (officer, "accept", {"revision": 99}, 409, "revision_stale"),
        (officer, "not_accept", {"revision": revision}, 422, "reason_missing"),
        (officer, "explode", {"revision": revision}, 404, "action_unknown"),
        (dispatcher, "accept", {"revision": revision}, 403, "role_not_allowed"),
        (dispatcher, "dispatch", {"revision": revision}, 409, "event_state"),
    ):
        answer = await client.post(f"{path}/{action}", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), action
    assert await _event(officer, str(event["alert_ids"][0])) == event  # type: ignore[index]  # a list of ids


async def test_another_platform_sees_neither_the_alert_nor_the_event(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town", "测试镇", "town", "hub")
    stranger, officer = await client_as("duty_officer", platform="town"), await client_as("duty_officer")
    alert_id = await raise_alert("fire")
    event = await _event(officer, alert_id)
    for path in (f"/api/v1/events/{event['no']}", f"/api/v1/alerts/{alert_id}"):
        assert (await stranger.get(path)).status_code == 404
    for path in ("/api/v1/events", "/api/v1/alerts"):
        page = (await stranger.get(path)).json()
        assert (page["items"], page["total"]) == ([], 0)
    body = {"revision": event["revision"]}
    assert (await stranger.post(f"/api/v1/events/{event['no']}/actions/accept", json=body)).status_code == 404
