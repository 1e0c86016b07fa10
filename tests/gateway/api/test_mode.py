"""The mode over HTTP: who sees it, who asks, who decides; the live stream tells everybody whom it governs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]


async def test_one_asks_another_approves_and_all_below_see_it(
    client_as: ClientAs, services: Services, clock: ManualClock
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
    officer, leader = await client_as("duty_officer", "duty_leader"), await client_as("duty_leader")
    townsman = await client_as("grid_member", platform="town-a")
    until = (clock() + timedelta(hours=2)).isoformat()
    body = {"wartime": True, "drill": True, "classes": ["90-01"], "reason": "消防演练", "until": until}
    async with services.live.listen() as listener:
        asked = (await officer.post("/api/v1/mode/switches", json=body)).json()
        assert asked["state"] == "asked"
        url = f"/api/v1/mode/switches/{asked['id']}"
        assert (await officer.post(f"{url}/approve", json={})).json()["reason"] == "approver_is_asker"
        assert (await townsman.post(f"{url}/approve", json={})).status_code == 403
        assert (await townsman.get("/api/v1/mode")).json()["wartime"] is False
        assert (await leader.post(f"{url}/approve", json={"opinion": "同意"})).json()["state"] == "approved"
        topics = [listener.queue.get_nowait().topic for _ in range(listener.queue.qsize())]
    assert topics == ["mode.changed", "mode.changed"]
    mode = (await townsman.get("/api/v1/mode")).json()
    assert (mode["wartime"], mode["drill"], mode["switches"][0]["platform"]) == (True, True, "hub")
    assert [one["action"] for one in mode["switches"][0]["log"]] == ["ask", "approve"]
    clock.advance(hours=2)
    mode = (await townsman.get("/api/v1/mode")).json()
    assert (mode["wartime"], mode["drill"], mode["switches"]) == (False, False, [])


async def test_a_switch_that_is_no_switch_is_refused_with_its_field(client_as: ClientAs, clock: ManualClock) -> None:
    officer = await client_as("duty_officer")
    until = (clock() + timedelta(hours=2)).isoformat()
    for body, field in (
        ({"reason": "无", "until": until}, "wartime"),
        ({"wartime": True, "reason": " ", "until": until}, "reason"),
        ({"wartime": True, "reason": "汛期", "until": clock().isoformat()}, "until"),
        ({"wartime": True, "reason": "汛期", "until": until, "platform": "nowhere"}, "platform"),
    ):
        answer = await officer.post("/api/v1/mode/switches", json=body)
        assert answer.status_code == 422
        assert field in str(answer.json()["errors"] if "errors" in answer.json() else answer.json())
    assert (await officer.get("/api/v1/mode/switches")).json()["total"] == 0
