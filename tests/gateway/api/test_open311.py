"""Other portals read events as Open311 GeoReport v2, without a person or a picture in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lxml import etree

from gateway.access.attempts import Attempts
from gateway.api.services import Services
from gateway.storage.tables.grid import Platform

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
ROOT = "/api/v1/open311/v2"


@pytest.fixture
async def portal(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as("machine")


async def test_classes_and_their_definitions_in_both_forms(portal: httpx.AsyncClient) -> None:
    listed = (await portal.get(f"{ROOT}/services.json")).json()
    fire = next(one for one in listed if one["service_code"] == "90-01")
    assert (fire["service_name"], fire["metadata"], fire["type"]) == ("火情", False, "realtime")
    assert "90-02" not in {one["service_code"] for one in listed}
    document = etree.fromstring((await portal.get(f"{ROOT}/services.xml")).content)
    assert (document.tag, document[0].tag, document.findtext("service/metadata")) == ("services", "service", "false")
    assert len(document) == len(listed)
    defined = await portal.get(f"{ROOT}/services/90-01.json")
    assert defined.json() == {"service_code": "90-01", "attributes": []}
    assert etree.fromstring((await portal.get(f"{ROOT}/services/90-01.xml")).content).tag == "service_definition"
    for code in ("90-02", "00-00"):
        missing = await portal.get(f"{ROOT}/services/{code}.json")
        assert (missing.status_code, missing.json()[0]["code"]) == (404, 404)


async def test_requests_are_filtered_paged_and_found_by_number(
    portal: httpx.AsyncClient, client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    for zone in ("a", "b", "c"):
        await raise_alert("fire", zone=zone)
        clock.advance(hours=1)
    leader = await client_as("duty_leader")
    events = (await leader.get("/api/v1/events")).json()["items"]
    newest = events[0]
    closing = {"opinion": "误触发", "revision": newest["revision"]}
    closed = await leader.post(f"/api/v1/events/{newest['no']}/actions/force_close", json=closing)
    assert closed.status_code == 200, closed.text

    async def numbers(**params: Any) -> list[str]:
        answer = await portal.get(f"{ROOT}/requests.json", params=params)
        assert answer.status_code == 200, answer.text
        return [one["service_request_id"] for one in answer.json()]

    all_of_them = [event["no"] for event in events]
    assert await numbers() == all_of_them
    assert await numbers(status="closed") == all_of_them[:1]
    assert await numbers(status="open") == all_of_them[1:]
    assert await numbers(page=2, page_size=2) == all_of_them[2:]
    assert await numbers(service_code="04-06,90-01") == all_of_them
    assert await numbers(service_code="04-06") == []
    assert await numbers(service_request_id=",".join(all_of_them[1:]), status="closed") == all_of_them[1:]
    assert await numbers(start_date="2030-01-07T18:30:00+08:00") == all_of_them[:1]
    assert await numbers(end_date="2030-01-07T17:30:00+08:00") == all_of_them[2:]
    one = (await portal.get(f"{ROOT}/requests/{newest['no']}.json")).json()
    assert len(one) == 1
    assert (one[0]["status"], one[0]["status_notes"], one[0]["agency_responsible"]) == (
        "closed",
        "强制结案",
        "枢纽平台",
    )
    assert (one[0]["lat"], one[0]["long"]) == (30.25, 120.5)
    document = etree.fromstring((await portal.get(f"{ROOT}/requests/{newest['no']}.xml")).content)
    assert document.tag == "service_requests"
    assert document.findtext("request/service_request_id") == newest["no"]


async def test_wrong_questions_get_the_standards_answers(portal: httpx.AsyncClient) -> None:
    for params, code in (
        ({"status": "lost"}, 400),
        ({"start_date": "yesterday"}, 400),
        ({"start_date": "2029-01-01T00:00:00Z", "end_date": "2029-12-01T00:00:00Z"}, 400),
        ({"service_request_id": ","}, 400),
    ):
        answer = await portal.get(f"{ROOT}/requests.json", params=params)
        assert (answer.status_code, answer.json()[0]["code"]) == (code, code)
    missing = await portal.get(f"{ROOT}/requests/none.xml")
    assert missing.status_code == 404
    assert etree.fromstring(missing.content).findtext("error/code") == "404"


async def test_gatherings_drills_and_the_words_of_people_are_left_out(
    portal: httpx.AsyncClient, client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    officer = await client_as("duty_officer")
    alert = await raise_alert("crowd")
    assert (await officer.post(f"/api/v1/alerts/{alert}/assess", json={"verdict": "confirmed"})).status_code == 200
    reported = await officer.post(
        "/api/v1/events",
        json={
            "class_code": "04-06", "description": "张三家门口摆摊", "source": "phone", "address": "幸福里3栋301",
            "lng": 120.5, "lat": 30.2,
        },
    )  # fmt: skip
    assert reported.status_code == 201, reported.text
    answer = await portal.get(f"{ROOT}/requests.json")
    assert [one["description"] for one in answer.json()] == ["占道经营"]
    assert "张三" not in answer.text
    assert "幸福里" not in answer.text


async def test_it_is_behind_a_token_in_scope_and_bounded(
    portal: httpx.AsyncClient, anonymous: httpx.AsyncClient, client_as: ClientAs, raise_alert: RaiseAlert,
    services: Services,
) -> None:  # fmt: skip
    await raise_alert("fire")
    assert (await anonymous.get(f"{ROOT}/requests.json")).status_code == 401
    assert (await anonymous.get(f"{ROOT}/requests.json", params={"api_key": "x"})).status_code == 401
    async with services.db.transaction() as session:
        session.add(Platform(code="town", name="测试镇", kind="town", parent="hub", platform="town"))
    town = await client_as("machine", platform="town")
    assert (await town.get(f"{ROOT}/requests.json")).json() == []
    object.__setattr__(services, "open311_attempts", Attempts(limit=1, seconds=60))
    assert (await portal.get(f"{ROOT}/services.json")).status_code == 200
    assert (await portal.get(f"{ROOT}/services.json")).json()["reason"] == "open311_too_fast"


async def test_where_a_jurisdiction_is_set_it_must_be_named(portal: httpx.AsyncClient, services: Services) -> None:
    chosen = services.settings.model_copy(
        update={"open311": services.settings.open311.model_copy(update={"jurisdiction_id": "city.example"})}
    )
    object.__setattr__(services, "settings", chosen)
    for given, status in ((None, 400), ("other.example", 404), ("city.example", 200)):
        params = {"jurisdiction_id": given} if given else {}
        assert (await portal.get(f"{ROOT}/services.json", params=params)).status_code == status
