"""A night's duty as it is kept: the log tells by hand and by itself, and the shift is handed over and signed for."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from openpyxl import load_workbook
from sqlalchemy import insert

from gateway.access import audit
from gateway.api.services import Services
from gateway.storage.ids import new_id
from gateway.storage.tables.camera_health import CameraHealthRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


async def name_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/session")).json()["user"]["username"])


async def log(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/duty/log", params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def rows(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(io.BytesIO(content), read_only=True)
    return {sheet.title: [tuple(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


async def test_a_night_stands_in_the_log_by_hand_and_by_itself(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    officer, leader = await client_as("duty_officer"), await client_as("duty_leader")
    until = (clock() + timedelta(hours=6)).isoformat()
    asked = await officer.post("/api/v1/mode/switches", json={"drill": True, "reason": "夜间演练", "until": until})
    clock.advance(seconds=1)
    await leader.post(f"/api/v1/mode/switches/{asked.json()['id']}/approve", json={})
    clock.advance(seconds=1)
    crowd = await raise_alert("crowd")
    clock.advance(seconds=5)
    reject = {"verdict": "false_positive", "reason": "排队"}
    assert (await officer.post(f"/api/v1/alerts/{crowd}/assess", json=reject)).status_code == 200
    clock.advance(seconds=1)
    await raise_alert("fire")
    clock.advance(seconds=1)
    async with services.db.transaction() as session:
        down = {"id": new_id(), "camera_code": "99000000001320000001", "platform": "hub", "state": "offline"}
        await session.execute(insert(CameraHealthRow).values(**down, reason="unreachable", at=clock()))
    clock.advance(seconds=1)
    note = (await officer.post("/api/v1/duty/log", json={"text": "22:10 市民来电询问"})).json()
    clock.advance(seconds=1)
    fixed = {"text": "更正：22:20 来电", "corrects": note["id"]}
    assert (await officer.post("/api/v1/duty/log", json=fixed)).json()["corrects"] == note["id"]

    told = await log(officer)
    assert [(one["kind"], one["drill"]) for one in reversed(told)] == [
        ("mode", True), ("mode", True), ("alert", True), ("alert", True), ("alert", True), ("event", True),
        ("camera", False), ("note", False), ("note", False),
    ]  # fmt: skip
    assert "误报：排队" in next(one["zh"] for one in told if "研判" in one["zh"])
    assert [one["zh"] for one in told if one["kind"] == "note"] == ["更正：22:20 来电", "22:10 市民来电询问"]
    assert await log(officer, kind=["camera", "note"], limit=2, offset=1) == [told[1], told[2]]
    assert await log(officer, since=(clock() + timedelta(hours=1)).isoformat(), until=until) == []
    wide = {"since": (clock() - timedelta(days=40)).isoformat()}
    assert (await officer.get("/api/v1/duty/log", params=wide)).json()["reason"] == "period_unfit"
    assert (await officer.post("/api/v1/duty/log", json={"text": "x", "corrects": new_id()})).status_code == 404
    assert (await officer.post("/api/v1/duty/log", json={"text": "  "})).status_code == 422


async def test_the_log_is_a_workbook_in_which_nothing_runs(client_as: ClientAs, clock: ManualClock) -> None:
    officer = await client_as("duty_officer")
    for text in ("=HYPERLINK(1)", "+1", "-2", "@cmd", "正常记事"):
        await officer.post("/api/v1/duty/log", json={"text": text})
        clock.advance(seconds=1)
    answer = await officer.get("/api/v1/duty/log.xlsx")
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    lines = rows(answer.content)["值班日志"]
    assert [line[5] for line in lines[2:]] == ["'=HYPERLINK(1)", "'+1", "'-2", "'@cmd", "正常记事"]


async def test_a_shift_is_handed_over_with_what_it_leaves_open_and_signed_for_by_both(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    officer, next_officer, other = [await client_as("duty_officer") for _ in range(3)]
    me, to = await name_of(officer), await name_of(next_officer)
    await raise_alert("crowd")
    await raise_alert("fire")
    clock.advance(minutes=20)
    summary = (await officer.get("/api/v1/duty/summary")).json()
    assert (summary["events_open"], summary["events_by_state"]) == (1, {"reported": 1})
    assert (summary["overdue"]["total"], summary["alerts_unassessed"]["total"]) == (1, 1)

    for unfit in (me, "nobody"):
        refused = await officer.post("/api/v1/duty/handovers", json={"to": unfit})
        assert refused.json()["reason"] == "receiver_unfit"
    given = (await officer.post("/api/v1/duty/handovers", json={"to": to, "remarks": "注意东市口"})).json()
    assert (given["state"], given["given_by"], given["summary"]["events_open"]) == ("given", me, 1)
    again = await officer.post("/api/v1/duty/handovers", json={"to": to})
    assert again.json()["reason"] == "handover_waits"
    url = f"/api/v1/duty/handovers/{given['id']}"
    assert (await other.post(f"{url}/sign", json={})).json()["reason"] == "not_the_receiver"
    assert (await next_officer.post(f"{url}/refuse", json={})).json()["reason"] == "reason_missing"
    clock.advance(minutes=5)
    assert (await next_officer.post(f"{url}/sign", json={"opinion": "已知悉"})).json()["state"] == "signed"
    assert (await next_officer.post(f"{url}/sign", json={})).json()["reason"] == "handover_done"
    assert [one["who"] for one in await log(officer, kind="handover")] == [to, me]

    sheets = rows((await officer.get(f"{url}.xlsx")).content)
    assert ("超时事件 Overdue events", 1) in sheets["交接班"]
    assert sheets["超时事件"][2][1] == "火情"
    async with services.db.reading() as session:
        assert (await audit.verify(session)).holds


async def test_the_roster_holds_who_is_on_duty_and_nobody_twice_at_once(
    client_as: ClientAs, clock: ManualClock
) -> None:
    leader, officer = await client_as("duty_leader"), await client_as("duty_officer")
    name = await name_of(officer)
    shift = {
        "username": name, "post": "值班员", "starts_at": clock().isoformat(),
        "ends_at": (clock() + timedelta(hours=12)).isoformat(),
    }  # fmt: skip
    assert (await officer.post("/api/v1/duty/shifts", json=shift)).status_code == 403
    made = (await leader.post("/api/v1/duty/shifts", json=shift)).json()
    assert (await leader.post("/api/v1/duty/shifts", json=shift)).json()["reason"] == "shift_overlaps"
    assert (await leader.post("/api/v1/duty/shifts", json=shift | {"username": "x"})).json()["reason"] == (
        "person_unknown"
    )
    backwards = shift | {"ends_at": shift["starts_at"]}
    assert (await leader.post("/api/v1/duty/shifts", json=backwards)).json()["reason"] == "shift_unfit"
    assert [one["id"] for one in (await officer.get("/api/v1/duty/shifts")).json()] == [made["id"]]
    assert (await leader.delete(f"/api/v1/duty/shifts/{made['id']}")).status_code == 204
    assert (await officer.get("/api/v1/duty/shifts")).json() == []
