"""The map shows each event while there are few, and how many lie where when there are many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from gateway.api.services import Services
from gateway.events import event_map

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
BOX = {"bbox": "120.4,30.2,120.6,30.3"}


async def test_few_events_are_points_and_many_are_cells(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await client_as("duty_officer")
    for zone in ("a", "b"):
        await raise_alert("fire", zone=zone)
    until = {"until": services.clock().replace(hour=10).isoformat()}
    shown = (await client.get("/api/v1/events/map", params=BOX | until)).json()
    assert [(point["lng"], point["lat"]) for point in shown["points"]] == [(120.5, 30.25)] * 2
    elsewhere = {"bbox": "121,30.2,122,30.3"} | until
    assert (await client.get("/api/v1/events/map", params=elsewhere)).json() == {"points": [], "cells": []}
    monkeypatch.setattr(event_map, "MOST_POINTS", 1)
    shown = (await client.get("/api/v1/events/map", params=BOX | until)).json()
    assert shown == {"points": [], "cells": [{"lng": 120.5, "lat": 30.25, "count": 2}]}


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"bbox": "1,2,3"}, "box_invalid"),
        ({"bbox": "3,2,1,4"}, "box_invalid"),
        ({"bbox": "nan,nan,nan,nan"}, "box_invalid"),
        (BOX | {"since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}, "period_unfit"),
    ],
)
async def test_a_box_or_a_period_that_cannot_be_drawn_is_refused(
    client_as: ClientAs, params: dict[str, str], reason: str
) -> None:
    client = await client_as("duty_officer")
    answer = await client.get("/api/v1/events/map", params=params)
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)
