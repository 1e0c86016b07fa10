"""What became of a camera's health, and the report over all of them, at their doors."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from openpyxl import load_workbook

from camera_registry.codes import CodeRange
from camera_registry.ports import Site
from camera_registry.registration import CameraFound
from gateway.api.services import Services
from gateway.events.intake import evidence_folder
from gateway.settings import RuleSettings
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.evidence_files import EvidenceFiles
from gateway.workers.control.assignments import HealthHeard
from gateway.workers.control.camera_records import CameraRecords

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
PICTURE = b"\xff\xd8 covered \xff\xd9"


@pytest.fixture
async def code(services: Services, clock: ManualClock) -> str:
    """A camera that was live for an hour, covered for half an hour, and has been live for another half."""
    files = EvidenceFiles(evidence_folder(services.settings), ())
    records = CameraRecords(services.db, services.vault, RuleSettings(), clock, files)
    found = CameraFound(stream_url="rtsp://127.0.0.1:8555/main", encoding="H264")
    async with services.db.transaction() as session:
        store = DatabaseCameraStore(session, services.vault)
        number = await store.next_code(CodeRange("99000000"))
        await store.add(number, found, Site("东门", "hub"), None, "", clock())
    made = str(number)
    for state, picture, minutes in (("live", None, 60), ("covered", PICTURE, 30), ("live", None, 30)):
        await records.note_health(made, HealthHeard(state, state, clock(), picture))
        await records.note_health(made, HealthHeard(state, "another_reason", clock()))
        clock.advance(seconds=60 * minutes)
    return made


async def test_each_change_is_kept_once_with_its_picture(client_as: ClientAs, code: str, clock: ManualClock) -> None:
    client = await client_as("duty_officer")
    history = (await client.get(f"/api/v1/cameras/{code}/health/history")).json()
    assert [change["state"] for change in history["items"]] == ["live", "covered", "live", "connecting"]
    covered = history["items"][1]
    assert covered["picture"]
    path = f"/api/v1/cameras/{code}/health/history/{covered['id']}/picture.jpg"
    assert (await client.get(path)).json()["reason"] == "grant_missing"
    until = (clock() + timedelta(hours=1)).isoformat()
    asked = {"purpose": "查看遮挡", "scope": f"camera:{code}", "until": until}
    granted = await client.post("/api/v1/access/grants", json=asked)
    answer = await client.get(path, headers={"X-Viewing-Grant": granted.json()["id"]})
    assert (answer.status_code, answer.content) == (200, PICTURE)


async def test_the_report_tells_rates_with_what_they_are_made_of(client_as: ClientAs, code: str) -> None:
    client = await client_as("duty_officer")
    (day,) = (await client.get("/api/v1/statistics/camera-health")).json()["items"]
    rates = {rate["name"]: rate for rate in day["rates"]}
    assert (day["platform"], day["cameras"]) == ("hub", 1)
    online, good = rates["online_rate"], rates["good_picture_rate"]
    assert (online["numerator"], online["denominator"], online["value"]) == (7200, 7200, 1.0)
    assert (good["numerator"], good["denominator"], good["value"]) == (5400, 7200, 0.75)
    assert day["affected"] == {"covered": 1, "live": 1}


async def test_the_report_is_a_table_for_spreadsheets_too(client_as: ClientAs, code: str) -> None:
    client = await client_as("duty_officer")
    table = (await client.get("/api/v1/statistics/camera-health", params={"form": "csv"})).content.decode("utf-8-sig")
    assert "在线率" in table.splitlines()[0]
    assert ",hub," in table.splitlines()[1]
    book = load_workbook(
        io.BytesIO((await client.get("/api/v1/statistics/camera-health", params={"form": "xlsx"})).content)
    )
    rows = list(book.worksheets[0].values)
    assert rows[1][1] == "hub"
    assert rows[1][7] == 0.75


async def test_a_period_is_checked(client_as: ClientAs, code: str) -> None:
    client = await client_as("duty_officer")
    for period, reason in (
        ({"since": "2031-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}, "period_empty"),
        ({"since": "2020-01-01T00:00:00Z"}, "period_too_long"),
    ):
        answer = await client.get("/api/v1/statistics/camera-health", params=period)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, "since")


async def test_a_scene_is_learned_anew_on_the_set_ups_word(client_as: ClientAs, code: str) -> None:
    path = f"/api/v1/cameras/{code}/health/learn"
    assert (await (await client_as("duty_officer")).post(path)).status_code == 403
    assert (await (await client_as("duty_leader")).post(path)).status_code == 204
