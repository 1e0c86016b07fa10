"""A rejection becomes a suppression at once, is listed with what it holds back, and can be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.api.services import Services
from gateway.events.suppressions import forget_unstored, in_force, note_held_back
from gateway.storage.tables.events import AlertRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
CODE = "99000000001320000001"
WHY = {"box": [0.1, 0.2, 0.3, 0.4], "appearance": [128, 128, *[0] * 26]}


@pytest.fixture
def rejected(client_as: ClientAs, raise_alert: RaiseAlert, services: Services) -> Callable[..., Awaitable[str]]:
    """Raises an alert, made of ``why``, and rejects it as an officer does."""

    async def make(hazard: str, why: dict[str, object]) -> str:
        alert_id = await raise_alert(hazard)
        async with services.db.transaction() as session:
            row = await session.get(AlertRow, alert_id)
            assert row is not None
            row.why = why
        client = await client_as("duty_officer")
        body = {"verdict": "false_positive", "reason": "红灯笼"}
        answer = await client.post(f"/api/v1/alerts/{alert_id}/assess", json=body)
        assert answer.status_code == 200, answer.text
        return alert_id

    return make


async def told(services: Services) -> list[dict[str, object]]:
    """What the camera's worker is told."""
    async with services.db.reading() as session:
        return (await in_force(session, [CODE], services.clock())).get(CODE, [])


async def test_a_rejected_fire_is_suppressed_there_for_a_day_at_most(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services, clock: ManualClock
) -> None:
    alert_id = await rejected("fire", WHY)
    client = await client_as("duty_officer")
    (one,) = (await client.get("/api/v1/suppressions", params={"camera_code": CODE})).json()["items"]
    assert (one["alert_id"], one["hazard"], one["box"], one["held_back"]) == (alert_id, "fire", WHY["box"], 0)
    (order,) = await told(services)
    assert order["until"] == pytest.approx(services.clock().timestamp() + 86_400, abs=1)
    assert order["alerts"] == [alert_id]
    clock.advance(seconds=86_400)
    assert await told(services) == []
    lapsed = await client_as("duty_officer")
    assert (await lapsed.get("/api/v1/suppressions", params={"in_force": "true"})).json()["total"] == 0
    assert (await lapsed.get("/api/v1/suppressions")).json()["total"] == 1


async def test_a_gathering_is_suppressed_by_its_number_and_an_alert_without_place_by_nothing(
    rejected: Callable[..., Awaitable[str]], services: Services
) -> None:
    await rejected("crowd", {"people": 18})
    assert [one["people"] for one in await told(services)] == [18]
    await rejected("stall", {"boxes": []})
    assert len(await told(services)) == 1


async def test_what_it_held_back_is_shown_and_taking_it_back_is_audited_and_told(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services
) -> None:
    await rejected("stall", WHY)
    client = await client_as("duty_officer")
    (one,) = (await client.get("/api/v1/suppressions")).json()["items"]
    async with services.db.transaction() as session:
        await note_held_back(session, one["id"], CODE, services.clock().timestamp())
        await note_held_back(session, one["id"], "another camera", services.clock().timestamp())
    undone = await client.post(f"/api/v1/suppressions/{one['id']}/undo")
    assert undone.json()["held_back"] == 1
    assert undone.json()["undone_by"]
    assert await told(services) == []
    assert (await client.post("/api/v1/suppressions/none/undo")).status_code == 404


async def test_who_may_not_judge_alerts_takes_nothing_back(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services
) -> None:
    await rejected("stall", WHY)
    (one,) = await told(services)
    client = await client_as("checker")
    assert (await client.post(f"/api/v1/suppressions/{one['id']}/undo")).status_code == 403


async def test_a_rejection_holds_in_the_view_it_was_made_in_and_one_that_nobody_stored_ends_with_it(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services, clock: ManualClock
) -> None:
    await rejected("stall", {**WHY, "view": "preset-7"})
    await rejected("fire", {**WHY, "view": None})
    await rejected("crowd", {"people": 18, "view": ""})
    assert {one["hazard"]: one["view"] for one in await told(services)} == {
        "stall": "preset-7",
        "fire": None,
        "crowd": "",
    }
    shown = (await (await client_as("duty_officer")).get("/api/v1/suppressions")).json()["items"]
    assert {one["hazard"]: one["preset"] for one in shown} == {"stall": "preset-7", "fire": "", "crowd": None}
    async with services.db.transaction() as session:
        await forget_unstored(session, CODE, services.clock())
    assert {one["hazard"] for one in await told(services)} == {"stall", "crowd"}
