"""The doors of alerts: what is listed, who may judge, and what a refusal says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.access import audit
from gateway.api.services import Services
from gateway.storage.ids import new_id

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


async def test_alerts_are_listed_newest_first_and_filtered(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    crowd = await raise_alert("crowd")
    clock.advance(seconds=1)
    stall = await raise_alert("stall")
    clock.advance(seconds=1)
    fire = await raise_alert("fire")
    page = (await client.get("/api/v1/alerts")).json()
    assert [item["id"] for item in page["items"]] == [fire, stall, crowd]
    assert page["total"] == 3
    cases: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"state": "detected"}, [stall, crowd]),
        ({"state": ["detected", "auto_promoted"], "limit": 1}, [fire]),
        ({"hazard": "stall"}, [stall]),
        ({"ended": "true"}, []),
        ({"order": "oldest", "limit": 2, "offset": 1}, [stall, fire]),
        ({"since": clock().isoformat()}, [fire]),
        ({"until": clock().isoformat()}, [stall, crowd]),
        ({"platform": "town"}, []),
        ({"camera_code": "99000000001320000001", "hazard": "crowd"}, [crowd]),
    )
    for params, wanted in cases:
        items = (await client.get("/api/v1/alerts", params=params)).json()["items"]
        assert [item["id"] for item in items] == wanted, params


async def test_an_alert_has_the_form_that_the_console_relies_on(client_as: ClientAs, raise_alert: RaiseAlert) -> None:
    client = await client_as("duty_officer")
    alert = (await client.get(f"/api/v1/alerts/{await raise_alert('fire')}")).json()
    assert {
        "id", "camera_code", "camera_name", "zone", "hazard", "class_code", "class_name", "state", "hazard_from",
        "raised_at", "last_seen_at", "ended_at", "acknowledge_until", "assess_until", "score", "sightings", "event_no",
        "evidence", "why", "revision",
    } <= set(alert)  # fmt: skip
    assert (alert["hazard"], alert["class_code"], alert["class_name"]) == ("fire", "90-01", "火情")
    assert alert["raised_at"].endswith("Z")
    [snapshot] = alert["evidence"]
    assert {"id", "kind", "media_type", "starts_at", "ends_at", "partial", "sha256"} <= set(snapshot)


async def test_a_duty_officer_acknowledges_and_confirms_and_the_event_is_there(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services
) -> None:
    client = await client_as("duty_officer")
    alert_id = await raise_alert("crowd")
    acknowledged = await client.post(f"/api/v1/alerts/{alert_id}/acknowledge")
    assert acknowledged.json()["state"] == "acknowledged"
    body = {"verdict": "confirmed", "reason": "属实", "revision": acknowledged.json()["revision"]}
    assessed = await client.post(f"/api/v1/alerts/{alert_id}/assess", json=body)
    assert assessed.json()["state"] == "confirmed"
    event = await client.get(f"/api/v1/events/{assessed.json()['event_no']}")
    assert event.json()["alert_ids"] == [alert_id]
    async with services.db.reading() as session:
        assert (await audit.verify(session)).holds
        whats = [row.what for row in (await audit.page(session, what="alert.")).items]
    assert whats == ["alert.confirm", "alert.acknowledge"]


async def test_refusals_name_the_reason_in_both_languages(client_as: ClientAs, raise_alert: RaiseAlert) -> None:
    client = await client_as("duty_officer")
    alert_id = await raise_alert("crowd")
    path = f"/api/v1/alerts/{alert_id}/assess"
    for body, status, reason, field in (
        ({"verdict": "maybe"}, 422, "field_invalid", "verdict"),
        ({"verdict": "confirmed", "revision": 99}, 409, "revision_stale", "revision"),
        ({"verdict": "false_positive"}, 422, "reason_missing", "reason"),
        ({"verdict": "merged"}, 422, "merge_target_missing", "merge_into"),
        ({"verdict": "merged", "into_event": "none"}, 404, "event_unknown", "no"),
    ):
        answer = await client.post(path, json=body)
        problem = answer.json()
        assert (answer.status_code, problem["reason"], problem["field"]) == (status, reason, field)
        assert problem["detail"] != problem["detail_en"]
    assert (await client.get(f"/api/v1/alerts/{alert_id}")).json()["state"] == "detected"
    assert (await client.get(f"/api/v1/alerts/{new_id()}")).status_code == 404


@pytest.mark.parametrize("role", ["dispatcher", "checker", "commander"])
async def test_who_only_watches_judges_nothing(client_as: ClientAs, raise_alert: RaiseAlert, role: str) -> None:
    client = await client_as(role)
    alert_id = await raise_alert("crowd")
    assert (await client.get("/api/v1/alerts")).status_code == 200
    assert (await client.post(f"/api/v1/alerts/{alert_id}/acknowledge")).status_code == 403
    body = {"verdict": "confirmed"}
    assert (await client.post(f"/api/v1/alerts/{alert_id}/assess", json=body)).status_code == 403
