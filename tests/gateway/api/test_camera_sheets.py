"""Import and export over HTTP: each row's outcome told, wrong rows left out, and nothing changed by importing again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import Clock, system_clock
from gateway.settings import CameraSettings, Settings
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.vault import Vault
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]

CAMERAS = "/api/v1/cameras"
GRID = "990000000001001"
SECRET = "made-for-this-test"
OWN = "99000000081322000002"
HEAD = "编码,名称,ONVIF地址,RTSP地址,经度,纬度,所属平台,网格,结构"
SHEET = "\n".join(
    [
        HEAD,
        ",路口东,127.0.1.1,,120.6,30.3,,,球机",
        f"{OWN},路口西,127.0.1.2,,120.6,30.3,,,",
        ",路口南,,rtsp://127.0.1.3/main,121.5,31.5,,,",
        ",路口北,127.0.1.1,,,,,,",
        ",缺地址,,,120.6,30.3,,,",
        ",错网格,127.0.1.5,,,,,990000000009999,",
        ",错平台,127.0.1.6,,,,nowhere,,",
        "123,错编码,127.0.1.7,,,,,,",
    ]
).encode()


@pytest.fixture
def services(database: Database, tmp_path: Path, passwords: Passwords, clock: Clock) -> Services:
    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=database,
        vault=Vault.at(tmp_path),
        clock=clock,
        passwords=passwords,
        camera_network=CameraNetwork(CameraSettings(), system_clock),
    )


@pytest.fixture
async def town(services: Services) -> str:
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


async def records(services: Services) -> list[tuple[Any, ...]]:
    async with services.db.reading() as session:
        query = select(CameraRow.code, CameraRow.name, CameraRow.status, CameraRow.revision).order_by(CameraRow.code)
        return [tuple(row) for row in await session.execute(query)]


async def test_good_rows_go_in_together_wrong_ones_are_named_and_again_changes_nothing(
    client_as: ClientAs, services: Services, town: str
) -> None:
    client = await client_as("system_admin")
    tried = (await client.post(f"{CAMERAS}/import", params={"dry_run": True}, content=SHEET)).json()
    assert (tried["added"], tried["faulty"], await records(services)) == (3, 5, [])
    made = (await client.post(f"{CAMERAS}/import", content=SHEET, headers={"Content-Type": "text/csv"})).json()
    assert {**tried, "dry_run": False} == made
    assert [(one["row"], one["code"], one["outcome"]) for one in made["results"]] == [
        (2, "99000000081322000001", "added"), (3, OWN, "added"), (4, "99000000081322000003", "added"),
    ]  # fmt: skip
    assert [(one["row"], one["field"], one["reason"]) for one in made["faults"]] == [
        (5, "onvif_address", "twice_in_file"), (6, "onvif_address", "address_missing"), (7, "grid", "grid_unknown"),
        (8, "platform", "platform_unknown"), (9, "code", "code_not_20_digits"),
    ]  # fmt: skip
    shown = (await client.get(f"{CAMERAS}/{OWN}")).json()
    assert (shown["status"], shown["health"]["reason"], shown["grid"], shown["platform"]) == (
        "awaiting", "awaiting", GRID, town,
    )  # fmt: skip
    before = await records(services)
    again = (await client.post(f"{CAMERAS}/import", content=SHEET)).json()
    assert (again["added"], again["changed"], again["unchanged"], again["faulty"]) == (0, 0, 3, 5)
    assert await records(services) == before
    async with services.db.reading() as session:
        acts = list(await session.scalars(select(AuditRow.what).where(AuditRow.what == "cameras.import")))
    assert len(acts) == 2


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_an_export_imported_again_changes_nothing_and_a_changed_cell_changes_that(
    client_as: ClientAs, services: Services, town: str, kind: str
) -> None:
    client = await client_as("system_admin")
    await client.post(f"{CAMERAS}/import", content=SHEET)
    before = await records(services)
    sheet = await client.get(f"{CAMERAS}/export", params={"format": kind})
    assert sheet.headers["content-disposition"].endswith(f'.{kind}"')
    again = (await client.post(f"{CAMERAS}/import", files={"file": (f"c.{kind}", sheet.content)})).json()
    assert (again["unchanged"], again["faulty"], again["ignored_columns"]) == (3, 0, []), again
    assert await records(services) == before
    change = f"编码,名称,备注,密级\n{OWN},路口西二,新的说明,x\n".encode()
    changed = (await client.post(f"{CAMERAS}/import", content=change)).json()
    assert (changed["changed"], changed["ignored_columns"]) == (1, ["密级"])
    shown = (await client.get(f"{CAMERAS}/{OWN}")).json()
    assert (shown["name"], shown["note"], shown["grid"], shown["revision"]) == ("路口西二", "新的说明", GRID, 2)


async def test_a_sub_platform_imports_and_exports_its_own_alone(
    client_as: ClientAs, services: Services, town: str
) -> None:
    hub, below = await client_as("system_admin"), await client_as("system_admin", platform=town)
    await hub.post(f"{CAMERAS}/import", content=SHEET)
    sheet = (await below.get(f"{CAMERAS}/export", params={"format": "csv"})).text
    assert "路口西" in sheet
    assert "路口南" not in sheet
    for row, reason in (
        ("99000000081322000003,改名,,,,,,,", "platform_beyond_yours"),
        (",新的,127.0.1.9,,,,hub,,", "platform_beyond_yours"),
        (",同址,,rtsp://127.0.1.3/main,,,,,", "platform_beyond_yours"),
        ("99000000081322000009,同址,,rtsp://127.0.1.3/main,,,,,", "camera_already_registered"),
        (f"{OWN},改址,127.0.1.77,,,,,,", "address_differs"),
    ):
        answer = (await below.post(f"{CAMERAS}/import", content=f"{HEAD}\n{row}".encode())).json()
        assert [one["reason"] for one in answer["faults"]] == [reason], answer
    assert (await (await client_as("duty_officer")).post(f"{CAMERAS}/import", content=SHEET)).status_code == 403


async def test_a_file_that_is_no_sheet_is_refused_and_nothing_is_stored(
    client_as: ClientAs, services: Services
) -> None:
    client = await client_as("system_admin")
    for content, reason in ((b"", "sheet_without_columns"), ("名称,口令\na,b".encode(), "sheet_with_secrets")):
        answer = await client.post(f"{CAMERAS}/import", content=content)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, "file")
    assert (await client.post(f"{CAMERAS}/import", files={"other": b"x"})).json()["reason"] == "field_missing"
    async with services.db.reading() as session:
        assert (await session.execute(select(func.count()).select_from(CameraRow))).scalar_one() == 0


@pytest.mark.integration
async def test_an_imported_camera_is_connected_with_the_set_of_its_networks(
    client_as: ClientAs, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = await client_as("system_admin")
    body = {"name": "凭据", "networks": ["127.0.0.0/8"], "username": "viewer", "password": SECRET}
    await client.post("/api/v1/credential-sets", json=body)
    footage = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
    folder = tmp_path_factory.mktemp("fleet")
    async with VirtualFleet([VirtualCamera("东门", footage, "viewer", SECRET)], folder, multicast=False) as fleet:
        sheet = f"name,onvif_address\n东门,{fleet.devices[0].onvif_address}\n".encode()
        (row,) = (await client.post(f"{CAMERAS}/import", content=sheet)).json()["results"]
        connected = await client.patch(f"{CAMERAS}/{row['code']}", json={"status": "in_use"})
    assert connected.status_code == 200, connected.text
    shown = connected.json()
    assert (shown["status"], shown["encoding"], shown["health"]["state"]) == ("in_use", "H264", "connecting")
    assert shown["credential_set"] is not None
    again = (await client.post(f"{CAMERAS}/import", content=sheet)).json()
    assert again["unchanged"] == 1
