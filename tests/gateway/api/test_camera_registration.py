"""Discovery and registration over HTTP: with real virtual cameras, and with everything a person may get wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from camera_registry.login import Login
from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import Clock, system_clock
from gateway.settings import CameraSettings, Settings
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import CounterRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.vault import Vault
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]

CAMERAS = "/api/v1/cameras"
SECRET = "made-for-this-test"
GRID = "990000000001001"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
PLACE: dict[str, Any] = {"name": "测试路口东", "lng": 120.6, "lat": 30.3}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def services(database: Database, tmp_path: Path, passwords: Passwords, clock: Clock, told: list[str]) -> Services:
    async def changed(code: str) -> None:
        told.append(code)

    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=database,
        vault=Vault.at(tmp_path),
        clock=clock,
        passwords=passwords,
        # Cameras are asked by the machine's time: their own clocks are compared with it.
        camera_network=CameraNetwork(CameraSettings(), system_clock),
        cameras_changed=changed,
    )


@pytest.fixture
async def town(services: Services) -> str:
    """A town with one grid, a square around 120.6, 30.3."""
    corners = [[120.55, 30.25], [120.65, 30.25], [120.65, 30.35], [120.55, 30.35], [120.55, 30.25]]
    async with services.db.transaction() as session:
        session.add(Platform(platform="town", code="town", name="测试镇", kind="town", parent="hub"))
        session.add(
            Grid(
                platform="town", code=GRID, name="测试网格", kind="urban", division="990000000001",
                outline={"type": "Polygon", "coordinates": [corners]}, changed_at=services.clock(),
            )
        )  # fmt: skip
    return "town"


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
async def cameras(footage_folder: Path) -> AsyncIterator[tuple[VirtualDevice, ...]]:
    """Two well-behaved cameras, and one that takes no login for its stream."""
    fleet = VirtualFleet(
        [
            VirtualCamera("东门", SMALL, "viewer", SECRET),
            VirtualCamera("西门", SMALL, "viewer", SECRET, quirks=Quirks(advertised_host="0.0.0.0")),  # noqa: S104 - a common quirk
            VirtualCamera("北门", SMALL, "viewer", SECRET, quirks=Quirks(refuses_rtsp=True)),
        ],
        footage_folder,
        multicast=False,
    )
    async with fleet:
        yield fleet.devices


async def kept(services: Services) -> int:
    async with services.db.reading() as session:
        return (await session.execute(select(func.count()).select_from(CameraRow))).scalar_one()


@pytest.mark.integration
async def test_cameras_are_found_registered_and_known_again(
    client_as: ClientAs, cameras: tuple[VirtualDevice, ...], services: Services, town: str, told: list[str]
) -> None:
    client = await client_as("system_admin")
    search = {"targets": [device.discovery_target for device in cameras[:2]], "seconds": 1}
    found = (await client.post(f"{CAMERAS}/discover", json=search)).json()["devices"]
    assert {device["name"] for device in found} == {"东门", "西门"}
    assert {(device["found_by"], device["code"]) for device in found} == {("directed", None)}
    made = []
    for device in found:
        body = PLACE | {
            "onvif_address": device["address"], "endpoint_reference": device["endpoint_reference"],
            "username": "viewer", "password": SECRET, "name": device["name"],
        }  # fmt: skip
        answer = await client.post(CAMERAS, json=body)
        assert answer.status_code == 201, answer.text
        assert SECRET not in answer.text
        made.append(answer.json())
    assert [camera["code"] for camera in made] == ["99000000081322000001", "99000000081322000002"]
    assert {(camera["grid"], camera["platform"], camera["encoding"]) for camera in made} == {(GRID, town, "H264")}
    assert all((camera["width"], camera["vendor"] != "") == (320, True) for camera in made)
    assert told == [camera["code"] for camera in made]
    again = (await client.post(f"{CAMERAS}/discover", json=search)).json()["devices"]
    assert {device["name"]: device["code"] for device in again} == {c["name"]: c["code"] for c in made}
    body = PLACE | {"onvif_address": found[0]["address"], "username": "viewer", "password": SECRET}
    double = await client.post(CAMERAS, json=body)
    assert (double.status_code, double.json()["reason"]) == (409, "camera_already_registered")
    assert made[0]["code"] in double.json()["detail"]
    async with services.db.reading() as session:
        acts = [row.what for row in await session.scalars(select(AuditRow).order_by(AuditRow.seq))]
        logins = [order.login for order in await DatabaseCameraStore(session, services.vault).orders()]
    assert acts[-4:] == ["cameras.discover", "camera.register", "camera.register", "cameras.discover"]
    assert logins == [Login("viewer", SECRET)] * 2


@pytest.mark.integration
async def test_a_camera_that_does_not_work_is_refused_with_its_reason_and_leaves_nothing(
    client_as: ClientAs, cameras: tuple[VirtualDevice, ...], services: Services, told: list[str]
) -> None:
    client = await client_as("duty_leader")
    good, _, silent = cameras
    for body, reason, field in (
        ({"onvif_address": good.onvif_address, "username": "viewer", "password": "wrong"}, "auth_failed", "password"),
        (
            {"onvif_address": silent.onvif_address, "username": "viewer", "password": SECRET},
            "stream_auth_failed",
            "password",
        ),
        ({"rtsp_url": good.rtsp_url + "x", "username": "viewer", "password": SECRET}, "stream_not_found", "rtsp_url"),
        ({"onvif_address": "127.0.0.1:9"}, "unreachable", "onvif_address"),
    ):
        answer = await client.post(CAMERAS, json=PLACE | body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
        assert SECRET not in answer.text
    assert await kept(services) == 0
    assert told == []
    async with services.db.reading() as session:
        assert list(await session.scalars(select(CounterRow.name))) == []


@pytest.mark.integration
async def test_a_new_login_is_tried_before_it_is_kept(
    client_as: ClientAs, cameras: tuple[VirtualDevice, ...], services: Services
) -> None:
    client = await client_as("duty_leader")
    device, other, _ = cameras
    login = {"username": "viewer", "password": SECRET}
    made = (await client.post(CAMERAS, json=PLACE | login | {"rtsp_url": device.rtsp_url})).json()
    assert (made["onvif_address"], made["grid"], made["platform"]) == (None, None, "hub")
    door = f"{CAMERAS}/{made['code']}"
    wrong = await client.patch(door, json={"password": "wrong", "name": "不应保存"})
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "stream_auth_failed")
    assert (await client.get(door)).json()["name"] == PLACE["name"]
    right = await client.patch(door, json={"password": SECRET, "revision": made["revision"]})
    assert right.status_code == 200, right.text
    moved = await client.patch(door, json=login | {"onvif_address": other.onvif_address})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["code"], moved.json()["onvif_address"]) == (made["code"], other.onvif_address)
    assert moved.json()["model"] == "VC-2000"
    async with services.db.reading() as session:
        (order,) = await DatabaseCameraStore(session, services.vault).orders()
    assert order.login == Login("viewer", SECRET)


async def test_what_is_wrong_in_a_registration_is_named_before_any_camera_is_asked(
    client_as: ClientAs, services: Services, town: str
) -> None:
    client, below = await client_as("system_admin"), await client_as("duty_leader", platform=town)
    onvif = PLACE | {"onvif_address": "192.0.2.7"}
    for asking, body, status, reason, field in (
        (client, PLACE, 422, "one_address_needed", "onvif_address"),
        (client, onvif | {"rtsp_url": "rtsp://127.0.0.1/"}, 422, "one_address_needed", "onvif_address"),
        (client, onvif, 422, "address_not_allowed", "onvif_address"),
        (client, PLACE | {"rtsp_url": "http://127.0.0.1/"}, 422, "address_invalid", "rtsp_url"),
        (client, PLACE | {"rtsp_url": f"rtsp://viewer:{SECRET}@127.0.0.1/"}, 422, "login_in_address", "rtsp_url"),
        (client, onvif | {"grid": "990000000009999"}, 422, "grid_unknown", "grid"),
        (client, onvif | {"platform": "nowhere"}, 422, "platform_unknown", "platform"),
        (below, onvif | {"platform": "hub"}, 403, "scope_beyond_yours", "platform"),
        (client, onvif | {"industry": "99"}, 422, "industry_unknown", "industry"),
        (client, onvif | {"network": "9"}, 422, "network_unknown", "network"),
        (client, onvif | {"lat": 90.5}, 422, "field_invalid", "lat"),
        (client, onvif | {"name": ""}, 422, "field_invalid", "name"),
        (client, onvif | {"password": [SECRET]}, 422, "field_invalid", "password"),
        (client, {"onvif_address": "127.0.0.1"}, 422, "field_missing", "name"),
    ):
        answer = await asking.post(CAMERAS, json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (status, reason, field)
        assert SECRET not in answer.text
    assert await kept(services) == 0


async def test_a_search_stays_in_the_camera_networks_and_is_one_at_a_time(client_as: ClientAs) -> None:
    client = await client_as("machine")
    for body, reason, field in (
        ({"targets": ["192.0.2.7"]}, "address_not_allowed", "targets"),
        ({"targets": ["127.0.0.1:port"]}, "address_invalid", "targets"),
        ({"interfaces": ["192.0.2.1"]}, "interface_unknown", "interfaces"),
        ({"seconds": 60}, "field_invalid", "seconds"),
    ):
        answer = await client.post(f"{CAMERAS}/discover", json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
    search = {"targets": ["127.0.0.1:9"], "seconds": 0.3}
    both = await asyncio.gather(*(client.post(f"{CAMERAS}/discover", json=search) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 429]
    assert (await client.post(f"{CAMERAS}/discover", json=search)).json() == {"devices": []}


@pytest.mark.integration
async def test_a_range_is_swept_as_a_job_that_tells_how_far_it_is(
    client_as: ClientAs, cameras: tuple[VirtualDevice, ...], services: Services
) -> None:
    client = await client_as("system_admin")
    ports = [device.device.port for device in cameras]
    asked = {"ranges": ["127.0.0.1"], "ports": [*ports, 9]}
    async with services.live.listen() as listener:
        begun = await client.post(f"{CAMERAS}/discoveries", json=asked)
        assert (begun.status_code, begun.json()["state"]) == (202, "running")
        door = f"{CAMERAS}/discoveries/{begun.json()['id']}"
        last: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while last.get("state") != "done":
                notice = await listener.queue.get()
                assert notice.topic == "camera.discovery"
                last = dict(notice.data)
    assert (last["found"], last["asked"], last["total"]) == (3, 4, 4)
    ended = (await client.get(door)).json()
    assert {(d["address"], d["found_by"]) for d in ended["devices"]} == {(d.onvif_address, "sweep") for d in cameras}
    assert all(device.device.logins.refused == 0 for device in cameras)
    at_once = (await client.post(f"{CAMERAS}/discover", json=asked)).json()
    assert len(at_once["devices"]) == 3


async def test_a_running_job_is_cancelled_by_whoever_may_search(client_as: ClientAs, town: str) -> None:
    client, below = await client_as("system_admin"), await client_as("duty_leader", platform=town)
    begun = await client.post(f"{CAMERAS}/discoveries", json={"ranges": ["127.0.0.0/20"], "ports": [9], "rate": 1})
    door = f"{CAMERAS}/discoveries/{begun.json()['id']}"
    double = await client.post(f"{CAMERAS}/discoveries", json={"ranges": ["127.0.0.1"]})
    assert (double.status_code, double.json()["reason"]) == (429, "discovery_running")
    assert (await below.get(door)).status_code == 404
    assert (await below.delete(door)).status_code == 404
    ended = (await client.delete(door)).json()
    assert (ended["state"], ended["total"]) == ("cancelled", 4094)
    assert ended["asked"] < 10
    assert (await client.get(f"{CAMERAS}/discoveries")).json()["items"][0]["state"] == "cancelled"
    for body, reason, field in (
        ({"ranges": ["everywhere"]}, "range_invalid", "ranges"),
        ({"ranges": ["8.8.8.0/24"]}, "address_not_allowed", "ranges"),
        ({"ranges": ["10.0.0.0/8"]}, "too_many_doors", "ranges"),
        ({"ports": [0]}, "field_invalid", "ports.0"),
    ):
        answer = await client.post(f"{CAMERAS}/discoveries", json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
