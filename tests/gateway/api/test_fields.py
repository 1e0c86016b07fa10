"""Texts and times that one database keeps and another does not, or that break whatever they are put into."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from gateway.clock import Clock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


@pytest.mark.parametrize("text", ["\x00\x00", "一\r\n二", "a\x1b[2Jb", "a\x7fb", "a\u2028b"])
async def test_a_purpose_is_one_line_without_control_characters(client_as: ClientAs, clock: Clock, text: str) -> None:
    client = await client_as("duty_officer")
    asked = {"purpose": text, "scope": "platform:hub", "until": clock().replace(hour=12).isoformat()}
    answer = await client.post("/api/v1/access/grants", json=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, "purpose")


@pytest.mark.parametrize(("field", "address"), [("name", "/api/v1/cameras"), ("title", "/api/v1/rooms")])
async def test_names_and_titles_hold_no_line_break(client_as: ClientAs, field: str, address: str) -> None:
    client = await client_as("duty_leader")
    asked = {"name": "东门", "rtsp_url": "rtsp://10.0.0.1/", "lng": 120.5, "lat": 30.25} if field == "name" else {}
    answer = await client.post(address, json={**asked, field: "东门\r\nX-Evil: 1"})
    # A part that does not run here answers first; whichever it is, nothing is kept.
    assert answer.status_code in (422, 503)
    if answer.status_code == 422:
        assert answer.json()["field"] == field


async def test_an_opinion_may_have_lines_but_no_nul(
    client_as: ClientAs, raise_alert: Callable[..., Awaitable[str]]
) -> None:
    client = await client_as("duty_officer")
    alert = await raise_alert("crowd")
    address = f"/api/v1/alerts/{alert}/assess"
    refused = await client.post(address, json={"verdict": "false_positive", "reason": "雕像\x00"})
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    kept = await client.post(address, json={"verdict": "false_positive", "reason": "雕像\n\t南侧"})
    assert kept.status_code == 200


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("address", ["alerts", "events", "statistics/summary"])
async def test_a_time_that_utc_cannot_say_is_refused_by_its_field(
    client_as: ClientAs, address: str, moment: str
) -> None:
    client = await client_as("duty_officer")
    answer = await client.get(f"/api/v1/{address}", params={"since": moment})
    assert (answer.status_code, answer.json()["field"]) == (422, "since")
