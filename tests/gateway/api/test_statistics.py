"""Figures show what they were made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
import pytest

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


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_the_ends_of_the_calendar_are_no_failure(client_as: ClientAs, name: str, moment: str) -> None:
    client = await client_as("duty_officer")
    answer = await client.get("/api/v1/statistics/summary", params={name: moment})
    assert answer.status_code in (200, 422), answer.text
