"""The closed loop as it is lived (上报、研判、流转、办理、反馈、办结): a fire at night, over HTTP, by four roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np

from gateway.access import audit
from gateway.api.services import Services
from gateway.events.photographs import MOST_BYTES
from gateway.events.timekeeping import Timekeeping
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


async def test_a_stall_in_wartime_goes_the_long_way_round_and_is_closed_by_four_roles(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "city-urban", "城管局", "city_department", "hub")
        await add_sub_platform(session, "city-market", "市场局", "city_department", "hub")
    officer = await client_as("duty_officer", "dispatcher")
    leader = await client_as("duty_leader")
    staff = await client_as("grid_member")
    urban = await client_as("department", platform="city-urban")
    market = await client_as("department", platform="city-market")
    checker = await client_as("checker")

    # Wartime: asked for by the officer, approved by the leader; from now on everything has half its time.
    until = (clock() + timedelta(hours=10)).isoformat()
    asked = {"wartime": True, "reason": "重大活动保障", "until": until}
    switch = (await officer.post("/api/v1/mode/switches", json=asked)).json()
    approve = f"/api/v1/mode/switches/{switch['id']}/approve"
    assert (await officer.post(approve, json={})).json()["reason"] == "role_not_allowed"
    assert (await leader.post(approve, json={})).json()["state"] == "approved"

    # A stall is confirmed at the desk, verified on the spot by grid staff, and accepted.
    alert_id = await raise_alert("stall")
    confirmed = {"verdict": "confirmed", "reason": "占道"}
    no = (await officer.post(f"/api/v1/alerts/{alert_id}/assess", json=confirmed)).json()["event_no"]
    event = await step(officer, no, "verify", assignee="staff-1")
    assert due_in(event, clock) == timedelta(minutes=15)
    await step(staff, no, "verified", "确有两处摊点")
    event = await step(officer, no, "accept")
    assert due_in(event, clock) == timedelta(minutes=7.5)

    # It is dispatched to the wrong department, which returns it with its reason; then to the right one.
    await step(officer, no, "dispatch", department="city-market")
    assert await refused(market, no, "return", opinion=" ") == "reason_missing"
    event = await step(market, no, "return", "不属本单位职责")
    assert event["state"] == "returned"
    assert await refused(checker, no, "check") == "event_state"
    await step(officer, no, "dispatch", department="city-urban")
    event = await step(urban, no, "sign")
    assert due_in(event, clock) == timedelta(hours=1), "half of the class's two hours"
    await step(urban, no, "handle", "队员已到场")

    # An extension is asked for and refused; nobody may decide for themselves, nor on a stale page.
    seen = (await urban.get(f"/api/v1/events/{no}")).json()
    longer = (clock() + timedelta(hours=2)).isoformat()
    await step(urban, no, "ask_extension", "摊主需时间搬离", until=longer)
    assert await refused(urban, no, "extend") == "role_not_allowed"
    stale = {"revision": seen["revision"], "opinion": "不同意"}
    answer = await leader.post(f"/api/v1/events/{no}/actions/refuse_extension", json=stale)
    assert answer.json()["reason"] == "revision_stale"
    await step(leader, no, "refuse_extension", "活动期间不予延期")

    # The deadline comes and goes: warned, urged, supervised by the system, once each; then the leader supervises too.
    timekeeping = Timekeeping(services.db, services.announcer, services.opening, clock)
    for minutes, stage in ((46, "warned"), (15, "overdue"), (16, "supervised")):
        clock.advance(minutes=minutes)
        assert await timekeeping.sweep(clock()) == 1
        assert await timekeeping.sweep(clock()) == 0
        assert (await officer.get(f"/api/v1/events/{no}")).json()["stage"] == stage
    event = await step(leader, no, "supervise", "立即办结并说明原因")
    assert (event["supervised"], event["urges"]) == (True, 1)

    # Late, with its photograph; sent back once; then checked by somebody else and closed.
    for opinion in ("摊点已撤离", "物品已清走"):
        await urban.post(f"/api/v1/events/{no}/photos", content=photograph(), headers=JPEG)
        await step(urban, no, "feedback", opinion)
        await step(checker, no, "check")
        if opinion == "摊点已撤离":
            await step(checker, no, "rework", "仍有物品占道")
            clock.advance(minutes=1)
            await step(urban, no, "handle")
    event = await step(checker, no, "close")
    assert (event["state"], event["handled_late"], event["reworks"]) == ("closed", True, 1)
    assert [one["action"] for one in event["flow"]] == [
        "report", "verify", "verified", "accept", "dispatch", "return", "dispatch", "sign", "handle", "ask_extension",
        "refuse_extension", "urge", "supervise", "supervise", "feedback", "check", "rework", "handle", "feedback",
        "check", "close",
    ]  # fmt: skip

    # The department appeals; the lateness stays a fact, the score is spared.
    await step(urban, no, "appeal", "活动封路无法进场")
    event = await step(leader, no, "approve_appeal")
    assert (event["appeal"], event["handled_late"]) == ("approved", True)
    rates = {one["name"]: one for one in (await leader.get("/api/v1/statistics/summary")).json()["rates"]}
    assert (rates["ontime_rate"]["numerator"], rates["ontime_rate"]["denominator"]) == (0, 1)
    assert rates["ontime_score_rate"]["numerator"] == 1
    told = (await leader.get("/api/v1/duty/log", params={"kind": ["mode", "event"]})).json()["items"]
    assert {one["kind"] for one in told} == {"mode", "event"}
    async with services.db.reading() as session:
        assert (await audit.verify(session)).holds


def due_in(event: dict[str, Any], clock: ManualClock) -> timedelta:
    return datetime.fromisoformat(event["due_at"]) - clock()
