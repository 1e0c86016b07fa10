"""Credential sets over HTTP: bound to networks, tried in order, rotated for every camera at once, never shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from camera_registry.login import Login
from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import Clock, system_clock
from gateway.settings import CameraSettings, Settings
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.credential_store import CredentialStore, narrowest
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CredentialSetRow
from gateway.storage.vault import Vault
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]

SETS = "/api/v1/credential-sets"
SECRET, OTHER, NEW = "made-for-this-test", "another-in-vain", "rotated-by-this-test"
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
        camera_network=CameraNetwork(CameraSettings(), system_clock),
        cameras_changed=changed,
    )


def asked(password: str = SECRET, networks: tuple[str, ...] = ("127.0.0.0/8",), **more: Any) -> dict[str, Any]:
    return {"name": "测试凭据", "networks": list(networks), "username": "viewer", "password": password, **more}


@pytest.mark.integration
async def test_a_camera_takes_the_set_bound_to_its_address_and_follows_its_rotation(
    client_as: ClientAs, services: Services, told: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = await client_as("system_admin")
    wide = (await client.post(SETS, json=asked(OTHER))).json()
    narrow = (await client.post(SETS, json=asked(networks=("127.0.0.1/32",), position=9))).json()
    elsewhere = (await client.post(SETS, json=asked(networks=("10.0.0.0/8",)))).json()
    fleet = VirtualFleet(
        [VirtualCamera("东门", SMALL, "viewer", SECRET)], tmp_path_factory.mktemp("fleet"), multicast=False
    )
    async with fleet:
        body = PLACE | {"onvif_address": fleet.devices[0].onvif_address}
        wrong = await client.post("/api/v1/cameras", json=body | {"credential_set": elsewhere["id"]})
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "credential_set_elsewhere")
        made = await client.post("/api/v1/cameras", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["credential_set"] == narrow["id"]  # the narrowest is tried first, whatever its position
        assert fleet.devices[0].device.logins.refused == 0
    assert [one["cameras"] for one in (await client.get(SETS)).json()["items"]] == [0, 0, 1]
    used = await client.delete(f"{SETS}/{narrow['id']}")
    assert (used.status_code, used.json()["reason"]) == (409, "credential_set_in_use")
    told.clear()
    rotated = await client.patch(f"{SETS}/{narrow['id']}", json={"password": NEW, "revision": narrow["revision"]})
    assert rotated.status_code == 200, rotated.text
    assert told == [made.json()["code"]]
    async with services.db.reading() as session:
        (order,) = await DatabaseCameraStore(session, services.vault).orders()
        sealed = list(await session.scalars(select(CredentialSetRow.sealed_password)))
        audited = [f"{row.what} {row.why}" for row in await session.scalars(select(AuditRow))]
    assert order.login == Login("viewer", NEW)
    assert (await client.delete(f"{SETS}/{wide['id']}")).status_code == 204
    texts = [made.text, rotated.text, (await client.get(SETS)).text, repr(order), *sealed, *audited]
    assert not any(secret in text for secret in (SECRET, OTHER, NEW) for text in texts)


async def test_what_is_wrong_in_a_set_is_named(client_as: ClientAs) -> None:
    client = await client_as("system_admin")
    for body, reason, field in (
        (asked(networks=("camera",)), "network_invalid", "networks.0"),
        (asked(networks=("127.0.0.0/8", "8.8.8.0/24")), "address_not_allowed", "networks.1"),
        (asked(networks=("169.254.169.254/32",)), "address_not_allowed", "networks.0"),
        (asked(networks=()), "field_invalid", "networks"),
        (asked(""), "field_invalid", "password"),
        (asked(name="a\nb"), "field_invalid", "name"),
    ):
        answer = await client.post(SETS, json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
        assert SECRET not in answer.text
    assert (await client.patch(f"{SETS}/none", json={})).status_code == 404
    assert (await (await client_as("duty_officer")).get(SETS)).status_code == 403
    assert (await (await client_as("duty_leader")).post(SETS, json=asked())).status_code == 403


async def test_sets_are_tried_from_the_narrowest_and_then_by_position(client_as: ClientAs, services: Services) -> None:
    client = await client_as("system_admin")
    for name, networks, position in (
        ("wide", ("10.0.0.0/8", "fd00::/8"), 0), ("second", ("10.1.0.0/16",), 2), ("first", ("10.1.0.0/16",), 1),
        ("elsewhere", ("10.2.0.0/16",), 0),
    ):  # fmt: skip
        assert (await client.post(SETS, json=asked(f"of-{name}", networks, position=position))).status_code == 201
    async with services.db.reading() as session:
        store = CredentialStore(session, services.vault)
        order = [one.login.password for one in await store.for_host("10.1.2.3")]
        assert order == ["of-first", "of-second", "of-wide"]
        assert [one.login.password for one in await store.for_host("[fd00::7]")] == ["of-wide"]
    assert narrowest("192.0.2.1", ["10.0.0.0/8"]) is None
