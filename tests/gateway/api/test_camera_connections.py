"""Imported cameras connected in one go: with real devices, each outcome told, those that failed tried again alone."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from rich.console import Console
from sqlalchemy import select

from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.cli.connecting import connected
from gateway.clock import Clock, system_clock
from gateway.settings import CameraSettings, Settings
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.storage.vault import Vault
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet
from tests.gateway.api.conftest import BASE, PASSWORD

pytestmark = pytest.mark.integration

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
CAMERAS = "/api/v1/cameras"
CONNECTIONS = f"{CAMERAS}/connections"
SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
NAMES = ("东门", "西门", "换过口令", "已接入")


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


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
async def fleet(footage_folder: Path) -> AsyncIterator[VirtualFleet]:
    passwords = (SECRET, SECRET, "another", SECRET)
    cameras = [VirtualCamera(name, SMALL, "viewer", word) for name, word in zip(NAMES, passwords, strict=True)]
    async with VirtualFleet(cameras, footage_folder, multicast=False) as fleet:
        yield fleet


async def imported(client: httpx.AsyncClient, fleet: VirtualFleet, *more: str) -> dict[str, str]:
    """The codes by name."""
    rows = [f"{device.camera.name},{device.onvif_address}" for device in fleet.devices] + list(more)
    answer = await client.post(f"{CAMERAS}/import", content="\n".join(["name,onvif_address", *rows]).encode())
    names = [row.split(",")[0] for row in rows]
    return {names[one["row"] - 2]: one["code"] for one in answer.json()["results"]}


async def ended(client: httpx.AsyncClient, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    started = await client.post(CONNECTIONS, json=asked)
    assert started.status_code == 202, started.text
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await client.get(f"{CONNECTIONS}/{started.json()['id']}")).json()
            if job["state"] != "running":
                return job
            await asyncio.sleep(0.1)


async def test_all_are_connected_by_the_sets_of_their_networks_and_the_failed_ones_again_alone(
    client_as: ClientAs, services: Services, fleet: VirtualFleet, told: list[str]
) -> None:
    client = await client_as("system_admin")
    body = {"name": "凭据", "networks": ["127.0.0.0/8"], "username": "viewer", "password": SECRET}
    assert (await client.post("/api/v1/credential-sets", json=body)).status_code == 201
    codes = await imported(client, fleet, "拔掉的,127.0.0.1:9")
    assert (await client.patch(f"{CAMERAS}/{codes['已接入']}", json={"status": "in_use"})).status_code == 200
    told.clear()

    job = await ended(client, {"codes": list(codes.values())})
    outcomes = {one["name"]: (one["outcome"], one["reason"]) for one in job["results"]}
    assert outcomes == {
        "东门": ("connected", None),
        "西门": ("connected", None),
        "换过口令": ("failed", "auth_failed"),
        "已接入": ("left_alone", None),
        "拔掉的": ("failed", "unreachable"),
    }
    assert (job["state"], job["total"], job["connected"], job["left_alone"], job["failed"]) == ("done", 5, 2, 1, 2)
    assert sorted(told) == sorted(codes[name] for name in ("东门", "西门"))
    shown = (await client.get(f"{CAMERAS}/{codes['东门']}")).json()
    assert (shown["status"], shown["encoding"], shown["health"]["state"]) == ("in_use", "H264", "connecting")
    waiting = (await client.get(f"{CAMERAS}/{codes['换过口令']}")).json()
    assert (waiting["status"], waiting["health"]["reason"]) == ("awaiting", "connect.auth_failed")
    assert "上次接入失败：用户名或口令错误" in waiting["health"]["detail"]

    await fleet.change_password(2, SECRET)  # mended at the device
    again = await ended(client, {"which": "failed"})
    assert {one["name"]: one["outcome"] for one in again["results"]} == {"换过口令": "connected", "拔掉的": "failed"}
    only = (await client.get(f"{CONNECTIONS}/{again['id']}", params={"outcome": "failed", "limit": 1})).json()
    assert ([one["name"] for one in only["results"]], only["results_total"]) == (["拔掉的"], 1)
    async with services.db.reading() as session:
        acts = list(await session.scalars(select(AuditRow.what).where(AuditRow.what.like("camera%.connect"))))
    assert (acts.count("cameras.connect"), acts.count("camera.connect")) == (2, 3)


async def test_a_device_without_a_set_for_its_network_says_so_and_is_sent_no_login_of_another(
    client_as: ClientAs, fleet: VirtualFleet
) -> None:
    client = await client_as("system_admin")
    body = {"name": "别处", "networks": ["10.0.0.0/8"], "username": "viewer", "password": SECRET}
    await client.post("/api/v1/credential-sets", json=body)
    codes = await imported(client, fleet)
    job = await ended(client, {"codes": [codes["东门"]]})
    assert [one["reason"] for one in job["results"]] == ["credential_set_missing"]


async def test_who_may_not_write_connects_nothing_and_nothing_to_connect_is_said(client_as: ClientAs) -> None:
    assert (await (await client_as("duty_officer")).post(CONNECTIONS)).status_code == 403
    client = await client_as("system_admin")
    assert (await client.post(CONNECTIONS)).json()["reason"] == "nothing_to_connect"
    assert (await client.get(f"{CONNECTIONS}/unknown")).status_code == 404


async def test_the_command_line_follows_the_job_and_prints_what_failed(
    app: FastAPI, client_as: ClientAs, user_with: Callable[..., Awaitable[str]], fleet: VirtualFleet
) -> None:
    client = await client_as("system_admin")
    body = {"name": "凭据", "networks": ["127.0.0.0/8"], "username": "viewer", "password": SECRET}
    await client.post("/api/v1/credential-sets", json=body)
    await imported(client, fleet)
    username = await user_with("system_admin")
    screen = io.StringIO()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, timeout=20) as asking:
        done = await connected(
            asking, username, PASSWORD, Console(file=screen, width=200), which="awaiting", platform=None
        )
    said = screen.getvalue()
    assert not done
    assert "接入 connected 3 · 失败 failed 1" in said
    assert "auth_failed" in said
    assert SECRET not in said
