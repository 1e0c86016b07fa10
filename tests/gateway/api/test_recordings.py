"""Recordings are planned, started, listed, held, and shown under a grant; views and changes are in the audit chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import select

from gateway.access import audit
from gateway.api.services import Services
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.recordings import RecordingHoldRow
from gateway.streams.recordings import camera_recordings, recording_name

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
CODE = "99000000001320000001"
PATH = f"/api/v1/cameras/{CODE}/recordings"
BYTES = bytes(range(256)) * 4


@pytest.fixture
async def recording(services: Services, clock: ManualClock, camera_row: Callable[..., CameraRow]) -> str:
    """A camera with one recording; answers its id."""
    now = clock()
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, now))
    folder = camera_recordings(services.settings.data_folder) / CODE
    folder.mkdir(parents=True)
    recording_id = new_id()
    begun = now.timestamp() - 600
    (folder / recording_name(begun, begun + 300, recording_id, partial=False)).write_bytes(BYTES)
    return recording_id


async def _audited(services: Services, what: str) -> list[str]:
    async with services.db.reading() as session:
        return [row.target for row in (await audit.page(session, what=what)).items]


async def test_a_recording_is_listed_and_shown_in_ranges_under_a_grant(
    client_as: ClientAs, services: Services, clock: ManualClock, recording: str
) -> None:
    client = await client_as("duty_officer")
    [shown] = (await client.get(PATH)).json()
    assert (shown["id"], shown["size"], shown["partial"], shown["held"]) == (recording, len(BYTES), False, False)
    refused = await client.get(f"{PATH}/{recording}")
    assert (refused.status_code, refused.json()["reason"]) == (403, "grant_missing")
    body = {"purpose": "核实", "scope": f"camera:{CODE}", "until": (clock() + timedelta(hours=1)).isoformat()}
    grant = (await client.post("/api/v1/access/grants", json=body)).json()["id"]
    headers = {"X-Viewing-Grant": grant, "Range": "bytes=10-19"}
    part = await client.get(f"{PATH}/{recording}", headers=headers)
    assert (part.status_code, part.content) == (206, BYTES[10:20])
    assert await _audited(services, "view.recording") == [f"recording:{recording}"]
    assert (await client.get(f"{PATH}/{new_id()}", headers=headers)).status_code == 404
    later = {"since": clock().isoformat()}
    assert (await client.get(PATH, params=later)).json() == []


async def test_recording_is_started_and_stopped_by_whoever_is_on_duty(
    client_as: ClientAs, services: Services, clock: ManualClock, recording: str
) -> None:
    client = await client_as("duty_officer")
    until = (clock() + timedelta(hours=2)).isoformat()
    started = await client.post(f"{PATH}/start", json={"until": until})
    assert (started.status_code, started.json()["on_demand_until"] is not None) == (202, True)
    too_long = await client.post(f"{PATH}/start", json={"until": (clock() + timedelta(days=3)).isoformat()})
    assert (too_long.status_code, too_long.json()["reason"]) == (422, "until_out_of_range")
    assert (await client.post(f"{PATH}/stop")).json()["on_demand_until"] is None
    assert await _audited(services, "recording.start") == [f"camera:{CODE}"]
    assert (await client.put(f"{PATH}/plan", json={"hours": []})).status_code == 403


async def test_a_plan_is_kept_and_a_wrong_one_changes_nothing(client_as: ClientAs, recording: str) -> None:
    client = await client_as("duty_leader")
    plan = {"hours": [["22:00", "06:00"]], "retention_days": 7}
    assert (await client.put(f"{PATH}/plan", json=plan)).status_code == 200
    wrong = await client.put(f"{PATH}/plan", json={"hours": [["25:00", "06:00"]]})
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "hours_invalid")
    assert (await client.get(f"{PATH}/plan")).json() == {**plan, "on_demand_until": None}


async def test_a_hold_is_put_on_and_let_go_by_a_leader(client_as: ClientAs, services: Services, recording: str) -> None:
    officer, leader = await client_as("duty_officer"), await client_as("duty_leader")
    assert (await officer.put(f"{PATH}/{recording}/hold", json={"reason": "案件"})).status_code == 403
    for reason in ("案件", "案件二"):
        assert (await leader.put(f"{PATH}/{recording}/hold", json={"reason": reason})).status_code == 204
    [shown] = (await leader.get(PATH)).json()
    assert (shown["held"], shown["hold_reason"]) == (True, "案件二")
    assert (await leader.delete(f"{PATH}/{recording}/hold")).status_code == 204
    async with services.db.reading() as session:
        assert (await session.scalars(select(RecordingHoldRow))).all() == []
    assert len(await _audited(services, "recording.hold")) == 2


async def test_another_platforms_camera_has_no_recordings_to_show(
    client_as: ClientAs, services: Services, recording: str
) -> None:
    client = await client_as("duty_officer")
    assert (await client.get("/api/v1/cameras/99000000001320000009/recordings")).status_code == 404
