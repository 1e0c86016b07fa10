"""A rejection becomes a suppression at once, is listed with what it holds back, and can be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.api.services import Services
from gateway.events.suppressions import forget_preset, forget_unstored, in_force, note_held_back
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import AlertRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
CODE = "99000000001320000001"
WHY = {"box": [0.1, 0.2, 0.3, 0.4], "appearance": [128, 128, *[0] * 26]}


@pytest.fixture
def rejected(client_as: ClientAs, raise_alert: RaiseAlert, services: Services) -> Callable[..., Awaitable[str]]:
    """Raises an alert, made of ``why``, and rejects it as an officer does; ``over``: after its hazard is."""

    async def make(hazard: str, why: dict[str, object], *, over: bool = False) -> str:
        alert_id = await raise_alert(hazard)
        async with services.db.transaction() as session:
            row = await session.get(AlertRow, alert_id)
            assert row is not None
            row.why = why
            if over:
                row.ended_at, row.open_key = services.clock(), None
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


async def test_what_was_rejected_in_the_view_of_a_preset_lapses_when_that_is_gone_or_another_one(
    rejected: Callable[..., Awaitable[str]], services: Services
) -> None:
    """It held on in the view that was stored under the same token."""
    await rejected("stall", {**WHY, "view": "7"})
    await rejected("fire", {**WHY, "view": "8"})
    async with services.db.transaction() as session:
        assert await forget_preset(session, CODE, "7", services.clock())
        assert not await forget_preset(session, CODE, "7", services.clock())
        assert not await forget_preset(session, "another camera", "8", services.clock())
    assert [one["view"] for one in await told(services)] == ["8"]


async def test_what_is_over_in_a_view_that_nobody_stored_is_suppressed_in_no_other(
    rejected: Callable[..., Awaitable[str]], services: Services
) -> None:
    """The camera may have been turned since: the rejection held in the view it had by then."""
    await rejected("crowd", {"people": 18, "view": None}, over=True)
    assert await told(services) == []
    await rejected("crowd", {"people": 18, "view": ""}, over=True)
    assert len(await told(services)) == 1


@pytest.fixture
async def camera(services: Services, camera_row: Callable[..., CameraRow]) -> str:
    """The door of the camera that raises the alerts."""
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock()))
    return f"/api/v1/cameras/{CODE}"


async def test_a_rejected_gathering_lapses_when_its_zone_is_drawn_elsewhere_and_nothing_else_does(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services, camera: str
) -> None:
    """A gathering is known by its number alone: the rejection silenced one at a place that nobody had judged."""
    client = await client_as("duty_leader")
    drawn = {"kind": "crowd", "zone": "square", "polygon": [[0, 0], [0.5, 0], [0.5, 0.5]]}
    stall = {**drawn, "kind": "stall"}
    assert (await client.put(f"{camera}/rules", json={"rules": [drawn, stall]})).status_code == 200
    await rejected("crowd", {"people": 18, "view": ""})
    await rejected("stall", {**WHY, "view": ""})
    await client.put(f"{camera}/rules", json={"rules": [{**drawn, "people": 20}, stall]})
    assert {one["hazard"] for one in await told(services)} == {"crowd", "stall"}
    moved = [[0.5, 0.5], [1, 0.5], [1, 1]]
    await client.put(f"{camera}/rules", json={"rules": [{**drawn, "polygon": moved}, {**stall, "polygon": moved}]})
    assert {one["hazard"] for one in await told(services)} == {"stall"}


async def test_a_camera_whose_view_was_moved_and_is_right_so_forgets_what_was_rejected_in_the_old_one(
    client_as: ClientAs, rejected: Callable[..., Awaitable[str]], services: Services, camera: str
) -> None:
    client = await client_as("duty_leader")
    await rejected("fire", {**WHY, "view": ""})
    await rejected("stall", {**WHY, "view": "7"})
    assert (await client.post(f"{camera}/health/learn")).status_code == 204
    assert await told(services) == []
    assert (await client.get("/api/v1/suppressions")).json()["total"] == 2
