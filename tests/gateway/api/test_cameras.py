"""The doors of cameras, on both databases: what they show, who may change it, and that nothing secret comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import get_ident
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from camera_registry import reasons
from camera_registry.codes import CodeRange
from camera_registry.login import Login
from camera_registry.ports import Site
from camera_registry.registration import CameraFound
from gateway.access.passwords import Passwords
from gateway.api import camera_rules
from gateway.api.camera_network import CameraNetwork
from gateway.api.media import NoCameraMedia
from gateway.api.services import Services
from gateway.clock import Clock, system_clock
from gateway.processes.messages import Snapshot, StreamLent
from gateway.refusals import Refusal
from gateway.settings import CameraSettings, RuleSettings, Settings
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.tables.stream_loans import StreamLoanRow
from gateway.storage.vault import Vault

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
Register = Callable[..., Awaitable[str]]

CAMERAS = "/api/v1/cameras"
SECRET = "made-for-this-test"
PICTURE = b"\xff\xd8 picture \xff\xd9"
FOUND = CameraFound(
    stream_url="rtsp://127.0.0.1:8555/user=viewer&password=in-the-path",
    encoding="H265",
    onvif_address="http://127.0.0.1:8080/onvif/device_service",
    vendor="Virtual",
    model="VC-2000",
    clock_offset=timedelta(seconds=-7.5),
    notes=(reasons.H265_ONLY,),
)


class OnePicture(NoCameraMedia):
    """A camera worker that always has the same picture, and lends its stream while it is there."""

    def __init__(self, clock: Clock) -> None:
        self.taken_at = clock().timestamp() - 1.25
        self.lent: list[tuple[str, float]] = []
        self.withdrawn: list[str] = []
        self.there = True
        self.loudspeaker: str | None = None
        self.talks: list[str] = []

    async def talk_codec(self, code: str) -> str:
        if self.loudspeaker is None:
            raise Refusal("conflict", "talk_not_offered", "不支持喊话", "it cannot be spoken through")
        return self.loudspeaker

    async def open_talk(self, code: str, talk_id: str, offer: str) -> str:
        self.talks.append(talk_id)
        return "v=0\r\nanswer"

    def close_talk(self, talk_id: str) -> None:
        if talk_id in self.talks:
            self.talks.remove(talk_id)

    async def lend(self, code: str, reader: str, until: float, login: tuple[str, str] | None = None) -> StreamLent:
        if not self.there or login is None:
            return await super().lend(code, reader, until, login)
        self.lent.append((reader, until))
        return StreamLent(f"rtsp://127.0.0.1:8554/cameras/{code}", *login)

    def withdraw(self, code: str, reader: str) -> None:
        self.withdrawn.append(reader)

    async def snapshot(self, code: str) -> Snapshot:
        return Snapshot(PICTURE, self.taken_at)


class Told:
    """Stands where the assignments stand: notes what was committed when it was told."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.changes: list[tuple[str, str, int]] = []

    async def __call__(self, code: str) -> None:
        async with self._db.reading() as session:
            row = (await session.scalars(select(CameraRow).where(CameraRow.code == code))).one()
        self.changes.append((code, row.status, row.revision))


@pytest.fixture
def told(database: Database) -> Told:
    return Told(database)


@pytest.fixture
def media(clock: Clock) -> OnePicture:
    return OnePicture(clock)


@pytest.fixture
def services(
    database: Database, tmp_path: Path, passwords: Passwords, clock: Clock, told: Told, media: OnePicture
) -> Services:
    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub", rules=RuleSettings(crowd_people=12)),
        db=database,
        vault=Vault.at(tmp_path),
        clock=clock,
        passwords=passwords,
        # Cameras are asked by the machine's time: their own clocks are compared with it.
        camera_network=CameraNetwork(CameraSettings(), system_clock),
        cameras_changed=told,
        media=media,
    )


@pytest.fixture
def register(services: Services) -> Register:
    """Puts a camera straight into the records; answers its code."""

    async def make(number: int = 1, **site: Any) -> str:
        found = replace(FOUND, stream_url=f"{FOUND.stream_url}{number}")
        where: dict[str, Any] = {"name": f"测试路口 {number}", "platform": "hub", "lng": 120.5, "lat": 30.25} | site
        async with services.db.transaction() as session:
            store = DatabaseCameraStore(session, services.vault)
            code = await store.next_code(CodeRange("99000000"))
            await store.add(code, found, Site(**where), Login("viewer", SECRET), "", services.clock())
        return str(code)

    return make


@pytest.fixture
async def town(services: Services) -> str:
    async with services.db.transaction() as session:
        session.add(Platform(platform="town", code="town", name="测试镇", kind="town", parent="hub"))
    return "town"


@pytest.fixture
async def grid(services: Services, town: str) -> str:
    """A square around 120.6, 30.3 that belongs to the town."""
    corners = [[120.55, 30.25], [120.65, 30.25], [120.65, 30.35], [120.55, 30.35], [120.55, 30.25]]
    outline = {"type": "Polygon", "coordinates": [corners]}
    async with services.db.transaction() as session:
        session.add(
            Grid(
                platform=town, code="990000000001001", name="测试网格", kind="urban", division="990000000001",
                outline=outline, changed_at=services.clock(),
            )
        )  # fmt: skip
    return "990000000001001"


async def audited(services: Services) -> list[tuple[str, str, str]]:
    async with services.db.reading() as session:
        rows = await session.scalars(
            select(AuditRow).where(AuditRow.target.startswith("camera")).order_by(AuditRow.seq)
        )
        return [(row.what, row.target, row.why) for row in rows]


async def test_a_camera_is_shown_without_its_login_and_the_path_of_its_stream(
    client_as: ClientAs, register: Register
) -> None:
    code = await register()
    answer = await (await client_as("duty_officer")).get(f"{CAMERAS}/{code}")
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    assert "in-the-path" not in answer.text
    camera = answer.json()
    assert camera | {
        "code": "99000000081322000001", "name": "测试路口 1", "stream_host": "127.0.0.1:8555", "industry": "08",
        "network": "2", "status": "in_use", "clock_offset": -7.5, "revision": 1, "own_rules": False,
    } == camera  # fmt: skip
    assert camera["health"]["state"] == "connecting"
    assert camera["health"]["detail"]
    assert camera["notices"][0]["reason"] == "h265_only"


async def test_the_list_is_filtered_paged_and_within_the_callers_scope(
    client_as: ClientAs, register: Register, town: str, services: Services
) -> None:
    first, second = await register(1), await register(2, address="测试路 100%")
    third = await register(3, platform=town, grid="990000000001001")
    hub, below = await client_as("duty_officer"), await client_as("duty_officer", platform=town)

    async def codes(client: httpx.AsyncClient, **query: Any) -> list[str]:
        answer = await client.get(CAMERAS, params=query)
        assert answer.status_code == 200, answer.text
        return [item["code"] for item in answer.json()["items"]]

    assert await codes(hub) == [first, second, third]
    assert await codes(below) == [third]
    assert await codes(hub, text="100%") == [second]
    assert await codes(hub, text="路口 3") == [third]
    assert await codes(hub, text="vc-2") == [first, second, third]
    assert await codes(hub, grid="990000000001001") == [third]
    assert await codes(hub, platform="hub") == [first, second]
    assert await codes(hub, state="live") == []
    assert await codes(hub, state=["live", "connecting"], status="in_use") == [first, second, third]
    page = (await hub.get(CAMERAS, params={"limit": 1, "offset": 1})).json()
    assert ([item["code"] for item in page["items"]], page["total"]) == ([second], 3)
    for answer in (await below.get(f"{CAMERAS}/{first}"), await hub.get(f"{CAMERAS}/99000000081322999999")):
        assert (answer.status_code, answer.json()["reason"]) == (404, "camera_unknown")


async def test_a_change_is_kept_audited_and_told_after_it_was_committed(
    client_as: ClientAs, register: Register, services: Services, told: Told
) -> None:
    code = await register()
    client = await client_as("duty_leader")
    answer = await client.patch(f"{CAMERAS}/{code}", json={"name": "东门", "note": "高杆", "revision": 1})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["note"], answer.json()["revision"]) == ("东门", "高杆", 2)
    assert told.changes == [(code, "in_use", 2)]
    assert await audited(services) == [("camera.change", f"camera:{code}", "name, note")]
    stale = await client.patch(f"{CAMERAS}/{code}", json={"name": "西门", "revision": 1})
    assert (stale.status_code, stale.json()["reason"], stale.json()["field"]) == (409, "revision_stale", "revision")
    assert (await client.get(f"{CAMERAS}/{code}")).json()["name"] == "东门"
    assert len(told.changes) == 1


async def test_a_camera_that_is_moved_lies_in_the_grid_of_its_new_place(
    client_as: ClientAs, register: Register, grid: str
) -> None:
    code = await register()
    client = await client_as("system_admin")
    moved = await client.patch(f"{CAMERAS}/{code}", json={"lng": 120.6, "lat": 30.3})
    assert (moved.json()["grid"], moved.json()["lng"]) == (grid, 120.6)
    away = await client.patch(f"{CAMERAS}/{code}", json={"lng": 121.6, "lat": 30.3})
    assert away.json()["grid"] is None
    named = await client.patch(f"{CAMERAS}/{code}", json={"grid": grid})
    assert (named.json()["grid"], named.json()["lng"]) == (grid, 121.6)
    for body, reason, field in (
        ({"lng": 120.6}, "point_incomplete", "lat"),
        ({"grid": "990000000009999"}, "grid_unknown", "grid"),
        ({"lat": 91, "lng": 0}, "field_invalid", "lat"),
        ({"name": "  "}, "field_invalid", "name"),
        ({"code": "99000000081322000009"}, "field_invalid", "code"),
        ({"onvif_address": "127.0.0.9"}, "login_incomplete", "password"),
        ({"rtsp_url": "rtsp://127.0.0.9/", "password": "x"}, "login_incomplete", "username"),
    ):
        answer = await client.patch(f"{CAMERAS}/{code}", json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)


async def test_a_stopped_camera_is_offline_until_it_is_used_again(
    client_as: ClientAs, register: Register, told: Told
) -> None:
    code = await register()
    client = await client_as("duty_leader")
    stopped = (await client.patch(f"{CAMERAS}/{code}", json={"status": "stopped"})).json()
    health = (await client.get(f"{CAMERAS}/{code}/health")).json()
    assert stopped["health"] == health
    assert (health["state"], health["reason"], health["detail"]) == ("offline", "stopped", "已停用，不取流。")
    used = (await client.patch(f"{CAMERAS}/{code}", json={"status": "in_use"})).json()
    assert used["health"]["state"] == "connecting"
    assert [status for _, status, _ in told.changes] == ["stopped", "in_use"]


async def test_a_removed_camera_is_gone_for_the_doors(
    client_as: ClientAs, register: Register, services: Services, told: Told
) -> None:
    code = await register()
    client = await client_as("duty_leader")
    assert (await client.delete(f"{CAMERAS}/{code}", params={"revision": 9})).status_code == 409
    assert (await client.delete(f"{CAMERAS}/{code}")).status_code == 204
    assert told.changes == [(code, "removed", 2)]
    for answer in (await client.get(f"{CAMERAS}/{code}"), await client.delete(f"{CAMERAS}/{code}")):
        assert answer.status_code == 404
    assert (await client.get(CAMERAS)).json() == {"items": [], "total": 0}
    assert await audited(services) == [("camera.remove", f"camera:{code}", "测试路口 1")]


async def test_who_only_watches_changes_nothing(client_as: ClientAs, register: Register, told: Told) -> None:
    code = await register()
    client = await client_as("duty_officer", "dispatcher")
    for answer in (
        await client.patch(f"{CAMERAS}/{code}", json={"name": "东门"}),
        await client.delete(f"{CAMERAS}/{code}"),
        await client.put(f"{CAMERAS}/{code}/rules", json={"rules": []}),
        await client.post(CAMERAS, json={}),
        await client.post(f"{CAMERAS}/discover", json={}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "role_not_allowed")
    assert told.changes == []


async def test_rules_kept_by_an_older_version_are_shown_with_those_of_them_that_do_not_watch(
    client_as: ClientAs, register: Register, services: Services
) -> None:
    """One that cannot be used once made the door fail, and no rule of the camera could be seen or changed."""
    code = await register()
    client = await client_as("duty_leader")
    door = f"{CAMERAS}/{code}/rules"
    past = [{"kind": "fire"}, {"kind": "crowd", "zone": "校门", "people": 1}]
    async with services.db.transaction() as session:
        await session.execute(update(CameraRow).where(CameraRow.code == code).values(rules=past))
    answer = await client.get(door)
    assert answer.status_code == 200, answer.text
    assert [rule["kind"] for rule in answer.json()["rules"]] == ["fire"]
    assert answer.json()["unusable"] == [
        {
            "kind": "crowd",
            "zone": "校门",
            "reason": "rule_invalid",
            "detail": "不应小于 2（rules.1.people）",
            "detail_en": "Input should be greater than or equal to 2 (rules.1.people)",
            "field": "rules.1.people",
        }
    ]
    saved = await client.put(door, json={"rules": answer.json()["rules"]})
    assert (saved.status_code, saved.json()["unusable"]) == (200, [])


async def test_rules_are_gone_through_beside_the_loop_that_serves_everybody(
    client_as: ClientAs, register: Register, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with the most corners held every door up for seconds, each time they were looked at."""
    code, threads, known = await register(), list[int](), camera_rules.parse_kept
    monkeypatch.setattr(camera_rules, "parse_kept", lambda rules: threads.append(get_ident()) or known(rules))
    async with services.db.transaction() as session:
        await session.execute(update(CameraRow).where(CameraRow.code == code).values(rules=[{"kind": "fire"}]))
    assert (await (await client_as("duty_leader")).get(f"{CAMERAS}/{code}/rules")).status_code == 200
    assert threads
    assert get_ident() not in threads


async def test_a_camera_without_rules_of_its_own_has_the_first_values(
    client_as: ClientAs, register: Register, services: Services, told: Told
) -> None:
    code = await register()
    client = await client_as("duty_leader")
    door = f"{CAMERAS}/{code}/rules"
    first = (await client.get(door)).json()
    assert [(rule["kind"], rule.get("people")) for rule in first["rules"]] == [
        ("fire", None), ("crowd", 12), ("stall", None),
    ]  # fmt: skip
    assert first["own"] is False
    own = [{"kind": "crowd", "zone": "校门", "people": 20, "polygon": [[0, 0], [0.5, 0], [0.5, 0.5]]}]
    kept = await client.put(door, json={"rules": own, "revision": 1})
    assert kept.status_code == 200, kept.text
    assert (kept.json()["own"], kept.json()["revision"]) == (True, 2)
    again = (await client.get(door)).json()
    assert again == kept.json()
    assert (again["rules"][0]["people"], again["rules"][0]["zone"]) == (20, "校门")
    assert (await client.get(f"{CAMERAS}/{code}")).json()["own_rules"] is True
    assert (await client.put(door, json={"rules": [], "revision": 1})).status_code == 409
    assert (await client.put(door, json={"rules": []})).json()["rules"] == []
    assert (await client.put(door, json={"rules": None})).json()["rules"] == first["rules"]
    assert [revision for _, _, revision in told.changes] == [2, 3, 4]
    assert (await audited(services))[0] == ("camera.rules", f"camera:{code}", "crowd:校门")


async def test_a_wrong_rule_is_named_and_changes_nothing(client_as: ClientAs, register: Register, told: Told) -> None:
    code = await register()
    client = await client_as("system_admin")
    fire = {"kind": "fire"}
    for rules, reason, field in (
        ([fire, {"kind": "crowd", "polygon": [[0, 0], [2, 0], [1, 1]]}], "zone_invalid", "rules.1.polygon"),
        ([{"kind": "crowd", "people": 1}], "rule_invalid", "rules.0.people"),
        ([{"kind": "flood"}], "rule_invalid", "rules.0.kind"),
        ([fire | {"seen_seconds": 9}], "never_fires", "rules.0.seen_seconds"),
        ([fire, fire], "zone_doubled", "rules.1.zone"),
        ("fire", "field_invalid", "rules"),
    ):
        answer = await client.put(f"{CAMERAS}/{code}/rules", json={"rules": rules})
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
        assert answer.json()["detail"]
    assert (await client.get(f"{CAMERAS}/{code}/rules")).json()["own"] is False
    assert told.changes == []


async def test_a_picture_is_shown_under_a_grant_with_its_time_and_an_audit_row(
    client_as: ClientAs, register: Register, services: Services
) -> None:
    code = await register()
    client = await client_as("duty_officer")
    door = f"{CAMERAS}/{code}/snapshot.jpg"
    assert (await client.get(door)).json()["reason"] == "grant_missing"
    until = (services.clock() + timedelta(hours=1)).isoformat()
    asked = {"purpose": "值班巡查", "scope": f"camera:{code}", "until": until}
    grant = (await client.post("/api/v1/access/grants", json=asked)).json()["id"]
    answer = await client.get(door, params={"grant": grant})
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-taken-at"] == "2030-01-07T08:59:58.750Z"
    assert answer.headers["age"] == "2"
    assert ("view.snapshot", f"camera:{code}", "值班巡查") in await audited(services)
    other = await register(2)
    elsewhere = await client.get(f"{CAMERAS}/{other}/snapshot.jpg", params={"grant": grant})
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (403, "grant_elsewhere")


async def test_an_old_picture_is_not_shown(client_as: ClientAs, register: Register, media: OnePicture) -> None:
    code = await register()
    client = await client_as("duty_officer")
    asked = {"purpose": "值班巡查", "scope": f"camera:{code}", "until": "2030-01-07T10:00:00Z"}
    grant = (await client.post("/api/v1/access/grants", json=asked)).json()["id"]
    media.taken_at -= 60
    answer = await client.get(f"{CAMERAS}/{code}/snapshot.jpg", params={"grant": grant})
    assert (answer.status_code, answer.json()["reason"]) == (503, "picture_stale")


async def test_a_stream_is_lent_under_a_grant_for_no_longer_and_its_login_is_sealed_and_shown_once(
    client_as: ClientAs, register: Register, services: Services, media: OnePicture
) -> None:
    code = await register()
    client = await client_as("duty_officer")
    door = f"{CAMERAS}/{code}/readers"
    assert (await client.post(door, json={"reader": "wall-1"})).json()["reason"] == "grant_missing"
    asked = {"purpose": "值班巡查", "scope": f"camera:{code}", "until": "2030-01-07T10:00:00Z"}
    cited = {"grant": (await client.post("/api/v1/access/grants", json=asked)).json()["id"]}
    for wrong in ({"reader": "a wall"}, {"reader": ""}, {"reader": "wall-1", "until": "2030-01-07T10:00:01Z"}):
        assert (await client.post(door, json=wrong, params=cited)).status_code == 422
    media.there = False
    assert (await client.post(door, json={"reader": "wall-1"}, params=cited)).json()["reason"] == "media_away"
    assert (await client.get(door)).json() == {"items": []}
    media.there = True
    logins = [(await client.post(door, json={"reader": "wall-1"}, params=cited)).json() for _ in range(2)]
    assert logins[0]["password"] != logins[1]["password"]
    assert logins[1]["url"] == f"rtsp://127.0.0.1:8554/cameras/{code}"
    assert media.lent[-1] == ("reader:wall-1", 1_894_010_400.0)
    async with services.db.reading() as session:
        (row,) = (await session.scalars(select(StreamLoanRow))).all()
    assert services.vault.open(row.sealed_password, row.id) == logins[1]["password"]
    assert logins[1]["password"] not in row.sealed_password
    shown = await client.get(door)
    assert [one["reader"] for one in shown.json()["items"]] == ["wall-1"]
    assert logins[1]["password"] not in shown.text
    assert ("view.stream", f"camera:{code}", "值班巡查") in await audited(services)
    assert (await client.delete(f"{door}/wall-1")).status_code == 204
    assert media.withdrawn == ["reader:wall-1"]
    assert (await client.get(door)).json() == {"items": []}


async def test_a_speech_through_a_camera_needs_the_right_is_audited_and_ended_by_whoever_speaks(
    client_as: ClientAs, register: Register, services: Services, media: OnePicture
) -> None:
    code, sdp = await register(), {"content-type": "application/sdp"}
    officer, leader, grid_member = [await client_as(role) for role in ("duty_officer", "duty_leader", "grid_member")]
    whip = f"/api/v1/whip/cameras/{code}"
    assert (await grid_member.get(f"{CAMERAS}/{code}/talk")).status_code == 403
    assert (await grid_member.post(whip, content="v=0", headers=sdp)).status_code == 403
    shown = (await officer.get(f"{CAMERAS}/{code}/talk")).json()
    assert (shown["offered"], shown["reason"], shown["detail"]) == (False, "talk_not_offered", "不支持喊话")
    media.loudspeaker = "pcm_alaw"
    assert (await officer.get(f"{CAMERAS}/{code}/talk")).json()["codec"] == "pcm_alaw"
    assert (await officer.post(whip, content="v=0")).json()["reason"] == "not_sdp"
    assert (await officer.post("/api/v1/whip/cameras/9", content="v=0", headers=sdp)).status_code == 404
    assert [what for what, _, _ in await audited(services)] == []
    opened = await officer.post(whip, content="v=0", headers=sdp)
    assert (opened.status_code, opened.text) == (201, "v=0\r\nanswer")
    assert await audited(services) == [("camera.talk", f"camera:{code}", "")]
    await leader.delete(opened.headers["location"])
    assert len(media.talks) == 1, "another's speech"
    assert (await officer.delete(opened.headers["location"])).status_code == 204
    assert media.talks == []
