"""Figures show what they were made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import select, update

from gateway.api.services import Services
from gateway.storage.tables.events import EventRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


async def test_rates_carry_numerator_denominator_and_formula(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    reject = {"verdict": "false_positive", "reason": "雕像"}
    crowd = await raise_alert("crowd")
    assert (await client.post(f"/api/v1/alerts/{crowd}/assess", json=reject)).status_code == 200
    stall = await raise_alert("stall")
    assert (await client.post(f"/api/v1/alerts/{stall}/assess", json={"verdict": "confirmed"})).status_code == 200
    await raise_alert("fire")
    clock.advance(seconds=1)
    made = (await client.get("/api/v1/statistics/summary")).json()
    assert made["alerts_by_hazard"] == {"crowd": 1, "stall": 1, "fire": 1}
    assert made["alerts_by_state"] == {"false_positive": 1, "confirmed": 1, "auto_promoted": 1}
    assert made["events_by_class"] == {"04-06": 1, "90-01": 1}
    rates = {rate["name"]: rate for rate in made["rates"]}
    false = rates["false_positive_rate"]
    assert (false["numerator"], false["denominator"], false["value"]) == (1, 2, 0.5)
    assert false["formula"]
    closure = rates["closure_rate"]
    assert (closure["numerator"], closure["denominator"], closure["value"]) == (0, 2, 0.0)
    assert rates["rework_rate"]["value"] is None


async def test_drills_are_left_out_and_said_unless_they_are_asked_for(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    officer, leader = await client_as("duty_officer"), await client_as("duty_leader")
    until = (clock() + timedelta(hours=1)).isoformat()
    asked = await officer.post("/api/v1/mode/switches", json={"drill": True, "reason": "演练", "until": until})
    await raise_alert("fire")
    await leader.post(f"/api/v1/mode/switches/{asked.json()['id']}/approve", json={})
    await raise_alert("stall")
    await raise_alert("fire", zone="yard")
    clock.advance(seconds=1)

    async def figures(drills: str | None) -> tuple[dict[str, int], int, int]:
        params = {} if drills is None else {"drills": drills}
        made = (await officer.get("/api/v1/statistics/summary", params=params)).json()
        rates = (await officer.get("/api/v1/statistics/rates", params=params | {"by": "class"})).json()
        return made["alerts_by_hazard"], made["drills_left_out"], sum(one["reported"] for one in rates["items"])

    assert await figures(None) == ({"fire": 1}, 3, 1)  # left out: two alerts, and the event of one of them
    assert await figures("only") == ({"stall": 1, "fire": 1}, 2, 1)
    assert await figures("with") == ({"stall": 1, "fire": 2}, 0, 2)
    assert (await officer.get("/api/v1/events", params={"drill": True})).json()["total"] == 1


async def test_a_period_counts_what_lies_in_it(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    await raise_alert("fire")
    clock.advance(hours=1)
    later = clock().isoformat()
    empty = (await client.get("/api/v1/statistics/summary", params={"since": later})).status_code
    assert empty == 422
    made = (await client.get("/api/v1/statistics/summary", params={"until": later, "platform": "town"})).json()
    assert (made["alerts_by_hazard"], made["events_by_class"]) == ({}, {})
    made = (await client.get("/api/v1/statistics/summary", params={"until": later})).json()
    assert made["alerts_by_hazard"] == {"fire": 1}


async def test_rates_are_told_by_each_grouping_from_the_same_events(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    for zone in "abcde":
        await raise_alert("fire", zone=zone)
    facts: list[dict[str, object]] = [
        {"state": "closed", "handled_at": clock(), "handle_due_at": clock()},
        {"state": "closed", "handled_at": clock(), "handle_due_at": clock(), "handled_late": True, "reworks": 2},
        {
            "state": "closed",
            "handled_at": clock(),
            "handle_due_at": clock(),
            "handled_late": True,
            "appeal": "approved",
        },
        {"state": "handling", "handle_due_at": clock(), "extensions": 1},
        {"state": "not_accepted"},
    ]
    async with services.db.transaction() as session:
        rows = await session.scalars(select(EventRow).order_by(EventRow.no))
        for row, values in zip(rows, facts, strict=True):
            await session.execute(update(EventRow).where(EventRow.id == row.id).values(**values))
    clock.advance(seconds=1)
    wanted = {
        "closure_rate": (3, 4), "ontime_rate": (1, 4), "ontime_score_rate": (2, 4), "rework_rate": (1, 3),
        "extension_rate": (1, 4),
    }  # fmt: skip
    made = (await client.get("/api/v1/statistics/summary")).json()["rates"]
    for by, key in (("platform", "hub"), ("department", ""), ("grid", "990000000001001"), ("class", "90-01")):
        [group] = (await client.get("/api/v1/statistics/rates", params={"by": by})).json()["items"]
        assert (group["key"], group["reported"], group["closed"]) == (key, 5, 3)
        for rates in (made, group["rates"]):
            found = {rate["name"]: (rate["numerator"], rate["denominator"]) for rate in rates}
            assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_the_ends_of_the_calendar_are_no_failure(client_as: ClientAs, name: str, moment: str) -> None:
    client = await client_as("duty_officer")
    answer = await client.get("/api/v1/statistics/summary", params={name: moment})
    assert answer.status_code in (200, 422), answer.text
