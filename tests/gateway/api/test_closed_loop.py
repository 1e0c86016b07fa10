"""The closed loop as it is lived (上报、研判、流转、办理、反馈、办结): a fire at night, over HTTP, by four roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np

from gateway.access import audit
from gateway.api.services import Services
from gateway.events.photographs import MOST_BYTES
from gateway.grid.platforms import add_sub_platform

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
JPEG = {"Content-Type": "image/jpeg"}


def photograph(width: int = 640, height: int = 480) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


async def step(client: httpx.AsyncClient, no: str, action: str, opinion: str = "", **asked: Any) -> dict[str, Any]:
    """Look at the event, then take a step with what was seen, as the console does."""
    seen = (await client.get(f"/api/v1/events/{no}")).json()
    body = {"revision": seen["revision"], "opinion": opinion, **asked}
    answer = await client.post(f"/api/v1/events/{no}/actions/{action}", json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def refused(client: httpx.AsyncClient, no: str, action: str, **asked: Any) -> str:
    seen = (await client.get(f"/api/v1/events/{no}")).json()
    body = {"revision": seen.get("revision", 1), "opinion": "理由", **asked}
    answer = await client.post(f"/api/v1/events/{no}/actions/{action}", json=body)
    assert 400 <= answer.status_code < 500, answer.text
    reason: str = answer.json()["reason"]
    return reason


async def test_a_fire_at_night_is_followed_until_it_is_closed(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "city-fire", "消防大队", "city_department", "hub")
        await add_sub_platform(session, "city-urban", "城管局", "city_department", "hub")
    officer = await client_as("duty_officer", "dispatcher")
    leader = await client_as("duty_leader")
    brigade = await client_as("department", platform="city-fire")
    checker = await client_as("checker")
    others = await client_as("department", platform="city-urban")

    # Nobody attends to the camera's alert: it has become an event by itself, with its picture.
    alert_id = await raise_alert("fire")
    alert = (await officer.get(f"/api/v1/alerts/{alert_id}")).json()
    no = alert["event_no"]
    assert alert["state"] == "auto_promoted"
    assert (await brigade.get(f"/api/v1/events/{no}")).status_code == 404
    # A caller tells of the same fire; the officer finds the case beside it and joins the two.
    body = {
        "class_code": "90-01",
        "description": "市民来电：路口东冒烟",
        "source": "phone",
        "lng": 120.5001,
        "lat": 30.25,
    }
    called = (await officer.post("/api/v1/events", json=body)).json()
    similar = (await officer.get(f"/api/v1/events/{called['no']}/similar")).json()
    assert [event["no"] for event in similar["items"]] == [no]
    await step(officer, called["no"], "merge_duplicate", duplicate_of=no)

    # It is accepted in time and dispatched; only the brigade sees it, and signs for it.
    clock.advance(minutes=5)
    await step(officer, no, "accept", "火情属实")
    event = await step(officer, no, "dispatch", department="city-fire")
    assert (event["state"], event["department"]) == ("dispatched", "city-fire")
    assert (await others.get("/api/v1/events")).json()["total"] == 0
    assert (await brigade.get("/api/v1/events")).json()["total"] == 1
    assert await refused(others, no, "sign") == "event_unknown"
    event = await step(brigade, no, "sign")
    deadline = event["handle_due_at"]
    await step(brigade, no, "handle", "两车八人到场")

    # More time is asked for before the deadline, and given by the leader.
    until = clock().isoformat()
    assert await refused(brigade, no, "ask_extension", until=until) == "extension_unfit"
    longer = deadline.replace("T10:", "T11:")
    await step(brigade, no, "ask_extension", "需清理余火", until=longer)
    assert await refused(officer, no, "extend") == "role_not_allowed"
    event = await step(leader, no, "extend")
    assert (event["due_at"], event["extensions"]) == (longer, 1)

    # A feedback without its photograph is refused, and so is what is no photograph.
    clock.advance(minutes=90)
    assert await refused(brigade, no, "feedback") == "photo_missing"
    photos = f"/api/v1/events/{no}/photos"
    for content, status, reason in (
        (b"%PDF-1.7 this is a report", 422, "photo_unreadable"),
        (photograph()[:2000] + b"\x00" * 500, 422, "photo_unreadable"),
        (
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff" + b"\x00" * 64,
            422,
            "photo_unreadable",
        ),
        (b"\xff" * (MOST_BYTES + 1), 413, "body_too_large"),
    ):
        answer = await brigade.post(photos, content=content, headers=JPEG)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    event = (await brigade.post(photos, content=photograph(), headers=JPEG)).json()
    photo = event["evidence"][-1]
    assert (photo["kind"], photo["media_type"]) == ("after_photo", "image/jpeg")
    await step(brigade, no, "feedback", "明火已扑灭")

    # The checker looks at the photograph under a grant, sends it back once, then closes it.
    grant = {"purpose": "核查处置结果", "scope": f"event:{no}", "until": clock().replace(hour=12).isoformat()}
    cited = (await checker.post("/api/v1/access/grants", json=grant)).json()["id"]
    picture = await checker.get(f"/api/v1/evidence/{photo['id']}", headers={"X-Viewing-Grant": cited})
    assert picture.content == photograph()
    await step(checker, no, "check")
    event = await step(checker, no, "rework", "仍有余烟")
    assert (event["state"], event["reworks"]) == ("rework", 1)
    clock.advance(minutes=1)
    await step(brigade, no, "handle")
    assert await refused(brigade, no, "feedback") == "photo_missing"
    await brigade.post(photos, content=photograph(320, 240), headers=JPEG)
    await step(brigade, no, "feedback", "已无余烟")
    await step(checker, no, "check")
    event = await step(checker, no, "close", "现场已恢复")

    # Closed: every step stands in the flow by whom and when, and nothing more can be done with it.
    assert (event["state"], event["due_at"], event["handled_late"]) == ("closed", None, False)
    assert event["duplicates"] == [called["no"]]
    assert [one["action"] for one in event["flow"]] == [
        "report", "accept", "dispatch", "sign", "handle", "ask_extension", "extend", "feedback", "check", "rework",
        "handle", "feedback", "check", "close",
    ]  # fmt: skip
    assert await refused(leader, no, "force_close") == "event_state"
    assert (await brigade.post(photos, content=photograph(), headers=JPEG)).json()["reason"] == "event_ended"
    async with services.db.reading() as session:
        assert (await audit.verify(session)).holds
