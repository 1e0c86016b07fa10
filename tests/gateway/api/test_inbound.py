"""Another platform signs for its case, handles it and feeds back; nobody else can, and nothing happens twice."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from gateway.access import audit
from gateway.api.services import Services
from gateway.events.intake import evidence_folder
from gateway.events.outward.standard_webhooks import signed_headers
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.outward import InboundMessageRow

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
RULES = {
    "event_no": "case.outerNo",
    "code": "case.status",
    "opinion": "case.remark",
    "revision": "case.version",
    "photo": "case.picture",
    "actions": {"10": "sign", "20": "handle", "30": "feedback", "90": "return"},
}
PICTURE = base64.b64encode(cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()).decode()


@dataclass
class OtherPlatform:
    client: httpx.AsyncClient
    services: Services
    receiver_id: str
    secret: str
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def send(
        self, document: dict[str, Any], *, message_id: str | None = None, at: datetime | None = None, secret: str = ""
    ) -> httpx.Response:
        body = json.dumps(document).encode()
        message_id = message_id or f"msg-{next(self.numbers)}"
        headers = signed_headers(
            secret or self.secret, message_id, at or self.services.clock(), body, "application/json"
        )
        return await self.client.post(f"/api/v1/inbound/{self.receiver_id}", content=body, headers=headers)

    async def step(self, no: str, status: str, **more: Any) -> httpx.Response:
        return await self.send({"case": {"outerNo": no, "status": status, **more}})


@dataclass
class Case:
    no: str
    officer: httpx.AsyncClient
    dispatcher: httpx.AsyncClient

    async def event(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.officer.get(f"/api/v1/events/{self.no}")).json()
        return found


@pytest.fixture
async def admin(client_as: ClientAs, services: Services) -> httpx.AsyncClient:
    async with services.db.transaction() as session:
        session.add_all(
            [Platform(code=code, name=code, kind="town", parent="hub", platform="hub") for code in ("unit", "other")]
        )
    return await client_as("system_admin")


@pytest.fixture
async def other(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, services: Services) -> OtherPlatform:
    asked = {"address": "https://grid.example/hook", "name": "网格平台", "platform": "unit"}
    made = (await admin.post("/api/v1/receivers", json=asked)).json()
    opened = await admin.put(f"/api/v1/receivers/{made['id']}/inbound", json={"rules": RULES})
    assert opened.status_code == 200, opened.text
    return OtherPlatform(anonymous, services, made["id"], opened.json()["secret"])


@pytest.fixture
async def case(admin: httpx.AsyncClient, client_as: ClientAs, raise_alert: RaiseAlert) -> Case:
    officer, dispatcher = await client_as("duty_officer"), await client_as("dispatcher")
    await raise_alert("fire")
    [event] = (await officer.get("/api/v1/events")).json()["items"]
    made = Case(event["no"], officer, dispatcher)
    for client, action, more in ((officer, "accept", {}), (dispatcher, "dispatch", {"department": "unit"})):
        asked = {"revision": (await made.event())["revision"], **more}
        sent = await client.post(f"/api/v1/events/{made.no}/actions/{action}", json=asked)
        assert sent.status_code == 200, sent.text
    return made


async def test_the_other_platform_signs_handles_and_feeds_back_in_its_own_words(
    other: OtherPlatform, case: Case, services: Services
) -> None:
    signed = await other.step(case.no, "10", version=(await case.event())["revision"])
    assert signed.status_code == 200, signed.text
    assert signed.json() == {
        "event_no": case.no, "action": "sign", "state": "signed", "revision": (await case.event())["revision"],
        "repeated": False,
    }  # fmt: skip
    assert (await other.step(case.no, "20")).json()["state"] == "handling"
    bare = await other.step(case.no, "30", remark="已清理")
    assert (bare.status_code, bare.json()["reason"]) == (422, "photo_missing")
    assert (await other.step(case.no, "30", remark="已清理", picture=PICTURE)).json()["state"] == "feedback"
    event = await case.event()
    assert [(step["action"], step["operator"][:5]) for step in event["flow"]][-3:] == [
        ("sign", "网格平台#"), ("handle", "网格平台#"), ("feedback", "网格平台#"),
    ]  # fmt: skip
    assert [one["kind"] for one in event["evidence"]][-1] == "after_photo"
    async with services.db.reading() as session:
        acts = [row.what for row in (await audit.page(session, who=event["flow"][-1]["operator"])).items]
    assert sorted(acts) == ["event.feedback", "event.handle", "event.photo", "event.sign", "inbound.refuse"]


async def test_sent_again_it_is_answered_as_it_was_and_nothing_is_done_twice(
    other: OtherPlatform, case: Case, services: Services
) -> None:
    message = {"case": {"outerNo": case.no, "status": "10"}}
    first = await other.send(message, message_id="once")
    again = await other.send(message, message_id="once")
    assert (again.status_code, again.json()) == (200, {**first.json(), "repeated": True})
    changed = await other.send({"case": {"outerNo": case.no, "status": "20"}}, message_id="once")
    assert (changed.status_code, changed.json()["reason"]) == (409, "message_id_taken")
    assert [step["action"] for step in (await case.event())["flow"]].count("sign") == 1
    async with services.db.reading() as session:
        assert (await session.execute(select(func.count()).select_from(InboundMessageRow))).scalar_one() == 1


async def test_what_is_not_signed_rightly_or_in_time_is_refused(other: OtherPlatform, case: Case) -> None:
    message = {"case": {"outerNo": case.no, "status": "10"}}
    now = other.services.clock()
    foreign = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert (await other.send(message, secret=foreign)).json()["reason"] == "signature_refused"
    for at in (now - timedelta(minutes=6), now + timedelta(minutes=6)):
        answer = await other.send(message, at=at)
        assert (answer.status_code, answer.json()["reason"]) == (401, "timestamp_outside_window")
    unsigned = await other.client.post(f"/api/v1/inbound/{other.receiver_id}", json=message)
    assert (unsigned.status_code, unsigned.json()["reason"]) == (401, "not_signed_in")
    other.receiver_id = "019f0000-0000-7000-8000-000000000000"
    assert (await other.send(message)).json()["reason"] == "signature_refused"
    assert (await case.event())["state"] == "dispatched"


async def test_stale_foreign_unknown_and_untimely_messages_change_nothing(
    other: OtherPlatform, case: Case, raise_alert: RaiseAlert, services: Services
) -> None:
    await raise_alert("fire", zone="elsewhere")
    other_no = next(
        one["no"] for one in (await case.officer.get("/api/v1/events")).json()["items"] if one["no"] != case.no
    )
    event = await case.event()
    files = sorted(evidence_folder(services.settings).rglob("*.*"))
    for answer, status, reason, at_fault in (
        (await other.step(case.no, "10", version=event["revision"] - 1), 409, "revision_stale", "case.version"),
        (await other.step(other_no, "10"), 404, "event_unknown", "case.outerNo"),
        (await other.step("no-such", "10"), 404, "event_unknown", "case.outerNo"),
        (await other.step(case.no, "77"), 422, "inbound_code_unknown", "case.status"),
        (await other.step(case.no, "20"), 409, "event_state", "action"),
        (await other.step(case.no, "90"), 422, "reason_missing", "opinion"),
        (await other.step(case.no, "20", picture=PICTURE), 409, "event_state", "action"),
        (await other.step(case.no, "10", picture="no picture"), 422, "inbound_field_invalid", "case.picture"),
        (await other.send({"case": {"status": "10"}}), 422, "inbound_field_invalid", "case.outerNo"),
        (await other.send([]), 422, "inbound_field_invalid", "case.status"),  # type: ignore[arg-type]  # hostile
    ):
        found = answer.json()
        assert (answer.status_code, found["reason"], found.get("field")) == (status, reason, at_fault), found
    assert await case.event() == event
    assert sorted(evidence_folder(services.settings).rglob("*.*")) == files


async def test_a_new_secret_ends_the_old_one_and_closing_ends_both(
    other: OtherPlatform, case: Case, admin: httpx.AsyncClient
) -> None:
    path = f"/api/v1/receivers/{other.receiver_id}"
    changed = await admin.put(f"{path}/inbound", json={"rules": RULES})
    assert changed.json()["secret"] is None
    old = other.secret
    other.secret = (await admin.put(f"{path}/inbound", json={"rules": RULES, "new_secret": True})).json()["secret"]
    assert (await admin.get(path)).json()["inbound"]["code"] == "case.status"
    assert other.secret not in (await admin.get(path)).text
    message = {"case": {"outerNo": case.no, "status": "10"}}
    assert (await other.send(message, secret=old)).status_code == 401
    assert (await other.send(message)).status_code == 200
    await admin.put(f"{path}/inbound", json={"rules": None})
    assert (await other.send(message)).status_code == 401
    for wrong in (
        {**RULES, "actions": {"1": "explode"}},
        {**RULES, "roles": ["duty_leader"]},
        {**RULES, "code": "a b"},
    ):
        assert (await admin.put(f"{path}/inbound", json={"rules": wrong})).status_code == 422


async def test_another_receiver_of_another_unit_sees_no_event_of_this_one(
    other: OtherPlatform, case: Case, admin: httpx.AsyncClient
) -> None:
    asked = {"address": "https://other.example/hook", "platform": "other"}
    made = (await admin.post("/api/v1/receivers", json=asked)).json()
    opened = (await admin.put(f"/api/v1/receivers/{made['id']}/inbound", json={"rules": RULES})).json()
    stranger = OtherPlatform(other.client, other.services, made["id"], opened["secret"])
    answer = await stranger.step(case.no, "10")
    assert (answer.status_code, answer.json()["reason"]) == (404, "event_unknown")
